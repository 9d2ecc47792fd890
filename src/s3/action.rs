//! IAM's actions on general-purpose buckets and their objects.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3", the actions
//! whose resource is a bucket or an object, and `ListAllMyBuckets`. One enum serves grants, denials and logs.

use std::fmt;

macro_rules! actions {
    ($($name:ident),+ $(,)?) => {
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
        }
    };
}

actions! {
    AbortMultipartUpload,
    BypassGovernanceRetention,
    CreateBucket,
    CreateBucketMetadataTableConfiguration,
    DeleteBucket,
    DeleteBucketMetadataTableConfiguration,
    DeleteBucketPolicy,
    DeleteBucketWebsite,
    DeleteObject,
    DeleteObjectTagging,
    DeleteObjectVersion,
    DeleteObjectVersionTagging,
    GetAccelerateConfiguration,
    GetAccountPublicAccessBlock,
    GetAnalyticsConfiguration,
    GetBucketAbac,
    GetBucketAcl,
    GetBucketCORS,
    GetBucketLocation,
    GetBucketLogging,
    GetBucketMetadataTableConfiguration,
    GetBucketNotification,
    GetBucketObjectLockConfiguration,
    GetBucketOwnershipControls,
    GetBucketPolicy,
    GetBucketPolicyStatus,
    GetBucketPublicAccessBlock,
    GetBucketRequestPayment,
    GetBucketTagging,
    GetBucketVersioning,
    GetBucketWebsite,
    GetEncryptionConfiguration,
    GetIntelligentTieringConfiguration,
    GetInventoryConfiguration,
    GetLifecycleConfiguration,
    GetMetricsConfiguration,
    GetObject,
    GetObjectAcl,
    GetObjectAttributes,
    GetObjectLegalHold,
    GetObjectRetention,
    GetObjectTagging,
    GetObjectTorrent,
    GetObjectVersion,
    GetObjectVersionAcl,
    GetObjectVersionAttributes,
    GetObjectVersionForReplication,
    GetObjectVersionTagging,
    GetObjectVersionTorrent,
    GetReplicationConfiguration,
    InitiateReplication,
    ListAllMyBuckets,
    ListBucket,
    ListBucketMultipartUploads,
    ListBucketVersions,
    ListMultipartUploadParts,
    ListTagsForResource,
    ObjectOwnerOverrideToBucketOwner,
    PauseReplication,
    PutAccelerateConfiguration,
    PutAccountPublicAccessBlock,
    PutAnalyticsConfiguration,
    PutBucketAbac,
    PutBucketAcl,
    PutBucketCORS,
    PutBucketLogging,
    PutBucketNotification,
    PutBucketObjectLockConfiguration,
    PutBucketOwnershipControls,
    PutBucketPolicy,
    PutBucketPublicAccessBlock,
    PutBucketRequestPayment,
    PutBucketTagging,
    PutBucketVersioning,
    PutBucketWebsite,
    PutEncryptionConfiguration,
    PutIntelligentTieringConfiguration,
    PutInventoryConfiguration,
    PutLifecycleConfiguration,
    PutMetricsConfiguration,
    PutObject,
    PutObjectAcl,
    PutObjectLegalHold,
    PutObjectRetention,
    PutObjectTagging,
    PutObjectVersionAcl,
    PutObjectVersionTagging,
    PutReplicationConfiguration,
    ReplicateDelete,
    ReplicateObject,
    ReplicateTags,
    RestoreObject,
    TagResource,
    UntagResource,
    UpdateBucketMetadataInventoryTableConfiguration,
    UpdateBucketMetadataJournalTableConfiguration,
    UpdateObjectEncryption,
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
