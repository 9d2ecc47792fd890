//! The client's connection-level headers, taken off before anything else reads the request.

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::s3::{ErrorCode, Refusal};

/// Fields that concern one connection (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes hop-by-hop fields and the fields that `Connection` nominates.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in nominated(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}

fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// Takes the connection's business out of a request.
///
/// A client must not be able to remove what decides or proves something by calling it hop-by-hop (toolhive#5835):
/// nominating authentication, framing or an `x-amz-` header other than metadata is refused.
pub(super) fn prepare(head: &mut Parts) -> Result<(), Refusal> {
    for name in nominated(&head.headers) {
        let text = name.as_str();
        let decides =
            matches!(text, "authorization" | "host" | "content-length" | "content-md5" | "range" | "expect")
                || text.starts_with("if-")
                || text.starts_with("x-amz-") && !text.starts_with("x-amz-meta-");
        if decides {
            let message = format!("The Connection header must not name '{text}'.");
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
    }
    strip_hop_by_hop(&mut head.headers);
    Ok(())
}

/// Fields of which S3 knows one, and of which two readers could pick different ones.
const SINGLE: [HeaderName; 3] = [header::RANGE, header::IF_RANGE, HeaderName::from_static("content-md5")];

/// Refuses what is said twice.
pub(super) fn refuse_doubled(headers: &HeaderMap) -> Result<(), Refusal> {
    match SINGLE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        None => Ok(()),
        Some(name) => {
            Err(Refusal::new(ErrorCode::InvalidArgument, format!("The header '{name}' occurs twice.")))
        }
    }
}
