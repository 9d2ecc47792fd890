//! Floor 4: the bridge, for clients that cannot present a certificate. Plain HTTP/1.1 from this machine in, mTLS to a
//! proxy out.
//!
//! It adds nothing to a request but the connection: it knows neither grants nor credentials, and whatever it is asked
//! is the proxy's to judge. `Host` stays, so that virtual-hosted style works.

mod body;
mod bridge;
mod connection;
mod destination;
mod exchange;
mod reach;
mod respond;

pub use bridge::{Bridge, Timeouts};
pub use connection::{Listener, serve};
pub use destination::Destination;
pub use reach::reach;
