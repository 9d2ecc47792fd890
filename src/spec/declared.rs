//! What somebody wrote: the declaration, typed, with defaults not yet applied where they depend on something else.
//!
//! Text fields that become part of ARNs are checked by the reader; whether the whole makes sense is
//! said when it is compiled to [`Desired`](super::Desired).

mod bucket;

use serde_json::Value;
use time::Date;

use super::partition::{AccountId, Region};
use super::words::Word;

pub use bucket::{
    Bucket, Deletes, EncryptionChoice, Exchange, InventoryChoice, KeyChoice, LogsChoice, MetricsChoice,
    ReplicationChoice, VersioningChoice,
};

/// The declaration of one deployment's account side.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Prefix of every name, and the value of the ownership tag.
    pub name: Word,
    /// `prod`, `staging` …; part of the tags.
    pub environment: Word,
    /// Refused if the credentials are of another one.
    pub account: AccountId,
    /// Of the buckets, the endpoint and the cluster alike.
    pub region: Region,
    /// Where the workloads run.
    pub cluster: Cluster,
    /// The way from there to S3.
    pub network: Network,
    /// Who has a role.
    pub workloads: Vec<Workload>,
    /// The buckets, in the order of the declaration.
    pub buckets: Vec<Bucket>,
    /// From where, and who else.
    pub access: Access,
    /// What is told to whom.
    pub alerts: Alerts,
    /// What belongs to the account as a whole.
    pub account_wide: AccountWide,
    /// Controls that are set aside, with a reason.
    pub waivers: Vec<Waiver>,
}

/// The EKS cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its name in EKS.
    pub name: String,
    /// Its OIDC issuer without `https://`; `None` is looked up.
    pub issuer: Option<String>,
    /// The region where it says it is, if that is said: it has to be the buckets'.
    pub region: Option<Region>,
    /// `create`: rendered as CloudFormation, with a node group; `apply` adopts it.
    pub create: Option<NewCluster>,
}

/// A cluster that `render` writes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCluster {
    /// Kubernetes' version, such as `1.34`.
    pub version: String,
    /// EC2 instance type of the nodes.
    pub instance_type: String,
    /// Fewest nodes.
    pub min_nodes: u32,
    /// Most nodes.
    pub max_nodes: u32,
    /// CIDR blocks that reach the public API endpoint; none: private only.
    pub public_access_from: Vec<String>,
}

impl Default for NewCluster {
    fn default() -> Self {
        Self {
            version: "1.34".to_owned(),
            instance_type: "m7g.large".to_owned(),
            min_nodes: 2,
            max_nodes: 6,
            public_access_from: Vec::new(),
        }
    }
}

/// The way to S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The VPC; `None` is the cluster's.
    pub vpc: Option<String>,
    /// Whether the endpoint is made, taken over, or only looked at.
    pub endpoint: EndpointMode,
    /// Which route tables it is tied to.
    pub route_tables: RouteTables,
    /// Further buckets that workloads of the VPC reach through the endpoint; names or ARN-style patterns (`logs-*`).
    pub other_buckets: Vec<String>,
    /// `create`: rendered as CloudFormation; `apply` adopts it.
    pub create: Option<NewNetwork>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            vpc: None,
            endpoint: EndpointMode::Ensure,
            route_tables: RouteTables::Private,
            other_buckets: Vec::new(),
            create: None,
        }
    }
}

/// A network that `render` writes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNetwork {
    /// The VPC's IPv4 range, such as `10.20.0.0/16`.
    pub cidr: String,
    /// Availability zones, each with a public and a private subnet.
    pub zones: u8,
    /// NAT gateways.
    pub nat: NewNetworkNat,
}

impl Default for NewNetwork {
    fn default() -> Self {
        Self { cidr: "10.20.0.0/16".to_owned(), zones: 2, nat: NewNetworkNat::Single }
    }
}

/// NAT gateways, for what is not S3: images of other registries, STS, EKS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewNetworkNat {
    /// One for all zones: cheap, and down with its zone.
    Single,
    /// One a zone.
    PerZone,
}

/// What is done about the gateway endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointMode {
    /// Made if it is not there; an existing one without our tag is refused.
    Ensure,
    /// An existing one is taken over: its policy and route tables become ours.
    Adopt,
    /// Only looked at.
    Verify,
}

/// Which route tables the endpoint is tied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTables {
    /// Those of the cluster's private subnets: without a route to an internet gateway.
    Private,
    /// These, `rtb-…`.
    Listed(Vec<String>),
}

/// A service account with a role.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// How its pods get the role.
    pub identity: IdentityKind,
    /// The trust domain of its SPIFFE ID `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
    pub trust_domain: String,
    /// Whose grants the role has.
    pub serves: Serves,
    /// The grants' file, as it was written.
    pub grants_from: String,
    /// What the grants come to, in the words of IAM.
    pub granted: Granted,
}

/// How a pod gets a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// IAM roles for service accounts: a token of the cluster's OIDC issuer.
    Irsa,
    /// EKS Pod Identity.
    PodIdentity,
}

/// Whose grants a role carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Its own SPIFFE ID's: a sidecar.
    Itself,
    /// Every client's: a gateway.
    Everyone,
}

/// Grants in the words of IAM, for buckets of this declaration by their real names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Granted {
    /// Statements of an identity policy.
    pub statements: Vec<Value>,
    /// The buckets that they reach, by their real names.
    pub buckets: Vec<String>,
    /// Those of them in which they write.
    pub writes: Vec<String>,
    /// Whether they list the account's buckets.
    pub lists_account: bool,
}

/// From where the data is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Endpoints `vpce-…` besides the deployment's own.
    pub vpc_endpoints: Vec<String>,
    /// Whether the deployment's own endpoint is one (`auto`).
    pub own_endpoint: bool,
    /// The role that is never locked out.
    pub break_glass: String,
    /// Further roles that reach the data of buckets which otherwise only workloads reach; ARNs, `*` allowed.
    pub principals: Vec<String>,
}

/// Alerts on critical operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// Where to.
    pub topic: TopicChoice,
    /// Subscribers of a topic that is made here; each has to confirm.
    pub email: Vec<String>,
    /// A log group that a trail writes to, for alarms by metric filter; `None` without a managed trail: no alarms.
    pub log_group: Option<String>,
}

/// The topic that alerts go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicChoice {
    /// None: requirement 17 then fails unless it is waived.
    Off,
    /// One of our own.
    Create,
    /// An existing one, by its ARN.
    Given(String),
}

/// Things that other teams use too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountWide {
    /// The account's public-access block.
    pub public_access_block: Duty,
    /// A trail with management events.
    pub trail: Duty,
    /// The cluster's OIDC provider.
    pub oidc_provider: Duty,
}

/// What is done about something account-wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// It has to be there; nothing is changed.
    Verify,
    /// It is made and kept.
    Manage,
}

/// A control that is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Our ID of the control, or Security Hub's.
    pub control: String,
    /// The base of the bucket that it is for; `None` is every one.
    pub bucket: Option<Word>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The last day.
    pub until: Date,
}
