//! Floor 3: the proxy's side of mTLS. Certificates from files, the judgement of a client's certificate, the
//! handshake, and what became of each attempt.

mod handshake;
mod leaf;
mod material;
mod verifier;

pub use handshake::{Established, HandshakeError, accept};
pub use leaf::{ClientLeaf, LeafError};
pub use material::ServerTls;
