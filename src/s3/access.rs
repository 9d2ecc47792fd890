//! What one request needs to be allowed: an IAM action on a resource.

use std::fmt;

use super::action::Action;
use super::name::{BucketName, KeyPrefix, ObjectKey};

/// Which part of S3 an access touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The account's list of buckets.
    Service,
    /// The bucket itself, its settings or its existence.
    Bucket(BucketName),
    /// The keys of a bucket below a prefix, as a list shows them.
    Prefix(BucketName, KeyPrefix),
    /// One object.
    Object(BucketName, ObjectKey),
}

/// Whether S3 asks for an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Necessity {
    /// Always: it must be granted.
    Needed,
    /// Only if the source of a copy has tags or annotations, which the request does not tell: it must not be denied.
    Possible,
}

/// One access: every one of a request's accesses must be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The IAM action, which already tells a version from the current object.
    pub action: Action,
    /// What it is done to.
    pub scope: Scope,
    /// The object version, where the request names one.
    pub version: Option<String>,
    /// Whether S3 asks for it in any case.
    pub necessity: Necessity,
}

impl Access {
    /// An action on a part of S3, without a version.
    pub fn new(action: Action, scope: Scope) -> Self {
        Self { action, scope, version: None, necessity: Necessity::Needed }
    }

    /// An action on an object, or on a version of it.
    pub fn on_object(action: Action, bucket: &BucketName, key: &ObjectKey, version: Option<&str>) -> Self {
        let scope = Scope::Object(bucket.clone(), key.clone());
        Self { version: version.map(str::to_owned), ..Self::new(action, scope) }
    }

    /// The same, where S3 asks for it only under circumstances that the request does not tell.
    pub(super) fn possible(self) -> Self {
        Self { necessity: Necessity::Possible, ..self }
    }

    /// An action on the account.
    pub fn on_account(action: Action) -> Self {
        Self::new(action, Scope::Service)
    }

    /// An action on a bucket as a whole.
    pub fn in_bucket(action: Action, bucket: &BucketName) -> Self {
        Self::new(action, Scope::Bucket(bucket.clone()))
    }

    /// The bucket, unless the access is to the account's list of buckets.
    pub fn bucket(&self) -> Option<&BucketName> {
        match &self.scope {
            Scope::Service => None,
            Scope::Bucket(bucket) | Scope::Prefix(bucket, _) | Scope::Object(bucket, _) => Some(bucket),
        }
    }
}

/// As a denial names it: `s3:GetObject on bucket/key`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on ", self.action)?;
        match &self.scope {
            Scope::Service => f.write_str("the list of buckets"),
            Scope::Bucket(bucket) => write!(f, "{bucket}"),
            Scope::Prefix(bucket, prefix) => write!(f, "{bucket} with prefix \"{prefix}\""),
            Scope::Object(bucket, key) => write!(f, "{bucket}/{key}"),
        }
    }
}
