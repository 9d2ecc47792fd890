//! Floor 3: the proxy's own AWS credentials. Loaded and refreshed in the background; a request takes what is there
//! and never waits.

mod source;
mod store;

pub use source::Source;
pub use store::{CredentialStore, Unavailable};
