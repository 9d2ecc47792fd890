//! Which call a setting is read with, as IAM names it: the evidence of `verify` says where it is from.

use super::{BucketPart, EndpointPart, KeyPart, RolePart, RulesPart, Setting, TopicPart, TrailPart};

impl Setting<'_> {
    /// Service and operation, as IAM names it.
    pub fn source(&self) -> &'static str {
        match self {
            Self::AccountPublicAccess => "s3:GetAccountPublicAccessBlock",
            Self::Oidc(_) => "iam:GetOpenIDConnectProvider",
            Self::Key(_, KeyPart::Itself | KeyPart::Alias) => "kms:DescribeKey",
            Self::Key(_, KeyPart::Policy) => "kms:GetKeyPolicy",
            Self::Key(_, KeyPart::Rotation) => "kms:GetKeyRotationStatus",
            Self::Endpoint(_, EndpointPart::Itself | EndpointPart::Policy | EndpointPart::RouteTables) => {
                "ec2:DescribeVpcEndpoints"
            }
            Self::Policy(_) => "iam:GetPolicyVersion",
            Self::Role(_, RolePart::Itself | RolePart::Trust | RolePart::Boundary) => "iam:GetRole",
            Self::Role(_, RolePart::Inline) => "iam:GetRolePolicy",
            Self::Role(_, RolePart::Attached) => "iam:ListAttachedRolePolicies",
            Self::Topic(_, TopicPart::Itself | TopicPart::Policy | TopicPart::Encryption) => {
                "sns:GetTopicAttributes"
            }
            Self::Topic(_, TopicPart::Subscriptions) => "sns:ListSubscriptionsByTopic",
            Self::Bucket(_, part) => match part {
                BucketPart::Itself => "s3:GetBucketLocation",
                BucketPart::Tags => "s3:GetBucketTagging",
                BucketPart::Ownership => "s3:GetBucketOwnershipControls",
                BucketPart::PublicAccess => "s3:GetBucketPublicAccessBlock",
                BucketPart::Versioning => "s3:GetBucketVersioning",
                BucketPart::Encryption => "s3:GetEncryptionConfiguration",
                BucketPart::ObjectLock => "s3:GetBucketObjectLockConfiguration",
                BucketPart::Policy => "s3:GetBucketPolicy",
                BucketPart::Logging => "s3:GetBucketLogging",
            },
            Self::Rules(_, part) => match part {
                RulesPart::Lifecycle => "s3:GetLifecycleConfiguration",
                RulesPart::Inventory(_) => "s3:GetInventoryConfiguration",
                RulesPart::Replication(_) | RulesPart::Replicated => "s3:GetReplicationConfiguration",
                RulesPart::Metrics | RulesPart::Measured => "s3:ListBucketMetricsConfigurations",
            },
            Self::Trail(_, part) => match part {
                TrailPart::LogGroup => "logs:DescribeLogGroups",
                TrailPart::Itself => "cloudtrail:GetTrail",
                TrailPart::Selectors => "cloudtrail:GetEventSelectors",
                TrailPart::Logging => "cloudtrail:GetTrailStatus",
            },
            Self::AnyTrail => "cloudtrail:DescribeTrails",
            Self::Filter(_) => "logs:DescribeMetricFilters",
            Self::Alarm(_) => "cloudwatch:DescribeAlarms",
            Self::Rule(_) => "events:DescribeRule",
            Self::PodIdentity(_) => "eks:DescribePodIdentityAssociation",
        }
    }
}
