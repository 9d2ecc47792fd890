//! Header fields that concern one connection only. Whoever passes a request or an answer on takes them off first.

use http::{HeaderMap, HeaderName, header};

use crate::s3::{ErrorCode, Refusal};

/// Fields that concern one connection (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2).
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes hop-by-hop fields and the fields that `Connection` nominates.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most have none, and looking is cheaper than removing.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let nominated: Vec<HeaderName> = nominated(headers).collect();
    for name in nominated {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Takes the connection's business out of a request, unless that is what its sender wants to hide something with.
pub fn strip_request(headers: &mut HeaderMap) -> Result<(), Refusal> {
    if let Some(name) = nominated_without_right(headers) {
        let message = format!("The Connection header must not name '{name}'.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    strip_hop_by_hop(headers);
    Ok(())
}

/// A nominated field that decides or proves something: authentication, framing, conditions, an `x-amz-` header other
/// than metadata. A client must not be able to remove it by calling it hop-by-hop (toolhive#5835).
fn nominated_without_right(headers: &HeaderMap) -> Option<HeaderName> {
    let decides = |name: &HeaderName| {
        let text = name.as_str();
        matches!(text, "authorization" | "host" | "content-length" | "content-md5" | "range" | "expect")
            || text.starts_with("if-")
            || text.starts_with("x-amz-") && !text.starts_with("x-amz-meta-")
    };
    nominated(headers).find(decides)
}

fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok())
}
