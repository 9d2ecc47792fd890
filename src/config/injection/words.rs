//! The words that settings and annotations of injection share. Each is written in one way, which the CEL of the
//! admission policies checks by a regular expression of the same meaning.

use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|one| one.as_str() == text).copied();
                found.ok_or_else(|| {
                    let all: Vec<_> = Self::ALL.iter().map(|one| one.as_str()).collect();
                    format!("not one of {}", all.join(", "))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What is added to a pod.
    Mode:
    /// The proxy itself, with a role of its own.
    Sidecar = "sidecar",
    /// A bridge to the gateway.
    Bridge = "bridge"
}

words! {
    /// How containers reach a proxy in their own pod.
    Client:
    /// Plain HTTP on loopback, by a bridge that shows the pod's certificate: for every client.
    Plain = "plain",
    /// mTLS on loopback; the application shows the certificate itself.
    Certificate = "certificate"
}

words! {
    /// When the kubelet pulls an image.
    PullPolicy:
    /// Each time.
    Always = "Always",
    /// When it is not there.
    IfNotPresent = "IfNotPresent",
    /// It has to be there.
    Never = "Never"
}

words! {
    /// One entry of a container's resources.
    ResourceKey:
    /// CPU that is kept free.
    RequestsCpu = "requests.cpu",
    /// Memory that is kept free.
    RequestsMemory = "requests.memory",
    /// CPU at most.
    LimitsCpu = "limits.cpu",
    /// Memory at most.
    LimitsMemory = "limits.memory"
}

impl ResourceKey {
    pub(super) const DEFAULTS: &[(Self, &'static str)] =
        &[(Self::RequestsCpu, "50m"), (Self::RequestsMemory, "64Mi"), (Self::LimitsMemory, "256Mi")];

    pub(super) fn of(part: &str, name: &str) -> Option<Self> {
        format!("{part}.{name}").parse().ok()
    }

    /// `requests` or `limits`, and what of it.
    pub fn parts(self) -> (&'static str, &'static str) {
        self.as_str().split_once('.').unwrap_or_default()
    }
}

/// An amount of CPU or memory, such as `50m` or `64Mi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity(String);

impl Quantity {
    pub(super) fn known(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Quantity {
    type Err = &'static str;

    /// `^[0-9]{1,12}([.][0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text[number.len()..];
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits =
            |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let units = ["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"];
        if digits(whole, 12) && digits(part, 3) && units.contains(&unit) {
            Ok(Self(text.to_owned()))
        } else {
            Err("an amount is written like 50m, 0.5, 64Mi or 1Gi")
        }
    }
}

/// The name of a Kubernetes object: an RFC 1123 subdomain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName(String);

impl ObjectName {
    pub(super) fn product() -> Self {
        Self("s3-access-proxy".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = &'static str;

    /// `^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let inner = bytes.iter().all(|b| edge(b) || matches!(b, b'-' | b'.'));
        let edges = bytes.first().is_some_and(edge) && bytes.last().is_some_and(edge);
        if inner && edges && bytes.len() <= 253 {
            Ok(Self(text.to_owned()))
        } else {
            Err("a name is lower-case letters, digits, '-' and '.', and up to 253 of them")
        }
    }
}

/// Where a pod's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// A Secret with tls.crt, tls.key and ca.crt.
    Secret(ObjectName),
    /// cert-manager's CSI driver.
    CertManager,
    /// cert-manager's CSI driver for SPIFFE.
    CertManagerSpiffe,
    /// SPIRE's Workload API, from which spiffe-helper writes files.
    Spiffe,
}

impl Default for CertificateSource {
    fn default() -> Self {
        Self::Secret(ObjectName("s3-access-proxy-tls".to_owned()))
    }
}

impl FromStr for CertificateSource {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "csi.cert-manager.io" => Ok(Self::CertManager),
            "spiffe.csi.cert-manager.io" => Ok(Self::CertManagerSpiffe),
            "csi.spiffe.io" => Ok(Self::Spiffe),
            name => match name.parse() {
                Ok(name) => Ok(Self::Secret(name)),
                Err(_) => Err(
                    "neither a Secret's name nor csi.cert-manager.io, spiffe.csi.cert-manager.io, csi.spiffe.io",
                ),
            },
        }
    }
}

/// The user that added containers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// This one, and the group of the same number.
    User(u32),
    /// Whom the cluster assigns.
    Assigned,
}

impl RunAs {
    /// The image's own user.
    pub const DEFAULT: Self = Self::User(65_532);
}

impl FromStr for RunAs {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            _ if text == "assigned" => Ok(Self::Assigned),
            Ok(user) if user > 0 => Ok(Self::User(user)),
            _ => Err("a user's number above 0, or 'assigned'"),
        }
    }
}
