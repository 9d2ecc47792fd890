//! Literal key prefixes with variables that stand for parts of the client's identity.

use std::fmt;
use std::str::FromStr;

use super::pattern::IdentityPattern;
use crate::identity::ClientIdentity;
use crate::s3::KeyPrefix;

/// A prefix that cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `${` that is not closed.
    #[error("a '${{' is not closed with '}}'")]
    Unclosed,
    /// A name that is none of the six.
    #[error(
        "there is no variable ${{{0}}}; there are trust_domain, namespace, service_account, spiffe_path, dns, cn"
    )]
    UnknownVariable(String),
    /// Prefixes are literal.
    #[error(
        "a prefix is literal and ends where it ends: leave out the '*' (it would only match a key with a star in it)"
    )]
    Wildcard,
    /// Nothing to match.
    #[error("the prefix is empty; leave out 'prefixes' to grant the whole bucket")]
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    TrustDomain,
    Namespace,
    ServiceAccount,
    SpiffePath,
    Dns,
    CommonName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Variable(Variable),
}

/// A prefix as it stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixTemplate {
    text: String,
    pieces: Vec<Piece>,
}

impl PrefixTemplate {
    /// The prefixes for one identity: none when a variable is missing, several when the certificate carries
    /// several DNS names. Of those, only names that a `dns:` pattern of the grant matches count, if it has any.
    pub fn expand(&self, identity: &ClientIdentity, patterns: &[IdentityPattern]) -> Vec<KeyPrefix> {
        if !self.pieces.contains(&Piece::Variable(Variable::Dns)) {
            return self.expand_with(identity, None).into_iter().collect();
        }
        let bound = patterns.iter().any(IdentityPattern::is_dns);
        let applies = |name: &str| !bound || patterns.iter().any(|pattern| pattern.matches_dns(name));
        let names = identity.dns().iter().map(crate::identity::DnsName::as_str).filter(|name| applies(name));
        names.filter_map(|name| self.expand_with(identity, Some(name))).collect()
    }

    fn expand_with(&self, identity: &ClientIdentity, dns: Option<&str>) -> Option<KeyPrefix> {
        let mut prefix = String::new();
        for piece in &self.pieces {
            prefix.push_str(match piece {
                Piece::Literal(text) => text,
                Piece::Variable(variable) => value(*variable, identity, dns)?,
            });
        }
        Some(KeyPrefix::new(&prefix))
    }

    /// What every identity's prefix starts with.
    pub(super) fn literal_head(&self) -> KeyPrefix {
        match self.pieces.first() {
            Some(Piece::Literal(text)) => KeyPrefix::new(text),
            Some(Piece::Variable(_)) | None => KeyPrefix::new(""),
        }
    }

    /// Whether every prefix that the other template gives an identity lies below this one's.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let Some((last, before)) = self.pieces.split_last() else { return true };
        let Some(theirs) = other.pieces.get(before.len()) else { return false };
        other.pieces.starts_with(before)
            && match (last, theirs) {
                (Piece::Literal(outer), Piece::Literal(inner)) => inner.starts_with(outer.as_str()),
                (outer, inner) => outer == inner,
            }
    }

    /// Whether the template needs the Kubernetes form of a SPIFFE ID.
    pub(super) fn needs_kubernetes(&self) -> bool {
        let kubernetes = [Variable::Namespace, Variable::ServiceAccount].map(Piece::Variable);
        self.pieces.iter().any(|piece| kubernetes.contains(piece))
    }

    /// Whether the template depends on the identity at all.
    pub(super) fn varies(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Variable(_)))
    }

    /// Whether a variable's value runs on into whatever the key says next: `home/${cn}` covers `home/ab` for `a`.
    pub fn has_open_end(&self) -> bool {
        self.pieces.iter().enumerate().any(|(i, piece)| match (piece, self.pieces.get(i + 1)) {
            (Piece::Variable(_), Some(Piece::Literal(next))) => !next.starts_with('/'),
            (Piece::Variable(_), _) => true,
            (Piece::Literal(_), _) => false,
        })
    }
}

fn value<'a>(variable: Variable, identity: &'a ClientIdentity, dns: Option<&'a str>) -> Option<&'a str> {
    let spiffe = identity.spiffe();
    match variable {
        Variable::TrustDomain => spiffe.map(super::super::identity::SpiffeId::trust_domain),
        Variable::Namespace => spiffe.and_then(|id| id.kubernetes()).map(|(namespace, _)| namespace),
        Variable::ServiceAccount => spiffe.and_then(|id| id.kubernetes()).map(|(_, account)| account),
        Variable::SpiffePath => spiffe.map(super::super::identity::SpiffeId::path),
        Variable::Dns => dns,
        // A common name is free text: one with a slash would reach into another client's folder.
        Variable::CommonName => identity.common_name().filter(|cn| !cn.contains('/')),
    }
}

impl FromStr for PrefixTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.is_empty() {
            return Err(TemplateError::Empty);
        }
        if text.contains('*') {
            return Err(TemplateError::Wildcard);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once("${") {
            let (name, behind) = behind.split_once('}').ok_or(TemplateError::Unclosed)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            pieces.push(Piece::Variable(match name {
                "trust_domain" => Variable::TrustDomain,
                "namespace" => Variable::Namespace,
                "service_account" => Variable::ServiceAccount,
                "spiffe_path" => Variable::SpiffePath,
                "dns" => Variable::Dns,
                "cn" => Variable::CommonName,
                unknown => return Err(TemplateError::UnknownVariable(unknown.to_owned())),
            }));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self { text: text.to_owned(), pieces })
    }
}

impl fmt::Display for PrefixTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(template: &str, identity: &ClientIdentity, patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<_> = patterns.iter().map(|p| p.parse().unwrap()).collect();
        let template: PrefixTemplate = template.parse().unwrap();
        template.expand(identity, &patterns).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn variables_come_from_the_certificate_or_the_grant_does_not_apply() {
        let id = ClientIdentity::new(&["spiffe://td/ns/n/sa/s"], &["a.x", "b.y"], Some("c/d")).unwrap();
        assert_eq!(expand("${trust_domain}/${namespace}-${service_account}/", &id, &[]), ["td/n-s/"]);
        assert_eq!(expand("${spiffe_path}/", &id, &[]), ["ns/n/sa/s/"]);
        assert_eq!(expand("d/${dns}/", &id, &[]), ["d/a.x/", "d/b.y/"]);
        assert_eq!(expand("d/${dns}/", &id, &["dns:*.y", "spiffe://td/**"]), ["d/b.y/"]);
        assert!(expand("${cn}/", &id, &[]).is_empty(), "a common name with a slash is no folder name");
        let other = ClientIdentity::new(&["spiffe://td/other"], &[], None).unwrap();
        assert!(expand("${namespace}/", &other, &[]).is_empty());
        assert!(expand("${dns}/", &other, &[]).is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        let parse = |text: &str| text.parse::<PrefixTemplate>().unwrap_err();
        assert_eq!(parse("a/${x}/"), TemplateError::UnknownVariable("x".into()));
        assert_eq!(parse("a/${cn"), TemplateError::Unclosed);
        assert_eq!(parse("a/*"), TemplateError::Wildcard);
        assert_eq!(parse(""), TemplateError::Empty);
        assert!("home/${cn}".parse::<PrefixTemplate>().unwrap().has_open_end());
        assert!(!"home/${cn}/".parse::<PrefixTemplate>().unwrap().has_open_end());
    }

    #[test]
    fn a_template_covers_what_lies_below_it() {
        let covers = |outer: &str, inner: &str| {
            outer.parse::<PrefixTemplate>().unwrap().covers(&inner.parse().unwrap())
        };
        assert!(covers("a/", "a/b/") && covers("a/${cn}/", "a/${cn}/b") && covers("a/", "a/${cn}/"));
        assert!(!covers("a/b/", "a/") && !covers("a/${cn}/", "a/${dns}/") && !covers("a/$", "a/${cn}/"));
        assert!(!covers("a/${cn}/", "a/"));
    }
}
