//! Every section but `grants`, from the tree to types.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use http::Uri;

use super::reader::{Notebook, Problems, Section};
use super::{
    Addressing, Config, Limits, MinTlsVersion, Tls, Upstream, credentials, document, grants, guardrails,
};
use crate::policy::review;

pub(super) fn read(text: &str, environment: &[(String, String)]) -> Result<Config, Problems> {
    let root = document::read(text, environment).map_err(Problems::all)?;
    let notebook = Notebook::default();
    let mut warnings = Vec::new();
    let config = config(&Section::root(&root, &notebook), environment, &mut warnings);
    Ok(Config { warnings, ..notebook.judge(config)? })
}

/// A file's text.
pub(super) fn text(file: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(file)
        .map_err(|e| Problems::single(format!("{} cannot be read: {e}", file.display())))
}

fn config(
    root: &Section<'_>,
    environment: &[(String, String)],
    warnings: &mut Vec<String>,
) -> Option<Config> {
    let listen = root.or("listen", SocketAddr::from(([0, 0, 0, 0], 8443)));
    let admin = root.or("admin", SocketAddr::from(([0, 0, 0, 0], 9090)));
    let domains = root.list::<Domain>("domains").unwrap_or_default();
    let tls = tls(&root.section("tls"));
    let upstream = upstream(&root.section("upstream"), environment, warnings);
    let credentials = credentials::read(&root.section("credentials"), environment);
    let guardrails = guardrails::read(&root.section("guardrails"));
    let policy = grants::read(root).behind(guardrails);
    warnings.extend(review(&policy));
    if let Some(credentials) = &credentials {
        credentials::check_grants(root, credentials, &policy);
    }
    let limits = limits(&root.section("limits"));
    if same_socket(listen, admin) {
        root.problem("admin", "must differ from 'listen'; 0.0.0.0 and [::] are every address");
    }
    Some(Config {
        listen,
        admin,
        domain_names: domains.into_iter().map(|domain| domain.0).collect(),
        tls: tls?,
        upstream: upstream?,
        credentials: credentials?,
        policy,
        limits,
        warnings: Vec::new(),
    })
}

/// Whether two listeners would get into each other's way.
pub(super) fn same_socket(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (everywhere || one.ip() == other.ip())
}

fn tls(section: &Section<'_>) -> Option<Tls> {
    let certificate: Option<PathBuf> =
        section.required("certificate", "a PEM file with the server's certificate chain");
    let private_key: Option<PathBuf> =
        section.required("private_key", "a PEM file with the server's private key");
    let client_ca: Option<PathBuf> =
        section.required("client_ca", "a PEM file with the roots of client certificates");
    let client_crl = section.optional("client_crl");
    let versions = [("1.3", MinTlsVersion::Tls13), ("1.2", MinTlsVersion::Tls12)];
    let min_version = section.one_of("min_version", &versions).unwrap_or(MinTlsVersion::Tls13);
    Some(Tls {
        certificate: certificate?,
        private_key: private_key?,
        client_ca: client_ca?,
        client_crl,
        min_version,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Auto,
    Virtual,
    Path,
}

fn upstream(
    section: &Section<'_>,
    environment: &[(String, String)],
    warnings: &mut Vec<String>,
) -> Option<Upstream> {
    let region = match section.optional::<Region>("region") {
        // A value that is not valid has been told of.
        None if !section.has("region") => inherited_region(section, environment),
        given => given,
    };
    if region.is_none() && !section.has("region") && set_region(environment).is_none() {
        section.problem(
            "region",
            "missing: the buckets' region, such as eu-west-1 (AWS_REGION would serve too)",
        );
    }
    let given: Option<Endpoint> = section.optional("endpoint");
    let fips = section.or("fips", false);
    let dualstack = section.or("dualstack", false);
    if given.is_some() && (fips || dualstack) {
        section.problem("endpoint", "leave it out together with 'fips' or 'dualstack', which derive it");
    }
    let allow_plaintext = section.or("allow_plaintext", false);
    if let Some(Endpoint(uri)) = &given
        && uri.scheme() == Some(&http::uri::Scheme::HTTP)
    {
        if allow_plaintext {
            warnings.push(
                "upstream.endpoint: data and signatures go to S3 unencrypted; only for development"
                    .to_owned(),
            );
        } else {
            section.problem(
                "endpoint",
                "http:// sends data unencrypted; use https:// (allow_plaintext is for development)",
            );
        }
    }
    let styles = [("auto", Style::Auto), ("virtual", Style::Virtual), ("path", Style::Path)];
    let style = section.one_of("addressing", &styles).unwrap_or(Style::Auto);
    let ca = section.optional("ca");
    let region = region?;
    let endpoint = given.map(|endpoint| endpoint.0).or_else(|| derive(&region, fips, dualstack))?;
    let on_aws = endpoint.host().is_some_and(is_aws);
    let addressing = match style {
        Style::Virtual => Addressing::Virtual,
        Style::Auto if on_aws => Addressing::VirtualUnlessDotted,
        Style::Auto | Style::Path => Addressing::Path,
    };
    Some(Upstream { region: region.0, endpoint, addressing, ca })
}

/// The EKS webhooks set `AWS_REGION` in every pod that has a role.
fn inherited_region(section: &Section<'_>, environment: &[(String, String)]) -> Option<Region> {
    let (name, value) = set_region(environment)?;
    // The other variable may name another region: a guess would sign for the wrong one.
    let parsed = value.parse();
    parsed.map_err(|why| section.problem("region", format!("{name} is '{value}': {why}"))).ok()
}

/// The first of AWS's variables that says something.
fn set_region(environment: &[(String, String)]) -> Option<(&'static str, &str)> {
    let value = |name| environment.iter().find(|(key, value)| key == name && !value.is_empty());
    let named = |name| value(name).map(|(_, value)| (name, value.as_str()));
    named("AWS_REGION").or_else(|| named("AWS_DEFAULT_REGION"))
}

/// DNS suffixes of the AWS partitions. Source: AWS SDK `partitions.json`.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("", "amazonaws.com"),
];

fn is_aws(host: &str) -> bool {
    PARTITIONS.iter().any(|(_, suffix)| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
}

fn derive(region: &Region, fips: bool, dualstack: bool) -> Option<Uri> {
    let (_, suffix) = PARTITIONS.iter().find(|(prefix, _)| region.0.starts_with(prefix))?;
    let fips = if fips { "-fips" } else { "" };
    let dualstack = if dualstack { ".dualstack" } else { "" };
    format!("https://s3{fips}{dualstack}.{}.{suffix}", region.0).parse().ok()
}

fn limits(section: &Section<'_>) -> Limits {
    let per_identity = section.section("per_identity");
    for key in ["requests_per_second", "concurrent_requests"] {
        per_identity.only_null(key, "limits per identity are not enforced by this version; leave it null");
    }
    let seconds = |key, default| section.or(key, Span(Duration::from_secs(default))).0;
    let max_connections = section.or("max_connections", 4096);
    if max_connections == 0 {
        section.problem("max_connections", "must be at least 1");
    }
    Limits {
        max_connections,
        handshake_timeout: seconds("handshake_timeout", 10),
        header_timeout: seconds("header_timeout", 15),
        idle_timeout: seconds("idle_timeout", 60),
        connect_timeout: seconds("connect_timeout", 5),
        drain_timeout: seconds("drain_timeout", 30),
        max_object_size: section.or("max_object_size", ByteSize::tib(5)).as_u64(),
    }
}

pub(super) struct Region(pub(super) String);

impl FromStr for Region {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let label = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let edges = text.starts_with('-') || text.ends_with('-');
        if label && !edges && (1..=63).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a region is written like eu-west-1")
        }
    }
}

pub(super) struct Endpoint(pub(super) Uri);

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| "not a URL")?;
        if !matches!(uri.scheme_str(), Some("https" | "http")) {
            return Err("must start with https://");
        }
        let authority = uri.authority().ok_or("there is no host")?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err("must be a host, with a port if need be, and no user");
        }
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err("must end behind the host: no path, no query");
        }
        Ok(Self(uri))
    }
}

struct Domain(String);

impl FromStr for Domain {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name: crate::identity::DnsName =
            text.parse().map_err(|_| "not a host name, such as s3.internal")?;
        Ok(Self(name.as_str().to_owned()))
    }
}

/// A time span above zero, such as `10s` or `1m 30s`.
pub(super) struct Span(pub(super) Duration);

/// Clocks must not overflow when it is added; nobody means more.
const LONGEST: Duration = Duration::from_hours(365 * 24);

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        match humantime::parse_duration(text) {
            Ok(span) if !span.is_zero() && span <= LONGEST => Ok(Self(span)),
            _ => Err(SpanError),
        }
    }
}

pub(super) struct SpanError;

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time span above zero and up to 365 days is written like 10s, 500ms or 1m 30s")
    }
}
