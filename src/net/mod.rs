//! Floor 2: sockets and what is needed to encrypt them. Accepting with a bound, from anywhere or from this machine only,
//! the time limits and the end of a connection, what of a head belongs to it alone, PEM files.

mod accept;
mod crypto;
mod head_timer;
mod head_watch;
mod hop_by_hop;
mod http2_heads;
mod http2_resets;
mod idle;
mod lobby;
mod local;
mod local_stream;
mod peers;
mod pem;
mod stop;
mod unsent;

pub use accept::{Accepting, Listen, Refused};
pub use crypto::crypto;
pub use head_timer::HeadTimer;
pub use head_watch::{HeadWatch, Misread};
pub use hop_by_hop::{strip_hop_by_hop, strip_request};
pub use http2_heads::{Http2Heads, Objection};
pub use idle::{IdleTimeout, Traffic};
pub use lobby::{Lobby, Seat};
pub use local::{LocalAddress, LocalListener};
pub use local_stream::LocalStream;
pub use peers::{Peer, Peers};
pub use pem::{PemError, read_certificates, read_private_key, read_revocation_lists, read_roots, roots_of};
pub use stop::Stop;
pub use unsent::bound_unsent;
