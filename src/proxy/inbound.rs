//! The client's connection-level headers, taken off before anything else reads the request.

use http::request::Parts;

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
