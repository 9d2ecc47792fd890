//! A request as somebody words it on a command line, made into what the data plane would see.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};

use crate::identity::{ClientIdentity, IdentityError};

/// A request to be explained.
#[derive(Debug)]
pub struct Question {
    pub(super) identity: ClientIdentity,
    pub(super) head: Parts,
    /// Bytes of body, if the request says.
    pub(super) length: Option<u64>,
    pub(super) body: Vec<u8>,
}

/// What is wrong with the words.
#[derive(Debug, thiserror::Error)]
pub enum BadQuestion {
    /// No such certificate could be.
    #[error("--identity: {0}")]
    Identity(#[from] IdentityError),
    /// No HTTP method.
    #[error("--method: '{0}' is not an HTTP method")]
    Method(String),
    /// No request target.
    #[error("--url: '{0}' is not a path with a query, such as /bucket/key?versionId=1, or a whole URL: {1}")]
    Url(String, &'static str),
    /// No header line.
    #[error("--header: '{0}' is not a header line, such as 'x-amz-acl: private'")]
    Header(String),
}

impl Question {
    /// Takes the names of one certificate, a method, a path with a query or a whole URL, header lines, and a body.
    pub fn new(
        identities: &[String],
        method: &str,
        url: &str,
        headers: &[String],
        body: Vec<u8>,
    ) -> Result<Self, BadQuestion> {
        let method = method.parse::<Method>().map_err(|_| BadQuestion::Method(method.to_owned()))?;
        let uri = uri(url)?;
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        for line in headers {
            let (name, value) = header(line).ok_or_else(|| BadQuestion::Header(line.clone()))?;
            request.headers_mut().append(name, value);
        }
        // A request over HTTP/1.1 or HTTP/2 says how long its body is; `Transfer-Encoding` says that it does not know.
        let length = match request.headers().get(header::CONTENT_LENGTH) {
            Some(length) => length.to_str().ok().and_then(|length| length.parse().ok()),
            None if request.headers().contains_key(header::TRANSFER_ENCODING) => None,
            None => Some(body.len() as u64),
        };
        if request.uri().authority().is_none() && !request.headers().contains_key(header::HOST) {
            request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        }
        Ok(Self { identity: ClientIdentity::named(identities)?, head: request.into_parts().0, length, body })
    }
}

fn uri(url: &str) -> Result<Uri, BadQuestion> {
    let bad = |why| BadQuestion::Url(url.to_owned(), why);
    if url.contains('#') {
        return Err(bad("a '#' is written %23"));
    }
    if url.chars().any(|c| c.is_whitespace() || !c.is_ascii()) {
        return Err(bad("write spaces and characters outside US-ASCII percent-encoded"));
    }
    let uri: Uri = url.parse().map_err(|_| bad("it cannot be read"))?;
    if !uri.path().starts_with('/') {
        return Err(bad("the path does not start with '/'"));
    }
    Ok(uri)
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
}
