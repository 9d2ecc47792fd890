//! The operations of S3, and what a row of their table says. The rows themselves are in `table`.

use std::fmt;
use std::str::FromStr;

use super::access::{Access, Scope};
use super::action::{Action, UnknownName};
use super::document::Document;
use super::name::{BucketName, KeyPrefix};
pub use super::table::Operation;
use super::table::TABLE;

/// Which kind of address an operation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Service,
    Bucket,
    Object,
}

/// How an operation's accesses follow from its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// One action on the account.
    Service(Action),
    /// One action on the bucket as a whole.
    Bucket(Action),
    /// One action on the keys below the `prefix` parameter.
    List(Action),
    /// Actions on the object, whatever its version.
    Object(&'static [Action]),
    /// Actions on the current object, and those on a named version of it.
    Versioned(&'static [Action], &'static [Action]),
    /// `s3:PutObject` on the object, and a read of `x-amz-copy-source`.
    CopyFrom,
    /// A delete of each key in the body.
    Batch,
    /// Known, and never offered: why, in a sentence.
    Never(&'static str),
}

/// One row: an operation and the requests that are it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) operation: Operation,
    pub(super) method: &'static str,
    pub(super) on: On,
    /// Query parameters that select the operation, each `name`, `name=value` or `name=*` for any but an empty value;
    /// all must be there.
    pub(super) selector: &'static [&'static str],
    /// Further query parameters that it takes.
    pub(super) takes: &'static [&'static str],
    /// Whether `x-amz-copy-source` must be there; in every other row it must not.
    pub(super) copies: bool,
    pub(super) needs: Needs,
}

impl Operation {
    /// What the operation's body is, where it says more than the head does and has to be read before the decision.
    pub(super) const fn document(self) -> Option<Document> {
        match self {
            Self::DeleteObjects => Some(Document::Delete),
            Self::RestoreObject => Some(Document::RestoreRequest),
            Self::PutObjectRetention => Some(Document::Retention),
            Self::CreateBucket => Some(Document::CreateBucketConfiguration),
            _ => None,
        }
    }

    /// The accesses of a plain request to a bucket and a key (for a list: its prefix), without a version and without
    /// headers that need more; `None` where operation, bucket and key do not tell.
    pub fn obvious_accesses(self, bucket: Option<&BucketName>, key: Option<&str>) -> Option<Vec<Access>> {
        let row = TABLE.iter().find(|row| row.operation == self)?;
        let on_object = |actions: &[Action]| {
            let (bucket, key) = (bucket?, key?.parse().ok()?);
            Some(actions.iter().map(|&action| Access::on_object(action, bucket, &key, None)).collect())
        };
        match row.needs {
            Needs::Service(action) => Some(vec![Access::on_account(action)]),
            Needs::Bucket(action) => Some(vec![Access::in_bucket(action, bucket?)]),
            Needs::List(action) => {
                let prefix = KeyPrefix::new(key.unwrap_or_default());
                Some(vec![Access::new(action, Scope::Prefix(bucket?.clone(), prefix))])
            }
            Needs::Object(actions) | Needs::Versioned(actions, _) => on_object(actions),
            Needs::CopyFrom | Needs::Batch | Needs::Never(_) => None,
        }
    }

    /// Whether the operation makes an object whose encryption, retention and ACL its own headers set.
    pub const fn creates_object(self) -> bool {
        matches!(self, Self::PutObject | Self::CopyObject | Self::CreateMultipartUpload)
    }
}

impl FromStr for Operation {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|operation| operation.as_str() == name).ok_or(UnknownName)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
