//! What a pod's annotations ask for. Closed: a name under our prefix that is not known is a refusal, because a
//! misspelt annotation would otherwise be a default that nobody meant.

use std::fmt::Display;
use std::str::FromStr;

use super::pod::Pod;
use super::{PREFIX, Refusal};
use crate::config::{CertificateSource, Client, Injection, Mode, ObjectName, Quantity, ResourceKey};
use crate::policy::RoleArn;

/// Written by injection itself: what spiffe-helper is told.
pub(super) const HELPER_CONFIG: &str = "spiffe-helper";

const KNOWN: [&str; 7] =
    ["certificate", "client", "config", "mode", "own-aws-credentials", "resources", "role-arn"];

/// What a pod asks for, defaults included.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) mode: Mode,
    pub(super) client: Client,
    /// Where there is a proxy in the pod.
    pub(super) role: Option<RoleArn>,
    pub(super) config: ObjectName,
    pub(super) certificate: CertificateSource,
    /// In place of single defaults.
    pub(super) resources: Vec<(ResourceKey, Quantity)>,
    /// Whether the application may have credentials beside the proxy's.
    pub(super) own_credentials: bool,
}

impl Wish {
    /// Reads all annotations and reports everything that is wrong with them; what is wrong is as if it were not there.
    pub(super) fn read(pod: &Pod<'_>, settings: &Injection) -> (Self, Vec<Refusal>) {
        let mut reader = Reader { pod, refusals: Vec::new() };
        reader.unknown();
        let mode = reader.mode(settings);
        let wish = Self {
            mode,
            client: reader.or("client", settings.client),
            role: reader.role(mode),
            config: reader.or("config", settings.config.clone()),
            certificate: reader.certificate(mode, settings),
            resources: reader.optional::<Resources>("resources").map(|given| given.0).unwrap_or_default(),
            own_credentials: reader.or("own-aws-credentials", YesOrNo(false)).0,
        };
        (wish, reader.refusals)
    }

    /// Whether the proxy is in the pod and the application talks to it by way of a bridge, or there is only a bridge.
    pub(super) fn has_bridge(&self) -> bool {
        self.mode == Mode::Bridge || self.client == Client::Plain
    }
}

struct Reader<'a> {
    pod: &'a Pod<'a>,
    refusals: Vec<Refusal>,
}

impl Reader<'_> {
    fn refuse(&mut self, name: &str, why: impl Into<String>) {
        self.refusals.push(Refusal { what: format!("annotation {PREFIX}{name}"), why: why.into() });
    }

    fn unknown(&mut self) {
        let names = self.pod.annotations().into_iter().flat_map(|all| all.keys());
        let unknown: Vec<_> = names
            .filter_map(|name| name.strip_prefix(PREFIX))
            .filter(|name| !KNOWN.contains(name) && *name != HELPER_CONFIG)
            .collect();
        for name in unknown {
            self.refuse(name, format!("unknown; known are {}", KNOWN.join(", ")));
        }
    }

    fn optional<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let value = self.pod.annotation(&format!("{PREFIX}{name}"))?;
        let Some(text) = value.as_str() else {
            self.refuse(name, "is no text; write it in quotes");
            return None;
        };
        text.parse().map_err(|why| self.refuse(name, format!("'{text}': {why}"))).ok()
    }

    fn or<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> T {
        self.optional(name).unwrap_or(default)
    }

    fn mode(&mut self, settings: &Injection) -> Mode {
        let mode = self.or("mode", settings.mode);
        if !settings.modes.contains(&mode) {
            self.refuse("mode", format!("'{mode}': this cluster's administrator has switched it off"));
        }
        mode
    }

    fn role(&mut self, mode: Mode) -> Option<RoleArn> {
        let name = "role-arn";
        if mode == Mode::Sidecar && self.pod.annotation(&format!("{PREFIX}{name}")).is_none() {
            self.refuse(
                name,
                "missing; it names the role of this pod's proxy, arn:aws:iam::123456789012:role/name",
            );
        }
        self.optional(name)
    }

    fn certificate(&mut self, mode: Mode, settings: &Injection) -> CertificateSource {
        let certificate = self.or("certificate", settings.certificate.clone());
        match certificate {
            CertificateSource::CertManager if settings.cert_manager.issuer.is_none() => {
                self.refuse(
                    "certificate",
                    "'csi.cert-manager.io': this cluster's administrator has named no issuer",
                );
            }
            CertificateSource::CertManagerSpiffe if mode == Mode::Sidecar => {
                let why = "'spiffe.csi.cert-manager.io': its certificates bear no DNS name, which a server needs; \
                           take csi.cert-manager.io, or the mode bridge";
                self.refuse("certificate", why);
            }
            _ => {}
        }
        certificate
    }
}

/// `requests.cpu=50m,limits.memory=256Mi`.
struct Resources(Vec<(ResourceKey, Quantity)>);

impl FromStr for Resources {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut found: Vec<(ResourceKey, Quantity)> = Vec::new();
        for item in text.split(',') {
            let parsed = item.split_once('=').and_then(|(key, quantity)| {
                let key = key.parse().ok().filter(|key| found.iter().all(|(other, _)| other != key));
                Some((key?, quantity.parse().ok()?))
            });
            found.push(
                parsed.ok_or(
                    "this is written like requests.cpu=50m,requests.memory=64Mi,limits.memory=256Mi",
                )?,
            );
        }
        Ok(Self(found))
    }
}

struct YesOrNo(bool);

impl FromStr for YesOrNo {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "true" => Ok(Self(true)),
            "false" => Ok(Self(false)),
            _ => Err("neither \"true\" nor \"false\""),
        }
    }
}
