//! The operations of S3, and what a row of their table says. The rows themselves are in `table`.

use std::fmt;

use super::action::Action;
use super::document::Document;
pub use super::table::Operation;

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

    /// Whether the operation makes an object whose encryption, retention and ACL its own headers set.
    pub const fn creates_object(self) -> bool {
        matches!(self, Self::PutObject | Self::CopyObject | Self::CreateMultipartUpload)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
