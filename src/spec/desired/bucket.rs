//! One bucket with everything that is set on it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::spec::partition::Region;
use crate::spec::profile::Profile;
use crate::spec::storage::{InventoryFormat, InventoryFrequency, LifecycleRule};
use crate::spec::words::{RetentionChoice, Word};

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
    /// Tags of this bucket besides [`Desired::tags`](super::Desired::tags).
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
    /// [`Desired::key`](super::Desired::key): its ARN is [`Fact::KeyArn`](crate::spec::Fact::KeyArn).
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
