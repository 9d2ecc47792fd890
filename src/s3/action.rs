//! IAM's actions on general-purpose buckets and their objects.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3" (September 2026),
//! the actions whose resource is a bucket or an object, and those on the account's list of buckets and its
//! public-access block, each with its resource. One enum serves grants, denials and logs.

use std::fmt;
use std::str::FromStr;

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The account.
    Account,
    /// A bucket as a whole, or its list of keys.
    Bucket,
    /// An object.
    Object,
}

macro_rules! actions {
    ($($name:ident: $resource:ident;)+) => {
        /// An IAM action of the `s3:` prefix; the variant's name is the action's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are IAM's own")]
        pub enum Action { $($name),+ }

        impl Action {
            /// Every action, in alphabetical order.
            pub const ALL: &'static [Action] = &[$(Action::$name),+];

            /// The action as IAM writes it, with its prefix.
            pub const fn as_str(self) -> &'static str {
                match self { $(Action::$name => concat!("s3:", stringify!($name))),+ }
            }

            /// What it is done to.
            pub const fn resource(self) -> Resource {
                match self { $(Action::$name => Resource::$resource),+ }
            }
        }
    };
}

actions! {
    AbortMultipartUpload: Object;
    AllowVendedLogDeliveryForResource: Bucket;
    BypassGovernanceRetention: Object;
    CreateBucket: Bucket;
    CreateBucketMetadataTableConfiguration: Bucket;
    DeleteBucket: Bucket;
    DeleteBucketMetadataTableConfiguration: Bucket;
    DeleteBucketPolicy: Bucket;
    DeleteBucketWebsite: Bucket;
    DeleteObject: Object;
    DeleteObjectAnnotation: Object;
    DeleteObjectTagging: Object;
    DeleteObjectVersion: Object;
    DeleteObjectVersionAnnotation: Object;
    DeleteObjectVersionTagging: Object;
    GetAccelerateConfiguration: Bucket;
    GetAccountPublicAccessBlock: Account;
    GetAnalyticsConfiguration: Bucket;
    GetBucketAbac: Bucket;
    GetBucketAcl: Bucket;
    GetBucketCORS: Bucket;
    GetBucketLocation: Bucket;
    GetBucketLogging: Bucket;
    GetBucketMetadataTableConfiguration: Bucket;
    GetBucketNotification: Bucket;
    GetBucketObjectLockConfiguration: Bucket;
    GetBucketOwnershipControls: Bucket;
    GetBucketPolicy: Bucket;
    GetBucketPolicyStatus: Bucket;
    GetBucketPublicAccessBlock: Bucket;
    GetBucketRequestPayment: Bucket;
    GetBucketTagging: Bucket;
    GetBucketVersioning: Bucket;
    GetBucketWebsite: Bucket;
    GetEncryptionConfiguration: Bucket;
    GetIntelligentTieringConfiguration: Bucket;
    GetInventoryConfiguration: Bucket;
    GetLifecycleConfiguration: Bucket;
    GetMetricsConfiguration: Bucket;
    GetObject: Object;
    GetObjectAcl: Object;
    GetObjectAnnotation: Object;
    GetObjectAttributes: Object;
    GetObjectLegalHold: Object;
    GetObjectRetention: Object;
    GetObjectTagging: Object;
    GetObjectTorrent: Object;
    GetObjectVersion: Object;
    GetObjectVersionAcl: Object;
    GetObjectVersionAnnotation: Object;
    GetObjectVersionAnnotationForReplication: Object;
    GetObjectVersionAttributes: Object;
    GetObjectVersionForReplication: Object;
    GetObjectVersionTagging: Object;
    GetObjectVersionTorrent: Object;
    GetReplicationConfiguration: Bucket;
    InitiateReplication: Object;
    ListAllMyBuckets: Account;
    ListBucket: Bucket;
    ListBucketMultipartUploads: Bucket;
    ListBucketVersions: Bucket;
    ListMultipartUploadParts: Object;
    ListObjectAnnotations: Object;
    ListObjectVersionAnnotations: Object;
    ListTagsForResource: Bucket;
    ObjectOwnerOverrideToBucketOwner: Object;
    PauseReplication: Bucket;
    PutAccelerateConfiguration: Bucket;
    PutAccountPublicAccessBlock: Account;
    PutAnalyticsConfiguration: Bucket;
    PutBucketAbac: Bucket;
    PutBucketAcl: Bucket;
    PutBucketCORS: Bucket;
    PutBucketLogging: Bucket;
    PutBucketNotification: Bucket;
    PutBucketObjectLockConfiguration: Bucket;
    PutBucketOwnershipControls: Bucket;
    PutBucketPolicy: Bucket;
    PutBucketPublicAccessBlock: Bucket;
    PutBucketRequestPayment: Bucket;
    PutBucketTagging: Bucket;
    PutBucketVersioning: Bucket;
    PutBucketWebsite: Bucket;
    PutEncryptionConfiguration: Bucket;
    PutIntelligentTieringConfiguration: Bucket;
    PutInventoryConfiguration: Bucket;
    PutLifecycleConfiguration: Bucket;
    PutMetricsConfiguration: Bucket;
    PutObject: Object;
    PutObjectAcl: Object;
    PutObjectAnnotation: Object;
    PutObjectLegalHold: Object;
    PutObjectRetention: Object;
    PutObjectTagging: Object;
    PutObjectVersionAcl: Object;
    PutObjectVersionAnnotation: Object;
    PutObjectVersionTagging: Object;
    PutReplicationConfiguration: Bucket;
    ReplicateDelete: Object;
    ReplicateObject: Object;
    ReplicateObjectAnnotation: Object;
    ReplicateTags: Object;
    RestoreObject: Object;
    TagResource: Bucket;
    UntagResource: Bucket;
    UpdateBucketMetadataAnnotationTableConfiguration: Bucket;
    UpdateBucketMetadataInventoryTableConfiguration: Bucket;
    UpdateBucketMetadataJournalTableConfiguration: Bucket;
    UpdateObjectEncryption: Object;
}

/// A name that is in none of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name that S3 knows")]
pub struct UnknownName;

impl FromStr for Action {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.iter().copied().find(|action| action.as_str() == name).ok_or(UnknownName)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of actions as one machine word, so that a rule is tested with a single AND.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActionSet(u128);

// The set has one bit an action.
const _: () = assert!(Action::ALL.len() <= 128);

impl ActionSet {
    /// The actions that a predicate picks.
    pub fn filter(pick: impl Fn(Action) -> bool) -> Self {
        Action::ALL
            .iter()
            .filter(|&&action| pick(action))
            .fold(Self::default(), |set, &action| set.with(action))
    }

    /// The actions of a list.
    pub const fn of(actions: &[Action]) -> Self {
        let (mut set, mut i) = (Self(0), 0);
        while i < actions.len() {
            set = set.with(actions[i]);
            i += 1;
        }
        set
    }

    /// This set and one action more.
    #[must_use]
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | 1 << action as u32)
    }

    /// The actions of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The actions that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The actions of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Each action of the set.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |&action| self.contains(action))
    }

    /// Whether the sets have an action in common.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every action of the other set is in this one.
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the action is in the set.
    pub const fn contains(self, action: Action) -> bool {
        self.0 >> action as u32 & 1 == 1
    }

    /// Whether the set holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let gets = ActionSet::filter(|action| action.as_str().starts_with("s3:Get"));
        assert!(gets.contains(Action::GetObject) && !gets.contains(Action::PutObject));
        assert!(ActionSet::default().is_empty());
        assert!(
            ActionSet::default()
                .with(Action::UpdateObjectEncryption)
                .contains(Action::UpdateObjectEncryption)
        );
    }
}
