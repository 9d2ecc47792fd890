//! How injected sidecars are to be: the section `injection` of the webhook's configuration, which `proxy inject` reads
//! too.
//!
//! What a pod may say in an annotation has a type here, because a default may say the same.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::reader::Section;
use super::sections::Region;

mod words;

pub use words::{CertificateSource, Client, Mode, ObjectName, PullPolicy, Quantity, ResourceKey, RunAs};

/// Everything about a sidecar that its pod does not say.
#[derive(Debug, Clone)]
pub struct Injection {
    /// The image of the added containers.
    pub image: String,
    /// When the kubelet pulls it.
    pub image_pull_policy: PullPolicy,
    /// What pods may ask for.
    pub modes: Vec<Mode>,
    /// What pods get that ask for nothing.
    pub mode: Mode,
    /// How containers reach a proxy in their own pod.
    pub client: Client,
    /// The buckets' region.
    pub region: Option<String>,
    /// The ConfigMap with the proxy's configuration, in the pod's namespace.
    pub config: ObjectName,
    /// Where the pod's certificate comes from.
    pub certificate: CertificateSource,
    /// Who issues certificates by way of cert-manager's drivers.
    pub cert_manager: Issuer,
    /// How certificates come from SPIRE's Workload API.
    pub spiffe: Spiffe,
    /// Where bridges lead.
    pub gateway: Gateway,
    /// The token for STS.
    pub token: Token,
    /// Requests and limits of each added container.
    pub resources: Vec<(ResourceKey, Quantity)>,
    /// The user of each added container.
    pub run_as_user: RunAs,
    /// Where the added containers listen.
    pub ports: Ports,
    /// The address of their ports for the platform, which the kubelet calls by the pod's own.
    pub bind_address: IpAddr,
}

/// An issuer of cert-manager.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Its name; without one, cert-manager's driver is not to be had.
    pub issuer: Option<String>,
    /// `Issuer`, `ClusterIssuer` or another one of the group.
    pub kind: String,
    /// Its API group.
    pub group: String,
    /// The trust domain of the SPIFFE IDs in its certificates.
    pub trust_domain: String,
}

/// The Workload API, and what turns it into files.
#[derive(Debug, Clone)]
pub struct Spiffe {
    /// The image of spiffe-helper.
    pub helper_image: String,
    /// Name of the socket in the driver's volume.
    pub socket: String,
}

/// The gateway as bridges see it.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// `HOST:PORT`.
    pub to: String,
    /// The name in its certificate, where it is not the host.
    pub server_name: Option<String>,
}

/// A projected token of the pod's ServiceAccount.
#[derive(Debug, Clone)]
pub struct Token {
    /// For whom.
    pub audience: String,
    /// Seconds that it is valid; Kubernetes takes no less than ten minutes.
    pub expiration_seconds: u32,
}

/// Ports in the pod; its own containers must leave them alone.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// mTLS on loopback.
    pub proxy: u16,
    /// Plain HTTP on loopback.
    pub plain: u16,
    /// Health and metrics of the proxy.
    pub admin: u16,
    /// Health and metrics of the bridge.
    pub bridge_admin: u16,
    /// Health of spiffe-helper.
    pub helper: u16,
}

impl Ports {
    fn all(self) -> [u16; 5] {
        [self.proxy, self.plain, self.admin, self.bridge_admin, self.helper]
    }
}

/// The image that is named as the program is, in its version: what the chart says where nothing is said.
const IMAGE: &str = concat!("s3-access-proxy:", env!("CARGO_PKG_VERSION"));
const HELPER_IMAGE: &str = "ghcr.io/spiffe/spiffe-helper:0.11.0";
const GATEWAY: &str = "s3-access-proxy-gateway.s3-access-proxy.svc:8443";

pub(super) fn read(section: &Section<'_>) -> Injection {
    let modes = section.list("modes").unwrap_or_else(|| Mode::ALL.to_vec());
    let mode = section.or("mode", *modes.first().unwrap_or(&Mode::Sidecar));
    if modes.is_empty() {
        section.problem("modes", "must name one at least: sidecar, bridge");
    } else if !modes.contains(&mode) {
        section.problem("mode", format!("{mode} is not among 'modes'"));
    }
    let certificate = section.or("certificate", CertificateSource::default());
    let cert_manager = issuer(&section.section("cert_manager"));
    if certificate == CertificateSource::CertManager && cert_manager.issuer.is_none() {
        section.problem("cert_manager", "name the issuer: certificate is csi.cert-manager.io");
    }
    Injection {
        image: section.or("image", Word(IMAGE.to_owned())).0,
        image_pull_policy: section.or("image_pull_policy", PullPolicy::IfNotPresent),
        modes,
        mode,
        client: section.or("client", Client::Plain),
        region: section.optional::<Region>("region").map(|region| region.0),
        config: section.or("config", ObjectName::product()),
        certificate,
        cert_manager,
        spiffe: spiffe(&section.section("spiffe")),
        gateway: gateway(&section.section("gateway")),
        token: token(&section.section("token")),
        resources: resources(&section.section("resources")),
        run_as_user: section.or("run_as_user", RunAs::DEFAULT),
        ports: ports(&section.section("ports")),
        bind_address: section.or("bind_address", Address(Ipv4Addr::UNSPECIFIED.into())).0,
    }
}

fn issuer(section: &Section<'_>) -> Issuer {
    let text = |key, default: &str| section.or(key, Word(default.to_owned())).0;
    Issuer {
        issuer: section.optional::<Blank>("issuer").and_then(|blank| blank.0),
        kind: text("kind", "Issuer"),
        group: text("group", "cert-manager.io"),
        trust_domain: text("trust_domain", "cluster.local"),
    }
}

fn spiffe(section: &Section<'_>) -> Spiffe {
    let text = |key, default: &str| section.or(key, Word(default.to_owned())).0;
    Spiffe { helper_image: text("helper_image", HELPER_IMAGE), socket: text("socket", "spire-agent.sock") }
}

fn gateway(section: &Section<'_>) -> Gateway {
    let to = section.or("to", Word(GATEWAY.to_owned())).0;
    let port = to.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    if !port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port != 0)) {
        section.problem("to", format!("'{to}' is not HOST:PORT"));
    }
    Gateway { to, server_name: section.optional::<Blank>("server_name").and_then(|blank| blank.0) }
}

/// What Kubernetes takes: `TokenRequestSpec` and `ServiceAccountTokenProjection`.
const SHORTEST_TOKEN: u32 = 600;

fn token(section: &Section<'_>) -> Token {
    let expiration_seconds = section.or("expiration_seconds", 3600);
    if expiration_seconds < SHORTEST_TOKEN {
        section.problem("expiration_seconds", "Kubernetes takes 600 at least");
    }
    let audience = section.or("audience", Word("sts.amazonaws.com".to_owned())).0;
    Token { audience, expiration_seconds }
}

fn resources(section: &Section<'_>) -> Vec<(ResourceKey, Quantity)> {
    if section.says_nothing() {
        return ResourceKey::DEFAULTS.iter().map(|(key, text)| (*key, Quantity::known(text))).collect();
    }
    let mut found = Vec::new();
    for part in ["requests", "limits"] {
        let section = section.section(part);
        for name in ["cpu", "memory"] {
            if let (Some(quantity), Some(key)) = (section.optional(name), ResourceKey::of(part, name)) {
                found.push((key, quantity));
            }
        }
    }
    found
}

fn ports(section: &Section<'_>) -> Ports {
    let ports = Ports {
        proxy: section.or("proxy", 18443),
        plain: section.or("plain", 19000),
        admin: section.or("admin", 19090),
        bridge_admin: section.or("bridge_admin", 19091),
        helper: section.or("helper", 19092),
    };
    let all = ports.all();
    if all.contains(&0) || (0..all.len()).any(|i| all[..i].contains(&all[i])) {
        section.problem("", "ports are five different numbers above 0");
    }
    ports
}

/// An address, which may stand in the brackets that one of IPv6 has in front of a port.
struct Address(IpAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let found = bare.parse().ok().filter(|address: &IpAddr| !address.is_loopback());
        found.map(Self).ok_or("an address that the kubelet reaches is needed: 0.0.0.0, or [::] with IPv6")
    }
}

/// Text without white space, quotes or anything else that could mean something where it is put.
struct Word(String);

impl FromStr for Word {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@+[]".contains(&b);
        if !text.is_empty() && text.len() <= 512 && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("letters, digits and . _ - / : @ + [ ] are taken here")
        }
    }
}

/// A word, or `""` for none: how templates leave something out.
struct Blank(Option<String>);

impl FromStr for Blank {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|word: Word| Self(Some(word.0))) }
    }
}
