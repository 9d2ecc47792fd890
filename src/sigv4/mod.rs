//! Floor 1: Signature Version 4 as S3 wants it, sans IO. Payload modes, the request signature, and the framing of
//! `aws-chunked` bodies, whose chunks are signed one after the other.
//!
//! Time and credentials are arguments. The `aws-sigv4` crate derives the signing key anew for each request and chunk;
//! here it is kept for its day, and the crate serves the tests as the implementation to compare with.

mod canonical;
mod check;
mod decoder;
mod encoder;
mod key;
mod payload;
mod pen;
mod reframe;
mod signer;
mod trailer;

pub use decoder::FramingError;
pub use payload::{Payload, PayloadMode, Recode};
pub use reframe::Reframer;
pub use signer::{ChunkSigner, SignError, Signer, SigningCredentials};
pub use trailer::TrailerNames;

/// Lower-case digits.
fn hexadecimal(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    // Faster than `hex::encode`, which goes by characters. The length is right, and digits are text.
    let _ = hex::encode_to_slice(bytes, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}
