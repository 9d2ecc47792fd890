//! The whole file, from the tree to types; the larger sections have files of their own.

use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use http::Uri;

use super::reader::{Notebook, Problems, Section};
use super::{
    Addressing, Config, Upstream, credentials, document, grants, guardrails, limits, metrics, tls, traces,
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
    let tls = tls::read(&root.section("tls"));
    let upstream = upstream(&root.section("upstream"), environment, warnings);
    let credentials = credentials::read(&root.section("credentials"), environment);
    let guardrails = guardrails::read(&root.section("guardrails"));
    let policy = grants::read(root).behind(guardrails);
    warnings.extend(review(&policy));
    if let Some(credentials) = &credentials {
        credentials::check_grants(root, credentials, &policy);
    }
    let limits = limits::read(&root.section("limits"));
    let metrics = metrics::read(&root.section("metrics"));
    let traces = root.part("traces").and_then(|section| traces::read(&section));
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
        metrics,
        traces,
        warnings: Vec::new(),
    })
}

/// Whether two listeners would get into each other's way.
pub(super) fn same_socket(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (everywhere || one.ip() == other.ip())
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
