//! The decision: every access of a request against the rules of one identity. Deny wins; nothing granted is refused.

use std::sync::Arc;

use super::grant::Effect;
use super::index::Index;
use super::pattern::{ActionPattern, BucketPattern};
use super::role::RoleArn;
use super::session::{Acting, Personas, SeveralRoles};
use crate::s3::{
    Access, Action, ActionSet, Asked, BucketName, ErrorCode, KeyPrefix, Necessity, Refusal, Resource, Scope,
    Target, Unread,
};

/// One grant, narrowed to one identity.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    pub(super) effect: Effect,
    pub(super) buckets: Vec<BucketPattern>,
    pub(super) prefixes: Option<Vec<KeyPrefix>>,
    pub(super) actions: ActionSet,
    /// The same, in the words of the configuration, and what session policies have to admit besides.
    pub(super) actions_as_written: Vec<ActionPattern>,
    pub(super) role: Option<RoleArn>,
}

/// What one identity may do.
#[derive(Debug, Clone, Default)]
pub struct Entitlements {
    pub(super) allow: Arc<[Rule]>,
    pub(super) deny: Arc<[Rule]>,
    /// The allowing and the denying rules by what they speak of.
    indices: Arc<[Index; 2]>,
    personas: Arc<Personas>,
    /// Whether no grant names a role of its own, as is common.
    one_role: bool,
}

/// A request that was allowed. Only [`Entitlements::authorize`] makes one, so nothing else can be forwarded.
#[derive(Debug)]
pub struct Permitted {
    asked: Asked,
    grant: Arc<str>,
    acting: Acting,
}

impl Permitted {
    /// The request.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The grant that allowed its first access.
    pub fn grant(&self) -> &Arc<str> {
        &self.grant
    }

    /// As whom it is signed, when sessions are per identity.
    pub fn acting(&self) -> &Acting {
        &self.acting
    }
}

/// A request that was not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{access} is not allowed")]
pub struct Denial {
    /// The first access that no grant allows, or that one denies.
    pub access: Access,
    /// The denying grant; `None` when simply nothing allows it.
    pub denied_by: Option<Arc<str>>,
}

impl Denial {
    /// What the client is told: what to ask for, and nothing about who else may do what.
    pub fn to_refusal(&self) -> Refusal {
        let why = if self.denied_by.is_some() { "a grant denies it" } else { "no grant allows it" };
        let message = format!(
            "Access Denied: {} ({why}). Ask the administrator of this proxy for a grant.",
            self.access
        );
        Refusal::new(ErrorCode::AccessDenied, message)
    }
}

impl Entitlements {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let (deny, allow): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| rule.effect == Effect::Deny);
        let one_role = allow.iter().all(|rule| rule.role.is_none());
        let indices = Arc::new([Index::new(&allow), Index::new(&deny)]);
        Self { allow: allow.into(), deny: deny.into(), indices, personas: Arc::default(), one_role }
    }

    /// Whether no grant concerns the identity, so that every request will be refused.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty()
    }

    /// Checks every access; the first that fails decides.
    pub fn authorize(&self, asked: Asked) -> Result<Permitted, Denial> {
        let mut grant = None;
        for access in asked.accesses() {
            let allowed = self.check(access)?;
            grant = grant.or(allowed);
        }
        match grant.cloned() {
            Some(grant) => {
                let acting = self.acting(asked.accesses());
                Ok(Permitted { asked, grant, acting })
            }
            // No operation is without an access; should one ever be, it is as hard to reach as the whole account.
            None => Err(Denial { access: Access::on_account(Action::ListAllMyBuckets), denied_by: None }),
        }
    }

    /// Whether the request might be allowed, whatever its body says: asked before the body is read.
    pub fn precheck(&self, unread: &Unread) -> Result<(), Denial> {
        for access in unread.accesses() {
            self.check(access)?;
        }
        match unread.target() {
            Target::Bucket(bucket) if unread.accesses().is_empty() => self.may_delete_in(bucket),
            _ => Ok(()),
        }
    }

    /// Whether some delete in the bucket might be allowed.
    fn may_delete_in(&self, bucket: &BucketName) -> Result<(), Denial> {
        let deletes = ActionSet::of(&[Action::DeleteObject, Action::DeleteObjectVersion]);
        if self.allow.iter().any(|rule| rule.actions.intersects(deletes) && rule.names(bucket)) {
            return Ok(());
        }
        Err(Denial { access: Access::in_bucket(Action::DeleteObject, bucket), denied_by: None })
    }

    fn acting(&self, accesses: &[Access]) -> Acting {
        let role = if self.one_role { Ok(None) } else { self.role(accesses) };
        let (allow, deny, personas) = (self.allow.clone(), self.deny.clone(), self.personas.clone());
        Acting { allow, deny, personas, role }
    }

    /// The first role whose grants alone allow every access.
    fn role(&self, accesses: &[Access]) -> Result<Option<RoleArn>, SeveralRoles> {
        let covers = |role: &Option<RoleArn>, access: &Access| {
            self.allow.iter().any(|rule| rule.role == *role && rule.covers(access))
        };
        // What S3 asks for only under circumstances needs no grant, and chooses no role.
        let asked = |access: &&Access| access.necessity != Necessity::Possible;
        let able = |rule: &&Rule| accesses.iter().filter(asked).all(|access| covers(&rule.role, access));
        self.allow.iter().find(able).map(|rule| rule.role.clone()).ok_or(SeveralRoles)
    }

    /// Whether the identity may know of the bucket: something in it is granted, more than to list the account's
    /// buckets, and its listing is not denied.
    pub fn shows(&self, bucket: &BucketName) -> bool {
        let within = ActionSet::filter(|action| action.resource() != Resource::Account);
        let hides = ActionSet::of(&[Action::ListAllMyBuckets, Action::ListBucket]);
        let hidden =
            |rule: &Rule| rule.prefixes.is_none() && rule.actions.intersects(hides) && rule.names(bucket);
        self.allow.iter().any(|rule| rule.actions.intersects(within) && rule.names(bucket))
            && !self.deny.iter().any(hidden)
    }

    /// What the grants say of one access.
    pub fn judge(&self, access: &Access) -> Judgement<'_> {
        if let Some(rule) = self.denying(access) {
            return Judgement::Denied(&rule.name);
        }
        match self.allowing(access) {
            Some(rule) => Judgement::Allowed(&rule.name),
            None if access.necessity == Necessity::Possible => Judgement::Tolerated,
            None => Judgement::NotGranted,
        }
    }

    fn allowing(&self, access: &Access) -> Option<&Rule> {
        match &access.scope {
            Scope::Service => self.allow.iter().find(|rule| rule.covers(access)),
            _ => self.indices[0].first(&self.allow, access, Rule::covers),
        }
    }

    fn denying(&self, access: &Access) -> Option<&Rule> {
        match &access.scope {
            // A list is denied by what lies below its prefix as well.
            Scope::Service | Scope::Prefix(..) => self.deny.iter().find(|rule| rule.touches(access)),
            _ => self.indices[1].first(&self.deny, access, Rule::touches),
        }
    }

    fn check(&self, access: &Access) -> Result<Option<&Arc<str>>, Denial> {
        let denied_by = match self.judge(access) {
            Judgement::Allowed(name) => return Ok(Some(name)),
            Judgement::Tolerated => return Ok(None),
            Judgement::Denied(name) => Some(name.clone()),
            Judgement::NotGranted => None,
        };
        Err(Denial { access: access.clone(), denied_by })
    }
}

/// What the grants say of one access, and which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement<'a> {
    /// A grant gives it.
    Allowed(&'a Arc<str>),
    /// A grant takes it, whatever else gives it.
    Denied(&'a Arc<str>),
    /// Nothing gives it.
    NotGranted,
    /// Nothing gives it, and S3 asks for it only under circumstances that the request does not tell.
    Tolerated,
}

impl Rule {
    pub(super) fn names(&self, bucket: &BucketName) -> bool {
        self.buckets.iter().any(|pattern| pattern.matches(bucket))
    }

    /// As an allow: the access lies wholly within what the rule names.
    pub(super) fn covers(&self, access: &Access) -> bool {
        self.reaches(access, KeyPrefix::covers_prefix)
    }

    /// As a deny: the access reaches into what the rule names. A list above a denied prefix would show its keys.
    pub(super) fn touches(&self, access: &Access) -> bool {
        self.reaches(access, |denied, listed| denied.covers_prefix(listed) || listed.covers_prefix(denied))
    }

    /// `list` judges a prefix of the rule against the prefix of a list.
    fn reaches(&self, access: &Access, list: impl Fn(&KeyPrefix, &KeyPrefix) -> bool) -> bool {
        let prefixes = self.prefixes.as_deref();
        self.actions.contains(access.action)
            && match &access.scope {
                // The account's list of buckets: only a rule for every bucket speaks of it.
                Scope::Service => prefixes.is_none() && self.buckets.iter().any(BucketPattern::is_any),
                Scope::Bucket(bucket) => prefixes.is_none() && self.names(bucket),
                Scope::Prefix(bucket, listed) => {
                    self.names(bucket)
                        && prefixes.is_none_or(|all| all.iter().any(|prefix| list(prefix, listed)))
                }
                Scope::Object(bucket, key) => {
                    self.names(bucket)
                        && prefixes.is_none_or(|all| all.iter().any(|prefix| prefix.covers_key(key)))
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Grant, Policy};
    use crate::s3::{Classified, Domains, classify};

    fn grant(name: &str, effect: Effect, prefixes: Option<&[&str]>, actions: &[&str]) -> Grant {
        Grant {
            name: name.into(),
            effect,
            identities: vec!["spiffe://td/**".parse().unwrap()],
            buckets: vec!["data".parse().unwrap()],
            prefixes: prefixes.map(|all| all.iter().map(|p| p.parse().unwrap()).collect()),
            actions: actions.iter().map(|a| a.parse().unwrap()).collect(),
            role: None,
        }
    }

    fn decide(grants: &[Grant], method: &str, uri: &str) -> Result<String, Option<String>> {
        let entitlements = Policy::new(grants.to_vec()).entitle(&"spiffe://td/w".parse().unwrap());
        let request = http::Request::builder().method(method).uri(uri).header("host", "h").body(()).unwrap();
        let Classified::Whole(asked) = classify(&mut request.into_parts().0, &Domains::default()).unwrap()
        else {
            panic!("{uri} has its keys in the body");
        };
        entitlements
            .authorize(asked)
            .map(|permitted| permitted.grant().to_string())
            .map_err(|denial| denial.denied_by.map(|name| name.to_string()))
    }

    #[test]
    fn prefixes_confine_keys_and_lists_and_exclude_the_bucket_itself() {
        let grants = [grant("daily", Effect::Allow, Some(&["daily/"]), &["s3:Get*", "s3:List*"])];
        let allowed = |uri| decide(&grants, "GET", uri).is_ok();
        assert!(allowed("/data/daily/x"));
        assert!(allowed("/data/daily/../x"), "a key is literal: this one does start with daily/");
        assert!(allowed("/data?prefix=daily/"));
        assert!(allowed("/data?list-type=2&prefix=daily%2F2026"));
        for refused in [
            "/data/Daily/x",
            "/data/dailyx",
            "/data//daily/x",
            "/data",
            "/data?prefix=",
            "/data?prefix=daily",
            "/data?location",
            "/data?versions",
            "/other/daily/x",
            "/",
        ] {
            assert!(!allowed(refused), "{refused}");
        }
    }

    #[test]
    fn deny_wins_and_covers_lists_that_would_show_denied_keys() {
        let grants = [
            grant("all", Effect::Allow, None, &["*"]),
            grant("not-secret", Effect::Deny, Some(&["secret/"]), &["s3:*"]),
        ];
        assert_eq!(decide(&grants, "GET", "/data/open"), Ok("all".into()));
        assert_eq!(decide(&grants, "GET", "/data/secret/x"), Err(Some("not-secret".into())));
        assert_eq!(decide(&grants, "GET", "/data?prefix=secret/x"), Err(Some("not-secret".into())));
        assert_eq!(decide(&grants, "GET", "/data"), Err(Some("not-secret".into())));
        assert_eq!(decide(&grants, "GET", "/data?prefix=open"), Ok("all".into()));
        assert_eq!(decide(&grants, "GET", "/data?location"), Ok("all".into()));
    }

    #[test]
    fn a_version_is_not_the_current_object() {
        let grants = [grant("read", Effect::Allow, None, &["s3:GetObject"])];
        assert!(decide(&grants, "GET", "/data/k").is_ok());
        assert!(decide(&grants, "GET", "/data/k?versionId=1").is_err());
        assert!(decide(&grants, "GET", "/data/k?attributes").is_err());
    }

    #[test]
    fn the_account_is_listed_only_with_a_grant_for_it_and_shows_what_is_granted() {
        let every = |grant: Grant| Grant { buckets: vec!["*".parse().unwrap()], ..grant };
        let list = every(grant("list", Effect::Allow, None, &["s3:ListAllMyBuckets"]));
        let narrow = grant("narrow", Effect::Allow, None, &["s3:*"]);
        let confined = every(grant("confined", Effect::Allow, Some(&["a/"]), &["s3:*"]));
        assert!(decide(&[narrow.clone(), confined], "GET", "/").is_err());
        assert!(decide(std::slice::from_ref(&list), "GET", "/").is_ok());

        let logs = Grant { buckets: vec!["logs-*".parse().unwrap()], ..narrow };
        let mut hidden = grant("hidden", Effect::Deny, None, &["s3:List*"]);
        hidden.buckets = vec!["logs-secret".parse().unwrap()];
        let id = "spiffe://td/w".parse().unwrap();
        let entitlements = Policy::new(vec![list.clone(), logs, hidden.clone()]).entitle(&id);
        let shown = |name: &str| entitlements.shows(&name.parse().unwrap());
        assert!(shown("logs-a"));
        assert!(!shown("logs-secret") && !shown("other"), "to list alone shows nothing");
        assert_eq!(decide(&[list, every(hidden)], "GET", "/"), Err(Some("hidden".into())));
    }

    #[test]
    fn what_a_copy_may_carry_along_must_not_be_denied() {
        let copy = |grants: &[Grant], directive: Option<&str>| {
            let mut request =
                http::Request::put("/data/k").header("host", "h").header("x-amz-copy-source", "data/s");
            if let Some(directive) = directive {
                request = request.header("x-amz-tagging-directive", directive);
            }
            let mut head = request.body(()).unwrap().into_parts().0;
            let Classified::Whole(asked) = classify(&mut head, &Domains::default()).unwrap() else {
                panic!()
            };
            Policy::new(grants.to_vec()).entitle(&"spiffe://td/w".parse().unwrap()).authorize(asked).is_ok()
        };
        let mut grants = vec![grant("rw", Effect::Allow, None, &["s3:GetObject", "s3:PutObject"])];
        assert!(copy(&grants, None) && copy(&grants, Some("REPLACE")));
        assert!(!copy(&grants, Some("COPY")), "who asks for the tags needs their actions");
        grants.push(grant("no-tags", Effect::Deny, None, &["s3:GetObjectTagging"]));
        assert!(!copy(&grants, None) && copy(&grants, Some("REPLACE")));
    }
}
