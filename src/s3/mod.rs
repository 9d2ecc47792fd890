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
mod document;
pub mod encoding;
mod error;
mod header;
mod list_buckets;
mod name;
mod operation;
mod query;
mod retention;
mod stored;
mod table;
mod xml;

pub use access::{Access, Necessity, Scope};
pub use action::{Action, ActionSet, Resource, UnknownName};
pub use address::{Domains, Target};
pub use classify::{Asked, Classified, NeverOffered, Unread, classify};
pub use document::Document;
pub use error::{ErrorCode, Refusal};
pub use header::{ACL as ACL_HEADERS, HeaderRule, rule as header_rule};
pub use list_buckets::{ListingError, retain_buckets};
pub use name::{BucketName, KeyPrefix, NameError, ObjectKey};
pub use operation::Operation;
pub use query::{Parameter, Query};
pub use retention::{LockMode, Retention};
pub use stored::{Class, Encrypted, Replicated};
