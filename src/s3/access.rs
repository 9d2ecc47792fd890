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

/// One access: every one of a request's accesses must be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The IAM action, which already tells a version from the current object.
    pub action: Action,
    /// What it is done to.
    pub scope: Scope,
    /// The object version, where the request names one.
    pub version: Option<String>,
}

impl Access {
    pub(super) fn new(action: Action, scope: Scope) -> Self {
        Self { action, scope, version: None }
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
