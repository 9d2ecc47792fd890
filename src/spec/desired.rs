//! What the declaration means: every resource with its settings and its policies, ready to be compared with an account or
//! written as a template.
//!
//! Lists are in the order in which they are made: what others refer to comes first (log sinks before the buckets that log
//! into them). Policy documents and ARNs may hold marks of a [`Fact`](super::Fact); see [`resolve`](super::resolve()).

use std::collections::BTreeMap;

use serde_json::Value;

use super::declared::{AccountWide, EndpointMode, NewCluster, NewNetwork, RouteTables, Waiver};
use super::partition::{AccountId, Partition, Region};
use super::profile::Profile;
use super::storage::{InventoryFormat, InventoryFrequency, LifecycleRule};
use super::words::{RetentionChoice, Word};

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

/// One bucket with every setting. ACLs are always off (`BucketOwnerEnforced`), all four settings of the public-access
/// block always on, and SSE-C always blocked.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredBucket {
    /// What the declaration calls it.
    pub base: Word,
    /// The key path of its declaration, for messages.
    pub path: String,
    /// Its name in S3.
    pub name: String,
    /// Whether it is made in the account's regional namespace.
    pub account_regional: bool,
    /// Its use case.
    pub profile: Profile,
    /// Versions.
    pub versioning: Versioning,
    /// Encryption at rest.
    pub encryption: Encryption,
    /// Default retention; `Some` also means that the bucket is made with Object Lock, which cannot be undone.
    pub object_lock: Option<RetentionChoice>,
    /// Rules that this program owns, by ID; others' are kept.
    pub lifecycle: Vec<LifecycleRule>,
    /// Its inventory.
    pub inventory: Option<Inventory>,
    /// Its replication.
    pub replication: Option<Replication>,
    /// Request metrics.
    pub metrics: Vec<MetricsFilter>,
    /// Where its server access logs go.
    pub logs: Option<LogTarget>,
    /// Below which prefixes deletions are recorded and told.
    pub alert_deletes: Vec<String>,
    /// The bucket policy.
    pub policy: Value,
    /// Tags of this bucket besides [`Desired::tags`].
    pub tags: BTreeMap<String, String>,
}

/// Versions of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versioning {
    /// Never turned on. Where it is on already it can only be suspended, and that only on request.
    Off,
    /// On, and why.
    On(String),
}

/// Default encryption of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// `AES256`.
    SseS3,
    /// `aws:kms` with a bucket key.
    SseKms(KeyRef),
}

/// A KMS key by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// [`Desired::key`]: its ARN is [`Fact::KeyArn`](super::Fact::KeyArn).
    Own,
    /// An existing key's ARN.
    Given(String),
}

/// An inventory configuration. It covers current versions, or all of them where versions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Its ID in the bucket.
    pub id: String,
    /// How often.
    pub frequency: InventoryFrequency,
    /// In which format.
    pub format: InventoryFormat,
    /// The target bucket's name.
    pub bucket: String,
    /// Below which prefix there.
    pub prefix: String,
    /// Whether every version is listed.
    pub all_versions: bool,
    /// Columns besides bucket and key, as the API writes them.
    pub fields: Vec<&'static str>,
}

/// A replication configuration: delete markers are not replicated, metrics are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// The ARN of the role that S3 assumes.
    pub role: String,
    /// One rule for each prefix: ID and prefix, highest priority first.
    pub rules: Vec<(String, String)>,
    /// The replica's bucket.
    pub bucket: String,
    /// The replica's region.
    pub region: Region,
    /// The KMS key there.
    pub key: Option<String>,
    /// Why.
    pub reason: String,
}

/// Request metrics for keys below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsFilter {
    /// Its ID in the bucket.
    pub id: String,
    /// Empty is the whole bucket.
    pub prefix: String,
}

/// Where logs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    /// The target bucket's name.
    pub bucket: String,
    /// Below which prefix; keys are partitioned by date of event.
    pub prefix: String,
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
