//! The client's connection-level headers, taken off before anything else reads the request.

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::net::{nominated_without_right, strip_hop_by_hop};
use crate::s3::{ErrorCode, Refusal};

/// Takes the connection's business out of a request, unless that is what its sender wants to hide something with.
pub(super) fn prepare(head: &mut Parts) -> Result<(), Refusal> {
    if let Some(name) = nominated_without_right(&head.headers) {
        let message = format!("The Connection header must not name '{name}'.");
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
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
