//! IAM's actions on general-purpose buckets and their objects.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3" (September 2026),
//! the actions whose resource is a bucket or an object, and those on the account's list of buckets and its
//! public-access block, each with its access level and resource. One enum serves grants, denials and logs.

use std::fmt;
use std::str::FromStr;

/// IAM's access level of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Shows names.
    List,
    /// Shows contents or settings.
    Read,
    /// Changes contents or settings.
    Write,
    /// Changes tags only.
    Tagging,
    /// Changes who may do what.
    Permissions,
}

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
    ($($name:ident: $level:ident $resource:ident;)+) => {
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

            /// Its access level.
            pub const fn level(self) -> Level {
                match self { $(Action::$name => Level::$level),+ }
            }

            /// What it is done to.
            pub const fn resource(self) -> Resource {
                match self { $(Action::$name => Resource::$resource),+ }
            }
        }
    };
}

actions! {
    AbortMultipartUpload: Write Object;
    AllowVendedLogDeliveryForResource: Read Bucket;
    BypassGovernanceRetention: Permissions Object;
    CreateBucket: Write Bucket;
    CreateBucketMetadataTableConfiguration: Write Bucket;
    DeleteBucket: Write Bucket;
    DeleteBucketMetadataTableConfiguration: Write Bucket;
    DeleteBucketPolicy: Permissions Bucket;
    DeleteBucketWebsite: Write Bucket;
    DeleteObject: Write Object;
    DeleteObjectAnnotation: Write Object;
    DeleteObjectTagging: Tagging Object;
    DeleteObjectVersion: Write Object;
    DeleteObjectVersionAnnotation: Write Object;
    DeleteObjectVersionTagging: Tagging Object;
    GetAccelerateConfiguration: Read Bucket;
    GetAccountPublicAccessBlock: Read Account;
    GetAnalyticsConfiguration: Read Bucket;
    GetBucketAbac: Read Bucket;
    GetBucketAcl: Read Bucket;
    GetBucketCORS: Read Bucket;
    GetBucketLocation: Read Bucket;
    GetBucketLogging: Read Bucket;
    GetBucketMetadataTableConfiguration: Read Bucket;
    GetBucketNotification: Read Bucket;
    GetBucketObjectLockConfiguration: Read Bucket;
    GetBucketOwnershipControls: Read Bucket;
    GetBucketPolicy: Read Bucket;
    GetBucketPolicyStatus: Read Bucket;
    GetBucketPublicAccessBlock: Read Bucket;
    GetBucketRequestPayment: Read Bucket;
    GetBucketTagging: Read Bucket;
    GetBucketVersioning: Read Bucket;
    GetBucketWebsite: Read Bucket;
    GetEncryptionConfiguration: Read Bucket;
    GetIntelligentTieringConfiguration: Read Bucket;
    GetInventoryConfiguration: Read Bucket;
    GetLifecycleConfiguration: Read Bucket;
    GetMetricsConfiguration: Read Bucket;
    GetObject: Read Object;
    GetObjectAcl: Read Object;
    GetObjectAnnotation: Read Object;
    GetObjectAttributes: Read Object;
    GetObjectLegalHold: Read Object;
    GetObjectRetention: Read Object;
    GetObjectTagging: Read Object;
    GetObjectTorrent: Read Object;
    GetObjectVersion: Read Object;
    GetObjectVersionAcl: Read Object;
    GetObjectVersionAnnotation: Read Object;
    GetObjectVersionAnnotationForReplication: Read Object;
    GetObjectVersionAttributes: Read Object;
    GetObjectVersionForReplication: Read Object;
    GetObjectVersionTagging: Read Object;
    GetObjectVersionTorrent: Read Object;
    GetReplicationConfiguration: Read Bucket;
    InitiateReplication: Write Object;
    ListAllMyBuckets: List Account;
    ListBucket: List Bucket;
    ListBucketMultipartUploads: List Bucket;
    ListBucketVersions: List Bucket;
    ListMultipartUploadParts: List Object;
    ListObjectAnnotations: List Object;
    ListObjectVersionAnnotations: List Object;
    ListTagsForResource: List Bucket;
    ObjectOwnerOverrideToBucketOwner: Permissions Object;
    PauseReplication: Write Bucket;
    PutAccelerateConfiguration: Write Bucket;
    PutAccountPublicAccessBlock: Permissions Account;
    PutAnalyticsConfiguration: Write Bucket;
    PutBucketAbac: Write Bucket;
    PutBucketAcl: Permissions Bucket;
    PutBucketCORS: Write Bucket;
    PutBucketLogging: Write Bucket;
    PutBucketNotification: Write Bucket;
    PutBucketObjectLockConfiguration: Write Bucket;
    PutBucketOwnershipControls: Permissions Bucket;
    PutBucketPolicy: Permissions Bucket;
    PutBucketPublicAccessBlock: Permissions Bucket;
    PutBucketRequestPayment: Write Bucket;
    PutBucketTagging: Tagging Bucket;
    PutBucketVersioning: Write Bucket;
    PutBucketWebsite: Write Bucket;
    PutEncryptionConfiguration: Write Bucket;
    PutIntelligentTieringConfiguration: Write Bucket;
    PutInventoryConfiguration: Write Bucket;
    PutLifecycleConfiguration: Write Bucket;
    PutMetricsConfiguration: Write Bucket;
    PutObject: Write Object;
    PutObjectAcl: Permissions Object;
    PutObjectAnnotation: Write Object;
    PutObjectLegalHold: Write Object;
    PutObjectRetention: Write Object;
    PutObjectTagging: Tagging Object;
    PutObjectVersionAcl: Permissions Object;
    PutObjectVersionAnnotation: Write Object;
    PutObjectVersionTagging: Tagging Object;
    PutReplicationConfiguration: Write Bucket;
    ReplicateDelete: Write Object;
    ReplicateObject: Write Object;
    ReplicateObjectAnnotation: Write Object;
    ReplicateTags: Tagging Object;
    RestoreObject: Write Object;
    TagResource: Tagging Bucket;
    UntagResource: Tagging Bucket;
    UpdateBucketMetadataAnnotationTableConfiguration: Write Bucket;
    UpdateBucketMetadataInventoryTableConfiguration: Write Bucket;
    UpdateBucketMetadataJournalTableConfiguration: Write Bucket;
    UpdateObjectEncryption: Write Object;
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
