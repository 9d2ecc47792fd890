//! Floor 2: the life of the process. Readiness, signals, and files that change while it runs.

mod readiness;
mod signals;
mod watch;

pub use readiness::{Pending, Readiness};
pub use signals::{Signal, Signals};
pub use watch::FileWatch;
