//! Floor 2: sockets and what is needed to encrypt them. Accepting with a bound, the time limits of a connection, PEM
//! files.

mod accept;
mod head_timer;
mod http2_heads;
mod idle;
mod lobby;
mod pem;
mod target;
mod unsent;

pub use accept::{Accepting, Refused};
pub use head_timer::HeadTimer;
pub use http2_heads::Http2Heads;
pub use idle::IdleTimeout;
pub use lobby::{Lobby, Seat};
pub use pem::{PemError, read_certificates, read_private_key, read_revocation_lists, read_roots};
pub use target::TargetWatch;
pub use unsent::bound_unsent;
