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
    /// The configuration's reader lets no value pass that a header could not carry; should one ever, the guardrail
    /// that wanted it refuses.
    pub(super) fn push(
        &mut self,
        guardrail: Guardrail,
        name: &'static str,
        value: &str,
    ) -> Result<(), Breach> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Breach::new(guardrail, format!("'{name}' cannot carry what has to be added")))?;
        self.0.push((HeaderName::from_static(name), value));
        Ok(())
    }

    /// The headers, each of which takes the place of any of its name.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

static OWNERSHIP: HeaderName = HeaderName::from_static("x-amz-object-ownership");
static WEBSITE_REDIRECT: HeaderName = HeaderName::from_static("x-amz-website-redirect-location");

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

    /// The guardrail that refuses an action of an operation to everybody.
    pub fn refusing(&self, operation: Operation, action: Action) -> Option<Guardrail> {
        let refused =
            |(_, set): &(Guardrail, ActionSet)| set.contains(action) && !tightens(operation, action);
        self.refused_actions().into_iter().find(refused).map(|(guardrail, _)| guardrail)
    }

    /// Checks a request of which everything is known. Its headers are those that were classified.
    pub fn check(&self, asked: &Asked, headers: &HeaderMap, now: SystemTime) -> Result<Additions, Breach> {
        self.check_actions(asked.operation(), asked.accesses().iter().map(|access| access.action), headers)?;
        let ownership = headers.get(&OWNERSHIP);
        if self.acl == Stance::Deny && ownership.is_some_and(|value| value != "BucketOwnerEnforced") {
            let message = "x-amz-object-ownership must be BucketOwnerEnforced, which has no ACLs";
            return Err(Breach::new(Guardrail::Acl, message));
        }
        if self.public_access == Stance::Deny && headers.contains_key(&WEBSITE_REDIRECT) {
            let message = "website redirects are not accepted; leave out x-amz-website-redirect-location";
            return Err(Breach::new(Guardrail::PublicAccess, message));
        }
        let mut additions = Additions::default();
        self.encryption.check(asked.operation(), headers, &mut additions)?;
        self.object_lock.check(asked, OffsetDateTime::from(now), &mut additions)?;
        Ok(additions)
    }

    /// Checks the actions of a request, of which not everything need be known yet.
    pub(super) fn check_actions(
        &self,
        operation: Operation,
        actions: impl IntoIterator<Item = Action>,
        headers: &HeaderMap,
    ) -> Result<(), Breach> {
        for action in actions {
            if let Some(guardrail) = self.refusing(operation, action) {
                return Err(Breach::new(guardrail, what_is_refused(guardrail, action, headers)));
            }
        }
        Ok(())
    }
}

/// Actions with which one can also take away what their guardrail is about.
pub(super) const TIGHTENING: ActionSet = ActionSet::of(&[
    Action::PutBucketCORS,
    Action::PutBucketObjectLockConfiguration,
    Action::PutBucketOwnershipControls,
    Action::PutLifecycleConfiguration,
]);

/// Requests that do: a deletion of the setting, or a new bucket that has it from the start.
fn tightens(operation: Operation, action: Action) -> bool {
    let tightened = match operation {
        Operation::DeleteBucketCors => ActionSet::of(&[Action::PutBucketCORS]),
        Operation::DeleteBucketLifecycle => ActionSet::of(&[Action::PutLifecycleConfiguration]),
        // Which ownership it is to have is looked at besides.
        Operation::CreateBucket => {
            ActionSet::of(&[Action::PutBucketObjectLockConfiguration, Action::PutBucketOwnershipControls])
        }
        _ => ActionSet::default(),
    };
    tightened.contains(action)
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
