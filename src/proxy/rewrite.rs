//! From the client's head to the head that S3 should see: only permitted headers, the canonical address, a length.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, header};

use crate::policy::{Additions, Permitted};
use crate::s3::{ErrorCode, HeaderRule, Refusal, header_rule};
use crate::upstream::Endpoint;

/// An upstream request that is complete but for its signature. Needs a [`Permitted`]: what was not authorized cannot
/// be built.
pub(super) fn head(
    head: &Parts,
    permitted: &Permitted,
    content_length: Option<u64>,
    additions: &Additions,
    endpoint: &Endpoint,
) -> Result<Request<()>, Refusal> {
    let asked = permitted.asked();
    let unusable = |_| Refusal::new(ErrorCode::InvalidURI, "The address cannot be expressed as a URI.");
    let (uri, host) = endpoint.locate(asked.target(), asked.query()).map_err(unusable)?;
    let mut headers = HeaderMap::with_capacity(head.headers.len() + 8);
    headers.insert(header::HOST, host);
    for (name, value) in &head.headers {
        match header_rule(name.as_str()) {
            HeaderRule::Forward | HeaderRule::Sign => {
                headers.append(name, value.clone());
            }
            // Refused headers were refused when the request was classified.
            HeaderRule::Drop | HeaderRule::Refuse(..) => {}
        }
    }
    for (name, value) in additions.iter() {
        headers.insert(name, value.clone());
    }
    if let Some(length) = content_length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}
