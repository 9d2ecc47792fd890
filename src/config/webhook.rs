//! The configuration of `proxy webhook`: where it listens, whose certificate it shows, and how sidecars are to be.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::injection::{self, Injection, ObjectName};
use super::limits::Span;
use super::reader::{Notebook, Problems, Section};
use super::sections::same_socket;
use super::{document, sections};

/// The webhook's configuration.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// HTTPS for the API server.
    pub listen: SocketAddr,
    /// Plain HTTP for `/livez`, `/readyz` and `/metrics`.
    pub admin: SocketAddr,
    /// Whose certificate it shows.
    pub tls: WebhookTls,
    /// For reviews in flight after SIGTERM.
    pub drain_timeout: Duration,
    /// How sidecars are to be.
    pub injection: Injection,
}

/// Whose certificate the webhook shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookTls {
    /// Somebody else's, such as cert-manager's, who also writes `caBundle`.
    Files {
        /// The chain, leaf first, PEM.
        certificate: PathBuf,
        /// Its private key, PEM.
        private_key: PathBuf,
    },
    /// Its own.
    SelfManaged(SelfManaged),
}

/// A certificate that the webhook makes, rotates and makes known by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfManaged {
    /// As the API server calls the Service.
    pub names: Vec<String>,
    /// Where the replicas share their authority.
    pub secret: SecretName,
    /// `MutatingWebhookConfiguration`s whose `caBundle` it keeps.
    pub mutating: Vec<ObjectName>,
    /// `ValidatingWebhookConfiguration`s likewise.
    pub validating: Vec<ObjectName>,
}

/// A Secret, written `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: ObjectName,
    /// Its name.
    pub name: ObjectName,
}

impl FromStr for SecretName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(namespace, name)| {
            Some(Self { namespace: namespace.parse().ok()?, name: name.parse().ok()? })
        });
        parts.ok_or("a Secret is written NAMESPACE/NAME")
    }
}

impl WebhookConfig {
    /// Reads a file, with the environment's `S3PROXY_…` variables on top.
    pub fn load(file: &Path, environment: &[(String, String)]) -> Result<Self, Problems> {
        Self::parse(&sections::text(file)?, environment)
    }

    /// Reads a document, with the environment's `S3PROXY_…` variables on top.
    pub fn parse(text: &str, environment: &[(String, String)]) -> Result<Self, Problems> {
        let root = document::read(text, environment).map_err(Problems::all)?;
        let notebook = Notebook::default();
        let config = webhook(&Section::root(&root, &notebook));
        notebook.judge(config)
    }
}

impl Injection {
    /// Reads the section `injection` of a webhook's configuration, and nothing else of it.
    pub fn load(file: &Path, environment: &[(String, String)]) -> Result<Self, Problems> {
        Self::parse(&sections::text(file)?, environment)
    }

    /// Reads the section `injection` of a document.
    pub fn parse(text: &str, environment: &[(String, String)]) -> Result<Self, Problems> {
        let root = document::read(text, environment).map_err(Problems::all)?;
        let notebook = Notebook::default();
        let injection = {
            let root = Section::root(&root, &notebook);
            root.leave_alone(&["listen", "admin", "tls", "limits"]);
            injection::read(&root.section("injection"))
        };
        notebook.judge(Some(injection))
    }
}

fn webhook(root: &Section<'_>) -> Option<WebhookConfig> {
    let listen = root.or("listen", SocketAddr::from(([0, 0, 0, 0], 8443)));
    let admin = root.or("admin", SocketAddr::from(([0, 0, 0, 0], 9090)));
    if same_socket(listen, admin) {
        root.problem("admin", "must differ from 'listen'; 0.0.0.0 and [::] are every address");
    }
    let drain_timeout = root.section("limits").or("drain_timeout", Span(Duration::from_secs(10))).0;
    let injection = injection::read(&root.section("injection"));
    Some(WebhookConfig { listen, admin, tls: tls(&root.section("tls"))?, drain_timeout, injection })
}

fn tls(section: &Section<'_>) -> Option<WebhookTls> {
    if !section.has("self_managed") {
        let certificate = section.required("certificate", "a PEM file, or the section 'self_managed'");
        let private_key = section.required("private_key", "a PEM file with the certificate's private key");
        return Some(WebhookTls::Files { certificate: certificate?, private_key: private_key? });
    }
    if section.has("certificate") || section.has("private_key") {
        section.problem("self_managed", "leave it out together with 'certificate' and 'private_key'");
    }
    section.leave_alone(&["certificate", "private_key"]);
    let own = section.section("self_managed");
    let names: Vec<DnsName> = own.list("names").unwrap_or_default();
    if names.is_empty() {
        own.problem("names", "missing: what the API server calls the Service, such as NAME.NAMESPACE.svc");
    }
    let secret = own.required("secret", "the Secret with the authority, as NAMESPACE/NAME");
    Some(WebhookTls::SelfManaged(SelfManaged {
        names: names.into_iter().map(|name| name.0).collect(),
        mutating: own.list("mutating").unwrap_or_default(),
        validating: own.list("validating").unwrap_or_default(),
        secret: secret?,
    }))
}

struct DnsName(String);

impl FromStr for DnsName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name: crate::identity::DnsName = text.parse().map_err(|_| "not a host name")?;
        Ok(Self(name.as_str().to_owned()))
    }
}
