//! Floor 1: the account side, declared. [`Spec`] is what somebody wrote, [`Desired`] what it means as
//! concrete resources of AWS, and a [`Refusal`] each reason why it cannot be. Pure: no IO, no clock, no environment.
//!
//! What only the account can say (a key's ARN, an endpoint's ID) stands in [`Desired`] as a [`Fact`], which
//! [`resolve`] fills in; everything else, names and ARNs alike, follows from the declaration alone, so nothing is kept
//! between runs. `bootstrap` reconciles against it, renders it, verifies it; `audit` reads it.

pub mod controls;
pub mod price;

mod compile;
mod declared;
mod desired;
mod fact;
mod naming;
mod partition;
mod profile;
mod refusal;
mod storage;
mod words;

pub use compile::{ImpliedGuardrails, compile, guardrails, settings, spiffe_id};
pub use controls::{Control, Requirement};
pub use declared::{
    Access, AccountWide, Alerts, Bucket, Cluster, Deletes, Duty, EncryptionChoice, EndpointMode, Exchange,
    Granted, IdentityKind, InventoryChoice, KeyChoice, LogsChoice, MetricsChoice, Network, NewCluster,
    NewNetwork, NewNetworkNat, ReplicationChoice, RouteTables, Serves, Spec, TopicChoice, VersioningChoice,
    Waiver, Workload,
};
pub use desired::{
    Alarm, Desired, DesiredBucket, DesiredCluster, DesiredKey, DesiredNetwork, DesiredTopic, DesiredTrail,
    Encryption, EndpointPlan, EventRule, InlinePolicy, Inventory, KeyRef, LOG_DAYS, LogTarget, ManagedPolicy,
    MetricFilter, MetricsFilter, Note, OWNER_TAG, OidcProvider, PodIdentityAssociation, Replication, Role,
    RoleKind, Versioning,
};
pub use fact::{Fact, Unresolved, facts, resolve, resolve_text};
pub use naming::{NameChoice, Named, trade_off};
pub use partition::{AccountId, Partition, Region, Service};
pub use profile::Profile;
pub use refusal::Refusal;
pub use storage::{InventoryFormat, InventoryFrequency, LifecycleRule, StorageClass, Transition};
pub use words::{RetentionChoice, Word, WordError};
