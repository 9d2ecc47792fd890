//! The effective configuration as YAML, for `proxy check`. It holds no secrets: keys are files, named by path.

use std::fmt;

use super::{Addressing, Config, guardrails};
use crate::policy::{Effect, Grant};

/// Text as a YAML scalar; JSON's notation is valid YAML whatever the text.
pub(super) fn quoted(text: impl fmt::Display) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

/// A size in the largest unit that leaves no remainder: a rounded one would be another configuration.
pub(super) fn exact(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = units.iter().find(|(bits, _)| bytes > 0 && bytes.trailing_zeros() >= *bits);
    fits.map_or_else(|| format!("{bytes}B"), |(bits, unit)| format!("{}{unit}", bytes >> bits))
}

pub(super) fn list<T: fmt::Display>(items: &[T]) -> String {
    format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", "))
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listen: {}\nadmin: {}", quoted(self.listen), quoted(self.admin))?;
        writeln!(f, "domains: {}", list(&self.domain_names))?;
        write!(f, "{}", self.tls)?;
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
        write!(f, "{}{}", self.limits, self.metrics)?;
        self.traces.iter().try_for_each(|traces| write!(f, "{traces}"))
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
