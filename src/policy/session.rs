//! From grants to the session policy that confines one identity's STS session: a second wall behind the proxy's own
//! decision, which a bug in the proxy cannot get past.
//!
//! A session policy permits whatever the grants permit. Where IAM cannot say the same in 2,048 characters it permits
//! more, but never an action on a bucket that the grants do not allow: prefixes are shortened to what they have in
//! common, then left out, and so are denials by prefix. What does not fit even then is an error.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::decide::{Entitlements, Rule};
use super::role::RoleArn;

mod document;

pub(super) use document::{Width, document, ends_in_wildcard, statements};

/// IAM and STS quotas: characters of a session policy.
pub(super) const MAX_POLICY: usize = 2048;

/// An IAM policy document that fits into a call to STS. Its text is ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicy(Arc<str>);

impl SessionPolicy {
    /// The document, JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the proxy is when it acts for one identity: a role, and what of it the identity's grants need.
#[derive(Debug)]
pub struct Persona {
    role: RoleArn,
    policies: Vec<SessionPolicy>,
    widened: bool,
    fingerprint: [u8; 32],
}

impl Persona {
    /// The role to assume.
    pub fn role(&self) -> &RoleArn {
        &self.role
    }

    /// From the narrowest to the widest that still is safe; empty when even that is too long.
    pub fn policies(&self) -> &[SessionPolicy] {
        &self.policies
    }

    /// Whether the grants, said as closely as IAM can, are too long for a session policy.
    pub fn is_widened(&self) -> bool {
        self.widened
    }

    /// Tells personas apart: two of the same role and policy are the same.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    fn new(role: RoleArn, allow: &[&Rule], deny: &[&Rule]) -> Self {
        let (policies, widened) = policies(role.partition(), allow, deny);
        let mut hash = Sha256::new_with_prefix(role.as_str());
        for policy in &policies {
            hash.update(policy.as_str());
        }
        Self { role, policies, widened, fingerprint: hash.finalize().into() }
    }
}

/// No one role has all the grants that a request needs, and a request carries one signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the grants that allow the request act as different roles")]
pub struct SeveralRoles;

/// Made once for an identity's rules, shared by its requests.
pub(super) type Personas = OnceLock<Vec<(Option<RoleArn>, Arc<Persona>)>>;

/// As whom a permitted request is signed, when sessions are per identity.
#[derive(Debug, Clone)]
pub struct Acting {
    pub(super) allow: Arc<[Rule]>,
    pub(super) deny: Arc<[Rule]>,
    pub(super) personas: Arc<Personas>,
    /// The role of its grants, where they name one.
    pub(super) role: Result<Option<RoleArn>, SeveralRoles>,
}

impl Acting {
    /// The persona; `base` is the role of grants that name none.
    pub fn persona(&self, base: &RoleArn) -> Result<Arc<Persona>, SeveralRoles> {
        let role = self.role.as_ref().map_err(|several| *several)?;
        let all = self.personas.get_or_init(|| personas(&self.allow, &self.deny, base));
        // Every role of a rule is among them.
        all.iter().find(|(other, _)| other == role).map(|(_, persona)| persona.clone()).ok_or(SeveralRoles)
    }
}

fn personas(allow: &[Rule], deny: &[Rule], base: &RoleArn) -> Vec<(Option<RoleArn>, Arc<Persona>)> {
    let roles: BTreeSet<Option<&RoleArn>> = allow.iter().map(|rule| rule.role.as_ref()).collect();
    let deny: Vec<&Rule> = deny.iter().collect();
    let persona = |role: Option<&RoleArn>| {
        let allow: Vec<&Rule> = allow.iter().filter(|rule| rule.role.as_ref() == role).collect();
        Arc::new(Persona::new(role.unwrap_or(base).clone(), &allow, &deny))
    };
    roles.into_iter().map(|role| (role.cloned(), persona(role))).collect()
}

impl Entitlements {
    /// Statements of an IAM policy that say the same as the grants, as closely as IAM can, whatever their length.
    ///
    /// Without rights to KMS keys: which keys those are, the grants do not tell. Buckets' names have to be without `*`
    /// for denials by prefix to be among them.
    pub fn to_statements(&self, partition: &str) -> Vec<serde_json::Value> {
        let (allow, deny): (Vec<&Rule>, Vec<&Rule>) =
            (self.allow.iter().collect(), self.deny.iter().collect());
        statements(partition, &allow, &deny, Width::Exact)
    }
}

/// Those that fit, and whether the narrowest is none of them.
fn policies(partition: &str, allow: &[&Rule], deny: &[&Rule]) -> (Vec<SessionPolicy>, bool) {
    let (mut fitting, mut widened): (Vec<SessionPolicy>, bool) = (Vec::new(), false);
    for width in [Width::Narrow, Width::CommonPrefix, Width::Buckets] {
        let text = document(partition, allow, deny, width);
        if text.len() > MAX_POLICY {
            widened |= width == Width::Narrow;
        } else if fitting.last().is_none_or(|policy| *policy.0 != *text) {
            fitting.push(SessionPolicy(text.into()));
        }
    }
    (fitting, widened)
}

#[cfg(test)]
mod tests;
