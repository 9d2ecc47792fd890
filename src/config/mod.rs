//! Floor 2: the configuration. One YAML file and `S3PROXY_…` variables in, a [`Config`] that is valid by
//! construction out, or every problem at once, each with its key path and line.
//!
//! serde would stop at the first problem, so the file is read into a tree first and the tree is asked key by key;
//! what nobody asked for is an unknown key.

mod credentials;
mod declaration;
mod document;
mod effective;
mod grants;
mod guardrails;
mod injection;
mod limits;
mod metrics;
mod object_rules;
mod reader;
mod sections;
mod tls;
mod traces;
mod webhook;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::policy::Policy;
use crate::s3::Domains;

pub use credentials::{AgentUri, CredentialSource, Credentials, PerIdentity, SessionName, Sessions};
pub use declaration::Declaration;
pub use injection::{
    CertificateSource, Client, Gateway, Injection, Issuer, Mode, ObjectName, Ports, PullPolicy, Quantity,
    ResourceKey, RunAs, Spiffe, Token,
};
pub use limits::{IdentityLimits, Limits};
pub use metrics::MetricsSettings;
pub use object_rules::{ObjectRule, ObjectRules};
pub use reader::{Problem, Problems};
pub use tls::{Files, Material, MinTlsVersion, SpiffeSocket, Tls};
pub use traces::TracesSettings;
pub use webhook::{SecretName, SelfManaged, WebhookConfig, WebhookTls};

/// Variables that are read beside `S3PROXY_…`: those that EKS puts into a pod that has a role. None is a secret.
pub const INHERITED: [&str; 7] = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// The data plane's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect, with mTLS only.
    pub listen: SocketAddr,
    /// Plain HTTP for `/livez`, `/readyz` and `/metrics`.
    pub admin: SocketAddr,
    /// Suffixes of virtual-hosted-style host names, as configured.
    pub domain_names: Vec<String>,
    /// The proxy's side of mTLS.
    pub tls: Tls,
    /// The way to S3.
    pub upstream: Upstream,
    /// Where the proxy's own credentials come from.
    pub credentials: Credentials,
    /// Who may do what.
    pub policy: Policy,
    /// Bounds.
    pub limits: Limits,
    /// What is counted beyond the defaults.
    pub metrics: MetricsSettings,
    /// Where spans of requests go, if anywhere.
    pub traces: Option<TracesSettings>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a file, with the environment's `S3PROXY_…` variables on top.
    pub fn load(file: &Path, environment: &[(String, String)]) -> Result<Self, Problems> {
        Self::parse(&sections::text(file)?, environment)
    }

    /// Reads a document, with the environment's `S3PROXY_…` variables on top.
    pub fn parse(text: &str, environment: &[(String, String)]) -> Result<Self, Problems> {
        sections::read(text, environment)
    }

    /// The suffixes of virtual-hosted-style host names.
    pub fn domains(&self) -> Domains {
        Domains::new(self.domain_names.iter().cloned())
    }
}

/// How buckets are addressed upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `bucket.endpoint` always.
    Virtual,
    /// `endpoint/bucket` always.
    Path,
    /// `bucket.endpoint`, but dotted names in the path: no wildcard certificate covers them.
    VirtualUnlessDotted,
}

/// The way to S3.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// The region that requests are signed for.
    pub region: String,
    /// Scheme and authority, without a path.
    pub endpoint: http::Uri,
    /// How buckets are addressed.
    pub addressing: Addressing,
    /// A further trust root for the endpoint's certificate.
    pub ca: Option<PathBuf>,
}
