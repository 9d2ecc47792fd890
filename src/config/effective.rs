//! The effective configuration as YAML, for `proxy check`. It holds no secrets: keys are files, named by path.

use std::fmt;

use super::{Addressing, Config, MinTlsVersion, guardrails};
use crate::policy::{Effect, Grant};

/// Text as a YAML scalar; JSON's notation is valid YAML whatever the text.
pub(super) fn quoted(text: impl fmt::Display) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

/// A size in the largest unit that leaves no remainder: a rounded one would be another configuration.
fn exact(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = units.iter().find(|(bits, _)| bytes > 0 && bytes.trailing_zeros() >= *bits);
    fits.map_or_else(|| format!("{bytes}B"), |(bits, unit)| format!("{}{unit}", bytes >> bits))
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", "))
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listen: {}\nadmin: {}", quoted(self.listen), quoted(self.admin))?;
        writeln!(f, "domains: {}", list(&self.domain_names))?;
        let tls = &self.tls;
        writeln!(f, "tls:\n  certificate: {}", quoted(tls.certificate.display()))?;
        writeln!(f, "  private_key: {}", quoted(tls.private_key.display()))?;
        writeln!(f, "  client_ca: {}", quoted(tls.client_ca.display()))?;
        if let Some(crl) = &tls.client_crl {
            writeln!(f, "  client_crl: {}", quoted(crl.display()))?;
        }
        let version = match tls.min_version {
            MinTlsVersion::Tls12 => "1.2",
            MinTlsVersion::Tls13 => "1.3",
        };
        writeln!(f, "  min_version: {}", quoted(version))?;
        let upstream = &self.upstream;
        writeln!(f, "upstream:\n  region: {}", quoted(&upstream.region))?;
        writeln!(f, "  endpoint: {}", quoted(upstream.endpoint.to_string().trim_end_matches('/')))?;
        let addressing = match upstream.addressing {
            Addressing::Virtual => "virtual",
            Addressing::Path => "path",
            Addressing::VirtualUnlessDotted => "auto",
        };
        writeln!(f, "  addressing: {addressing}")?;
        if let Some(ca) = &upstream.ca {
            writeln!(f, "  ca: {}", quoted(ca.display()))?;
        }
        let plaintext = upstream.endpoint.scheme() == Some(&http::uri::Scheme::HTTP);
        writeln!(f, "  allow_plaintext: {plaintext}")?;
        write!(f, "{}", self.credentials)?;
        grants(f, self.policy.grants())?;
        guardrails::show(f, self.policy.guardrails())?;
        let limits = &self.limits;
        writeln!(f, "limits:\n  max_connections: {}", limits.max_connections)?;
        for (name, span) in [
            ("handshake_timeout", limits.handshake_timeout),
            ("header_timeout", limits.header_timeout),
            ("idle_timeout", limits.idle_timeout),
            ("connect_timeout", limits.connect_timeout),
            ("drain_timeout", limits.drain_timeout),
        ] {
            writeln!(f, "  {name}: {}", quoted(humantime::format_duration(span)))?;
        }
        write!(f, "  max_object_size: {}", quoted(exact(limits.max_object_size)))
    }
}

fn grants(f: &mut fmt::Formatter<'_>, grants: &[Grant]) -> fmt::Result {
    if grants.is_empty() {
        return writeln!(f, "grants: []");
    }
    writeln!(f, "grants:")?;
    for grant in grants {
        let effect = match grant.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        writeln!(f, "  - name: {}\n    effect: {effect}", quoted(&grant.name))?;
        writeln!(f, "    identities: {}\n    buckets: {}", list(&grant.identities), list(&grant.buckets))?;
        if let Some(prefixes) = &grant.prefixes {
            writeln!(f, "    prefixes: {}", list(prefixes))?;
        }
        writeln!(f, "    actions: {}", list(&grant.actions))?;
        if let Some(role) = &grant.role {
            writeln!(f, "    role_arn: {}", quoted(role))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
