//! Floor 2: the life of the process. Readiness, signals, the limit on open files, and files
//! that change while it runs.

mod descriptors;
mod readiness;
mod signals;
mod watch;

pub use descriptors::raise_descriptors;
pub use readiness::{Pending, Readiness};
pub use signals::{Signal, Signals};
pub use watch::FileWatch;
