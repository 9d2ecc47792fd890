//! What the declaration means: every resource with its settings and its policies, ready to be compared with an account or
//! written as a template.
//!
//! Lists are in the order in which they are made: what others refer to comes first (log sinks before the buckets that log
//! into them). Policy documents and ARNs may hold marks of a [`Fact`](super::Fact); see [`resolve`](super::resolve()).

mod bucket;

use std::collections::BTreeMap;

use serde_json::Value;

use super::declared::{AccountWide, EndpointMode, NewCluster, NewNetwork, RouteTables, Waiver};
use super::partition::{AccountId, Partition, Region};
use super::words::Word;

pub use bucket::{
    DesiredBucket, Encryption, Inventory, KeyRef, LogTarget, MetricsFilter, Replication, Versioning,
};

/// The whole account side of one deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Prefix of every name.
    pub name: Word,
    /// The account that it is for.
    pub account: AccountId,
    /// The region that everything lies in.
    pub region: Region,
    /// The region's partition.
    pub partition: Partition,
    /// On everything that can carry tags; [`OWNER_TAG`] among them.
    pub tags: BTreeMap<String, String>,
    /// The deployment's KMS key, if anything is encrypted with it.
    pub key: Option<DesiredKey>,
    /// The boundary and, where inline policies would not fit, what roles carry.
    pub policies: Vec<ManagedPolicy>,
    /// Of workloads, of replication, of the trail's log delivery.
    pub roles: Vec<Role>,
    /// The buckets, targets of logs and inventories first.
    pub buckets: Vec<DesiredBucket>,
    /// Where alerts go; `None` when they are off.
    pub topic: Option<DesiredTopic>,
    /// EventBridge rules on the default bus.
    pub rules: Vec<EventRule>,
    /// Metric filters on the trail's log group.
    pub metric_filters: Vec<MetricFilter>,
    /// Alarms on their metrics.
    pub alarms: Vec<Alarm>,
    /// The trail, where it is managed.
    pub trail: Option<DesiredTrail>,
    /// The S3 gateway endpoint.
    pub endpoint: EndpointPlan,
    /// The cluster's OIDC provider, where a workload uses IRSA.
    pub oidc: Option<OidcProvider>,
    /// Which service account gets which role, where a workload uses Pod Identity.
    pub pod_identities: Vec<PodIdentityAssociation>,
    /// The network: looked up, or rendered.
    pub network: DesiredNetwork,
    /// The cluster: looked up, or rendered.
    pub cluster: DesiredCluster,
    /// Which account-wide things are managed and which only looked at. The account's public-access block is always all
    /// four settings on.
    pub account_wide: AccountWide,
    /// Controls that are set aside.
    pub waivers: Vec<Waiver>,
    /// What a reader of the plan should know: why something is on, what it costs, what a name trades off.
    pub notes: Vec<Note>,
}

/// The tag that says which deployment made and owns a thing; its value is [`Desired::name`].
pub const OWNER_TAG: &str = "s3-access-proxy/deployment";

/// The KMS key, found by its alias. Its rotation is always on.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredKey {
    /// `alias/<name>`.
    pub alias: String,
    /// For people.
    pub description: String,
    /// The key policy.
    pub policy: Value,
}

/// A customer-managed policy.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedPolicy {
    /// Its name.
    pub name: String,
    /// Its ARN, which follows from the name.
    pub arn: String,
    /// For people.
    pub description: String,
    /// The document.
    pub document: Value,
}

/// What a role is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleKind {
    /// A service account's.
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its name.
        service_account: String,
    },
    /// S3 replicates with it.
    Replication {
        /// The source's base.
        bucket: Word,
    },
    /// CloudTrail writes to its log group with it.
    TrailLogs,
}

/// A role. Only workloads' roles have a boundary.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its ARN, which follows from the name.
    pub arn: String,
    /// What it is for.
    pub kind: RoleKind,
    /// For people.
    pub description: String,
    /// Who may assume it.
    pub trust: Value,
    /// Inline policies; every other inline policy is one too many.
    pub inline: Vec<InlinePolicy>,
    /// ARNs of managed policies; every other attached one is one too many.
    pub attached: Vec<String>,
    /// The boundary's ARN.
    pub boundary: Option<String>,
}

/// A policy inside of a role.
#[derive(Debug, Clone, PartialEq)]
pub struct InlinePolicy {
    /// Its name.
    pub name: String,
    /// The document.
    pub document: Value,
}

/// The alerts' topic.
#[derive(Debug, Clone, PartialEq)]
pub enum DesiredTopic {
    /// One of our own.
    Own {
        /// Its name.
        name: String,
        /// Its ARN, which follows from the name.
        arn: String,
        /// Its policy.
        policy: Value,
        /// Whether messages are encrypted with [`Desired::key`].
        encrypted: bool,
        /// Subscribers.
        email: Vec<String>,
    },
    /// An existing one's ARN.
    Given(String),
}

impl DesiredTopic {
    /// The ARN.
    pub fn arn(&self) -> &str {
        match self {
            Self::Own { arn, .. } | Self::Given(arn) => arn,
        }
    }
}

/// An EventBridge rule whose target is the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRule {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// The event pattern.
    pub pattern: Value,
    /// ID of its one target.
    pub target_id: String,
    /// ARN of its one target.
    pub target: String,
}

/// A metric filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFilter {
    /// Its name.
    pub name: String,
    /// The log group that it reads.
    pub log_group: String,
    /// The filter pattern.
    pub pattern: String,
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name; each match counts one.
    pub metric: String,
}

/// An alarm: the sum of a metric within five minutes is one or more; no data is fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// Where it goes.
    pub topic: String,
}

/// A trail of every region, with log file validation.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredTrail {
    /// Its name.
    pub name: String,
    /// Its ARN, which follows from the name.
    pub arn: String,
    /// The bucket that it writes to.
    pub bucket: String,
    /// Below which prefix there.
    pub prefix: String,
    /// Whether its files are encrypted with [`Desired::key`].
    pub encrypted: bool,
    /// Its log group; kept for [`LOG_DAYS`] days.
    pub log_group: String,
    /// The ARN of the role that it writes there with.
    pub log_role: String,
    /// Advanced event selectors as the API takes them: management events, and deletions of objects that are worth an
    /// alert.
    pub selectors: Value,
}

/// How long the trail's log group keeps events, in days. CIS asks for a year at least.
pub const LOG_DAYS: u32 = 365;

/// The gateway endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointPlan {
    /// `com.amazonaws.<region>.s3`.
    pub service: String,
    /// Whether it is made, taken over, or only looked at.
    pub mode: EndpointMode,
    /// What it is tied to.
    pub route_tables: RouteTables,
    /// The endpoint policy.
    pub policy: Value,
}

/// The OIDC provider; its ARN is `arn:<partition>:iam::<account>:oidc-provider/<issuer>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcProvider {
    /// The issuer without `https://`; a [`Fact`](super::Fact) unless it was declared.
    pub issuer: String,
    /// Its ARN, with the same fact.
    pub arn: String,
    /// Audiences.
    pub audiences: Vec<String>,
}

/// An association of EKS Pod Identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodIdentityAssociation {
    /// The cluster's name.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The service account.
    pub service_account: String,
    /// The role's ARN.
    pub role: String,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredNetwork {
    /// The VPC; `None` is the cluster's, looked up.
    pub vpc: Option<String>,
    /// Rendered, not applied.
    pub create: Option<NewNetwork>,
}

/// The cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredCluster {
    /// Its name.
    pub name: String,
    /// Rendered, not applied.
    pub create: Option<NewCluster>,
}

/// Something that a reader of the plan should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The key path that it is about.
    pub path: String,
    /// One sentence.
    pub text: String,
}
