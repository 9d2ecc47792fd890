//! Floor 2: sockets. Accepting with a bound, and the time limits of a connection.

mod accept;
mod head_timer;
mod idle;

pub use accept::{Accepting, Refused};
pub use head_timer::HeadTimer;
pub use idle::IdleTimeout;
