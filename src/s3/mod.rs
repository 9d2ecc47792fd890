//! Floor 0: S3's own vocabulary. Names, addresses, operations, the IAM actions that they need, errors.
//!
//! [`classify`] turns a request head into an [`Asked`]: one known operation with every access that it
//! needs, or a refusal. Its tables are closed: what is not listed is refused, never passed on. Nothing
//! here knows who asks or whether they may; `policy` decides that from the accesses.

mod access;
mod action;
mod address;
mod classify;
mod copy_source;
mod delete_objects;
pub mod encoding;
mod error;
mod header;
mod name;
mod operation;
mod query;

pub use access::{Access, Scope};
pub use action::{Action, ActionSet};
pub use address::{Domains, Target};
pub use classify::{Asked, Classified, classify};
pub use delete_objects::MAX_BODY as DELETE_OBJECTS_MAX_BODY;
pub use error::{ErrorCode, Refusal};
pub use header::{HeaderRule, rule as header_rule};
pub use name::{BucketName, KeyPrefix, NameError, ObjectKey};
pub use operation::Operation;
pub use query::{Parameter, Query};
