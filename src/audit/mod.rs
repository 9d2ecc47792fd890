//! Floor 4: what is stored and who touched it, checked after the fact. `proxy audit inventory` reviews reports of S3
//! Inventory against rules; `proxy audit access` sets the proxy's log against those of S3.
//!
//! Both read local files or S3, in bounded memory, and tell a whole result or one error.

mod access;
mod error;
mod inventory;
mod place;
mod show;
mod spill;
mod store;

pub use access::{Access, AccessReview, review_access};
pub use error::{AuditError, Spot};
pub use inventory::{Earlier, Inventory, Progress, Review, review};
pub use place::Place;
pub use store::{Reach, Store};
