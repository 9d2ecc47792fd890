//! Floor 1: Signature Version 4 as S3 wants it, sans IO. Payload modes, the request signature, and the framing of
//! `aws-chunked` bodies, whose chunks are signed one after the other.
//!
//! The arithmetic is the `aws-sigv4` crate's; time and credentials are arguments.

mod check;
mod decoder;
mod encoder;
mod payload;
mod reframe;
mod signer;
mod trailer;

pub use decoder::FramingError;
pub use payload::{Payload, PayloadMode, Recode};
pub use reframe::{ReframeError, Reframer};
pub use signer::{ChunkSigner, SignError, Signer, SigningCredentials};
pub use trailer::TrailerNames;
