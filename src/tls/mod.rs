//! Floor 3: both sides of mTLS. Certificates from files, the judgement of a client's certificate, the handshake, and
//! what became of each attempt.

mod client;
mod handshake;
mod leaf;
mod material;
mod one_sided;
mod revocation;
mod tickets;
mod verifier;
#[cfg(feature = "spiffe")]
mod workload;
#[cfg(not(feature = "spiffe"))]
#[path = "no_workload.rs"]
mod workload;

pub use client::{ClientFiles, ClientTls};
pub use handshake::{Established, HandshakeError, accept};
pub use leaf::{ClientLeaf, LeafError};
pub use material::{Keys, ServerTls};
pub use one_sided::OneSidedTls;
pub use workload::{Workload, WorkloadError};
