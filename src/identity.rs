//! Who the client is, as its certificate says it: a SPIFFE ID, DNS names, a common name.
//!
//! Floor 0: pure values. Text becomes one of these types at the door (`tls::leaf` reads it out of the
//! certificate) and is matched by `policy`. Nothing here knows certificates, headers or connections.

use std::fmt;
use std::str::FromStr;

/// Why a certificate's names cannot serve as an identity. The connection is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// SPIFFE X.509-SVID section 2: exactly one URI SAN.
    #[error("the certificate carries {0} URI SANs; a SPIFFE certificate carries exactly one")]
    SeveralUris(usize),
    /// The URI SAN does not follow the SPIFFE ID grammar.
    #[error("the URI SAN is not a SPIFFE ID of a workload: {0}")]
    NotSpiffe(&'static str),
    /// A DNS SAN that is not a plain host name (a wildcard, for instance).
    #[error("a DNS SAN is not a plain host name")]
    NotDns,
    /// No URI SAN, no DNS SAN and no common name.
    #[error("the certificate names nobody: no URI SAN, DNS SAN or common name")]
    Nobody,
}

/// A SPIFFE ID of a workload, `spiffe://<trust domain>/<path>`, checked against the SPIFFE-ID grammar.
///
/// Source: <https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md> section 2.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    uri: String,
    trust_domain_end: usize,
}

const SPIFFE_SCHEME: &str = "spiffe://";
/// SPIFFE-ID section 2.3: implementations must support 2,048 bytes and must not generate more.
const SPIFFE_MAX: usize = 2048;
const TRUST_DOMAIN_MAX: usize = 255;

impl SpiffeId {
    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The trust domain, without the scheme.
    pub fn trust_domain(&self) -> &str {
        &self.uri[SPIFFE_SCHEME.len()..self.trust_domain_end]
    }

    /// The path without its leading slash; never empty.
    pub fn path(&self) -> &str {
        &self.uri[self.trust_domain_end + 1..]
    }

    /// Namespace and service account of the Kubernetes form `/ns/<namespace>/sa/<service account>`.
    pub fn kubernetes(&self) -> Option<(&str, &str)> {
        let mut segments = self.path().split('/');
        match (segments.next()?, segments.next()?, segments.next()?, segments.next()?, segments.next()) {
            ("ns", namespace, "sa", account, None) => Some((namespace, account)),
            _ => None,
        }
    }
}

impl FromStr for SpiffeId {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let refuse = |why| Err(IdentityError::NotSpiffe(why));
        if uri.len() > SPIFFE_MAX {
            return refuse("longer than 2048 bytes");
        }
        let Some(rest) = uri.strip_prefix(SPIFFE_SCHEME) else {
            return refuse("it does not start with spiffe://");
        };
        let Some((trust_domain, path)) = rest.split_once('/') else {
            return refuse("it has no path, so it names a trust domain and not a workload");
        };
        let is_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
        if trust_domain.is_empty()
            || trust_domain.len() > TRUST_DOMAIN_MAX
            || !trust_domain.bytes().all(is_domain)
        {
            return refuse("the trust domain has characters outside a-z 0-9 . - _");
        }
        let is_segment = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        for segment in path.split('/') {
            if matches!(segment, "" | "." | "..") || !segment.bytes().all(is_segment) {
                return refuse(
                    "a path segment is empty, relative or has characters outside a-z A-Z 0-9 . - _",
                );
            }
        }
        Ok(Self { uri: uri.to_owned(), trust_domain_end: SPIFFE_SCHEME.len() + trust_domain.len() })
    }
}

/// A DNS name in lower case, without a trailing dot or a wildcard (RFC 1123 labels, underscore allowed).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsName(String);

impl DnsName {
    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DnsName {
    type Err = IdentityError;

    fn from_str(name: &str) -> Result<Self, IdentityError> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(IdentityError::NotDns);
        }
        Ok(Self(name))
    }
}

/// Everything a client certificate says about its holder. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    spiffe: Option<SpiffeId>,
    dns: Vec<DnsName>,
    common_name: Option<String>,
    label: String,
}

impl ClientIdentity {
    /// Judges the names of one certificate: its URI SANs, DNS SANs and subject common name.
    pub fn new(uris: &[&str], dns: &[&str], common_name: Option<&str>) -> Result<Self, IdentityError> {
        let spiffe = match uris {
            [] => None,
            [uri] => Some(uri.parse::<SpiffeId>()?),
            several => return Err(IdentityError::SeveralUris(several.len())),
        };
        let dns = dns.iter().map(|name| name.parse()).collect::<Result<Vec<DnsName>, _>>()?;
        let common_name = common_name.filter(|cn| !cn.is_empty()).map(str::to_owned);
        let label = match (&spiffe, dns.first(), &common_name) {
            (Some(spiffe), _, _) => spiffe.as_str().to_owned(),
            (None, Some(name), _) => format!("dns:{}", name.as_str()),
            (None, None, Some(cn)) => format!("cn:{cn}"),
            (None, None, None) => return Err(IdentityError::Nobody),
        };
        Ok(Self { spiffe, dns, common_name, label })
    }

    /// The identity of one certificate by its names as they are written in logs: `spiffe://…`, `dns:…`, `cn:…`.
    pub fn named(names: &[String]) -> Result<Self, IdentityError> {
        let (mut uris, mut dns, mut common_name) = (Vec::new(), Vec::new(), None);
        for name in names {
            if let Some(name) = name.strip_prefix("dns:") {
                dns.push(name);
            } else if let Some(name) = name.strip_prefix("cn:") {
                common_name = Some(name);
            } else {
                uris.push(name.as_str());
            }
        }
        Self::new(&uris, &dns, common_name)
    }

    /// Every name, in the notation of configuration and logs, the strongest first.
    pub fn names(&self) -> Vec<String> {
        let spiffe = self.spiffe.iter().map(|id| id.as_str().to_owned());
        let dns = self.dns.iter().map(|name| format!("dns:{}", name.as_str()));
        let common_name = self.common_name.iter().map(|cn| format!("cn:{cn}"));
        spiffe.chain(dns).chain(common_name).collect()
    }

    /// The SPIFFE ID, if the certificate has one.
    pub fn spiffe(&self) -> Option<&SpiffeId> {
        self.spiffe.as_ref()
    }

    /// The DNS names, in the certificate's order.
    pub fn dns(&self) -> &[DnsName] {
        &self.dns
    }

    /// The subject's common name, as it stands in the certificate.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }
}

/// The strongest form that the certificate carries (SPIFFE, then DNS, then CN), as logs name the client.
impl fmt::Display for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

/// Reads the notation of configuration and logs: `spiffe://…`, `dns:…` or `cn:…`.
impl FromStr for ClientIdentity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        if let Some(name) = text.strip_prefix("dns:") {
            Self::new(&[], &[name], None)
        } else if let Some(cn) = text.strip_prefix("cn:") {
            Self::new(&[], &[], Some(cn))
        } else {
            Self::new(&[text], &[], None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_is_taken_apart() {
        let id: SpiffeId = "spiffe://cluster.local/ns/reports/sa/api".parse().unwrap();
        assert_eq!(id.trust_domain(), "cluster.local");
        assert_eq!(id.path(), "ns/reports/sa/api");
        assert_eq!(id.kubernetes(), Some(("reports", "api")));
        let other: SpiffeId = "spiffe://td/ns/a/sa/b/c".parse().unwrap();
        assert_eq!(other.kubernetes(), None);
    }

    #[test]
    fn what_is_not_a_spiffe_id_is_refused() {
        for bad in [
            "https://x/y",
            "spiffe://",
            "spiffe://td",
            "spiffe://td/",
            "spiffe:///p",
            "spiffe://TD/p",
            "spiffe://td/a//b",
            "spiffe://td/a/../b",
            "spiffe://td/a/",
            "spiffe://td/a%2Fb",
            "spiffe://td:1/a",
            "spiffe://u@td/a",
            "spiffe://td/a?q",
            "spiffe://td/*",
        ] {
            assert!(bad.parse::<SpiffeId>().is_err(), "{bad}");
        }
        assert!(format!("spiffe://td/{}", "a".repeat(2048)).parse::<SpiffeId>().is_err());
    }

    #[test]
    fn the_strongest_form_names_the_client() {
        let all = ClientIdentity::new(&["spiffe://td/w"], &["W.Example."], Some("w")).unwrap();
        assert_eq!(all.to_string(), "spiffe://td/w");
        assert_eq!(all.dns()[0].as_str(), "w.example");
        assert_eq!(ClientIdentity::new(&[], &["a.b"], Some("w")).unwrap().to_string(), "dns:a.b");
        assert_eq!(ClientIdentity::new(&[], &[], Some("w")).unwrap().to_string(), "cn:w");
        assert_eq!(ClientIdentity::new(&[], &[], Some("")), Err(IdentityError::Nobody));
        assert_eq!(
            ClientIdentity::new(&["spiffe://td/a", "spiffe://td/b"], &[], None),
            Err(IdentityError::SeveralUris(2))
        );
        assert_eq!(ClientIdentity::new(&[], &["*.a.b"], None), Err(IdentityError::NotDns));
    }
}
