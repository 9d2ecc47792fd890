//! One bucket as it was written.

use serde_json::Value;

use crate::spec::naming::NameChoice;
use crate::spec::partition::Region;
use crate::spec::profile::Profile;
use crate::spec::storage::{InventoryFormat, InventoryFrequency, LifecycleRule};
use crate::spec::words::{RetentionChoice, Word};

/// One bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Its use case.
    pub profile: Profile,
    /// How its name comes about.
    pub name: NameChoice,
    /// `None` is the profile's.
    pub encryption: Option<EncryptionChoice>,
    /// Default retention; implies versioning.
    pub object_lock: Option<RetentionChoice>,
    /// Whether versions are kept.
    pub versioning: VersioningChoice,
    /// `None` is the profile's.
    pub lifecycle: Option<Vec<LifecycleRule>>,
    /// `None` is none.
    pub inventory: Option<InventoryChoice>,
    /// `None` is none.
    pub replication: Option<ReplicationChoice>,
    /// `None` is none.
    pub metrics: Option<MetricsChoice>,
    /// Where server access logs go; `None` is nowhere.
    pub access_logs: Option<LogsChoice>,
    /// Principals that may write although the profile lets nobody (`analytics-read`); role ARNs.
    pub writers: Vec<String>,
    /// Principals of other accounts (`data-exchange`).
    pub exchange: Option<Exchange>,
    /// Further statements of the bucket policy, as they are.
    pub policy: Vec<Value>,
    /// Which data events (deletions of objects) reach the alerts' topic.
    pub alert_deletes: Deletes,
}

/// Whether versions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersioningChoice {
    /// Where Object Lock or replication needs them.
    IfRequired,
    /// Never: with Object Lock or replication that is refused.
    Off,
    /// For this reason.
    On(String),
}

/// Deletions of objects that are worth an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletes {
    /// None: data events cost by their number.
    Silent,
    /// Below these prefixes; one empty prefix is the whole bucket.
    Below(Vec<String>),
}

/// Encryption at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncryptionChoice {
    /// `AES256`: keys of S3's own.
    SseS3,
    /// `aws:kms`, always with a bucket key.
    SseKms(KeyChoice),
}

/// Which KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChoice {
    /// The deployment's own, with rotation.
    Create,
    /// An existing one, by its ARN.
    Given(String),
}

/// An inventory of the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryChoice {
    /// How often.
    pub frequency: InventoryFrequency,
    /// In which format.
    pub format: InventoryFormat,
    /// The base of a `log-sink` bucket; `None` is the declaration's only one.
    pub bucket: Option<Word>,
}

/// Replication into another region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationChoice {
    /// Where to.
    pub region: Region,
    /// The replica's bucket, which has to be there, versioned, in that region.
    pub bucket: String,
    /// The KMS key there, by its ARN; needed where this bucket has one.
    pub key: Option<String>,
    /// What is replicated; one empty prefix is everything, and has to be said.
    pub prefixes: Vec<String>,
    /// Why it is worth its price.
    pub reason: String,
}

/// Request metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsChoice {
    /// A set of metrics for each prefix; one empty prefix is the whole bucket.
    pub prefixes: Vec<String>,
    /// Why they are worth their price.
    pub reason: String,
}

/// Where access logs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogsChoice {
    /// The declaration's only `log-sink` bucket.
    Auto,
    /// The `log-sink` bucket of this base.
    Base(Word),
    /// A bucket that is not of this declaration.
    Other(String),
}

/// Principals of other accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// ARNs that may read.
    pub readers: Vec<String>,
    /// ARNs that may write.
    pub writers: Vec<String>,
    /// VPC endpoints of theirs, from which they come.
    pub vpc_endpoints: Vec<String>,
}
