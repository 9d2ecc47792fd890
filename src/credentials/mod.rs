//! Floor 3: the AWS credentials that requests are signed with. Loaded and refreshed in the background, from one
//! source; a request takes what is there, and waits only for the first session of its identity.

mod agent;
mod clock;
mod error;
mod keeper;
mod keyring;
mod probe;
mod sessions;
mod source;
mod store;
mod sts;
mod token;

pub use clock::Clock;
pub use keyring::{Keyring, Unsignable};
pub use probe::probe;
