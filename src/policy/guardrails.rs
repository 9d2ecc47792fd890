//! Guardrails: what nobody may do, whatever is granted, and what every upload has to say. Looked at before any grant.

use std::fmt;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::encryption::Encryption;
use super::object_lock::ObjectLock;
use crate::s3::{ACL_HEADERS, Action, ActionSet, Asked, ErrorCode, Operation, Refusal};

/// The name of a guardrail, as the configuration and the log write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guardrail {
    /// No ACLs.
    Acl,
    /// Nothing that could make a bucket public.
    PublicAccess,
    /// Encryption at rest.
    Encryption,
    /// Object Lock.
    ObjectLock,
}

impl Guardrail {
    /// The name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::PublicAccess => "public_access",
            Self::Encryption => "encryption",
            Self::ObjectLock => "object_lock",
        }
    }

    /// What stands in the log in the place of a grant's name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Acl => "guardrail:acl",
            Self::PublicAccess => "guardrail:public_access",
            Self::Encryption => "guardrail:encryption",
            Self::ObjectLock => "guardrail:object_lock",
        }
    }
}

impl fmt::Display for Guardrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a guardrail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stance {
    /// It refuses.
    #[default]
    Deny,
    /// Grants decide.
    Allow,
}

/// The guardrails of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Guardrails {
    /// ACLs, and the ownership settings that would bring them back.
    pub acl: Stance,
    /// Bucket policy, public-access block, website and CORS.
    pub public_access: Stance,
    /// How objects are encrypted.
    pub encryption: Encryption,
    /// How long objects are kept.
    pub object_lock: ObjectLock,
}

/// A request that a guardrail refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Breach {
    /// Which one.
    pub guardrail: Guardrail,
    /// What is wrong, and how the client can mend it.
    pub message: String,
}

impl Breach {
    pub(super) fn new(guardrail: Guardrail, message: impl Into<String>) -> Self {
        Self { guardrail, message: message.into() }
    }

    /// What the client is told.
    pub fn to_refusal(&self) -> Refusal {
        let message = format!("Access Denied: {} (guardrail {}).", self.message, self.guardrail);
        Refusal::new(ErrorCode::AccessDenied, message)
    }
}

/// Headers that the proxy adds or replaces on its own account: no grant of the client's is asked about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Additions(Vec<(HeaderName, HeaderValue)>);

impl Additions {
    pub(super) fn push(&mut self, name: &'static str, value: &str) -> Result<(), InvalidAddition> {
        let value = HeaderValue::from_str(value).map_err(|_| InvalidAddition)?;
        self.0.push((HeaderName::from_static(name), value));
        Ok(())
    }

    /// The headers, each of which takes the place of any of its name.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

/// A value of the configuration that no header can carry; the configuration's reader lets none pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct InvalidAddition;

impl From<InvalidAddition> for Breach {
    fn from(InvalidAddition: InvalidAddition) -> Self {
        Self::new(Guardrail::Encryption, "a header cannot carry what the guardrail adds")
    }
}

const ACL_ACTIONS: ActionSet = ActionSet::of(&[
    Action::PutBucketAcl,
    Action::PutBucketOwnershipControls,
    Action::PutObjectAcl,
    Action::PutObjectVersionAcl,
]);
const PUBLIC_ACTIONS: ActionSet = ActionSet::of(&[
    Action::DeleteBucketPolicy,
    Action::PutBucketCORS,
    Action::PutBucketPolicy,
    Action::PutBucketPublicAccessBlock,
    Action::PutBucketWebsite,
]);

impl Guardrails {
    /// The actions that are refused to everybody, by guardrail.
    pub fn refused_actions(&self) -> [(Guardrail, ActionSet); 4] {
        let of = |stance, set| if stance == Stance::Deny { set } else { ActionSet::default() };
        [
            (Guardrail::Acl, of(self.acl, ACL_ACTIONS)),
            (Guardrail::PublicAccess, of(self.public_access, PUBLIC_ACTIONS)),
            (Guardrail::Encryption, self.encryption.refused_actions()),
            (Guardrail::ObjectLock, self.object_lock.refused_actions()),
        ]
    }

    /// Checks a request of which everything is known. Its headers are those that were classified.
    pub fn check(&self, asked: &Asked, headers: &HeaderMap, now: SystemTime) -> Result<Additions, Breach> {
        self.check_actions(asked, headers)?;
        if self.public_access == Stance::Deny && headers.contains_key("x-amz-website-redirect-location") {
            let message = "website redirects are not accepted; leave out x-amz-website-redirect-location";
            return Err(Breach::new(Guardrail::PublicAccess, message));
        }
        let mut additions = Additions::default();
        self.encryption.check(asked.operation(), headers, &mut additions)?;
        self.object_lock.check(asked, OffsetDateTime::from(now), &mut additions)?;
        Ok(additions)
    }

    fn check_actions(&self, asked: &Asked, headers: &HeaderMap) -> Result<(), Breach> {
        for (guardrail, refused) in self.refused_actions() {
            let breaks = |action| refused.contains(action) && !tightens(asked.operation(), action, headers);
            if let Some(access) = asked.accesses().iter().find(|access| breaks(access.action)) {
                return Err(Breach::new(guardrail, what_is_refused(guardrail, access.action, headers)));
            }
        }
        Ok(())
    }
}

/// Requests that take away what the guardrail is about, although their action could also give it.
fn tightens(operation: Operation, action: Action, headers: &HeaderMap) -> bool {
    match operation {
        Operation::DeleteBucketCors => action == Action::PutBucketCORS,
        Operation::CreateBucket => {
            action == Action::PutBucketOwnershipControls
                && headers.get("x-amz-object-ownership").is_some_and(|value| value == "BucketOwnerEnforced")
        }
        _ => false,
    }
}

fn what_is_refused(guardrail: Guardrail, action: Action, headers: &HeaderMap) -> String {
    if guardrail == Guardrail::Acl
        && let Some(name) = ACL_HEADERS.iter().find(|&&name| headers.contains_key(name))
    {
        return format!("ACLs are not accepted; leave out {name}");
    }
    format!("{action} is refused to everybody")
}

/// As S3 wants dates in headers.
pub(super) fn date(at: OffsetDateTime) -> String {
    // Every date of this era has the form.
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests;
