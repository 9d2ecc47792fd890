//! Grants as the configuration states them, and the policy that they make up.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decide::{Entitlements, Rule};
use super::guardrails::Guardrails;
use super::pattern::{ActionPattern, BucketPattern, IdentityPattern};
use super::role::RoleArn;
use super::roster::Roster;
use super::session::{self, Width};
use super::template::PrefixTemplate;
use crate::identity::ClientIdentity;
use crate::s3::{Action, ActionSet, KeyPrefix, Resource};

/// Whether a grant gives or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Gives what it names.
    Allow,
    /// Takes what it names, whatever else gives it.
    Deny,
}

/// One entry of `grants`.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Its name in logs; unique.
    pub name: Arc<str>,
    /// Gives or takes.
    pub effect: Effect,
    /// For whom; one of them has to match.
    pub identities: Vec<IdentityPattern>,
    /// In which buckets; one of them has to match.
    pub buckets: Vec<BucketPattern>,
    /// Below which key prefixes; `None` is the whole bucket, with its settings.
    pub prefixes: Option<Vec<PrefixTemplate>>,
    /// Which actions.
    pub actions: Vec<ActionPattern>,
    /// The role that the proxy acts as for it; `None` is the configured one.
    pub role: Option<RoleArn>,
}

/// All grants and the guardrails before them. Nothing granted is refused.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    grants: Vec<Grant>,
    roster: Roster,
    guardrails: Guardrails,
}

impl Policy {
    /// Takes the grants; their order does not matter.
    pub fn new(grants: Vec<Grant>) -> Self {
        Self { roster: Roster::new(&grants), grants, guardrails: Guardrails::default() }
    }

    /// The same grants behind other guardrails.
    #[must_use]
    pub fn behind(self, guardrails: Guardrails) -> Self {
        Self { guardrails, ..self }
    }

    /// What nobody may do.
    pub fn guardrails(&self) -> &Guardrails {
        &self.guardrails
    }

    /// The grants, in the order of the configuration.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// The positions, in order, of all grants that may lie around this one as to identities.
    pub(super) fn around(&self, grant: &Grant) -> Vec<usize> {
        // All of its patterns have to be covered, so one is enough to find them.
        grant.identities.first().map_or_else(Vec::new, |pattern| self.roster.covering(pattern))
    }

    /// What concerns one identity, with its variables filled in.
    pub fn entitle(&self, identity: &ClientIdentity) -> Entitlements {
        self.entitlements(
            self.roster
                .concerning(&self.grants, identity)
                .into_iter()
                .filter_map(|grant| rule(grant, identity))
                .collect(),
        )
    }

    /// What all identities together may do, as far as a role of them all can say it: what is denied to some is left
    /// out, and a prefix ends in front of its first variable.
    pub fn entitle_everyone(&self) -> Entitlements {
        let heads =
            |templates: &Vec<PrefixTemplate>| templates.iter().map(PrefixTemplate::literal_head).collect();
        self.entitlements(
            self.allowing().map(|grant| narrowed(grant, grant.prefixes.as_ref().map(heads))).collect(),
        )
    }

    fn entitlements(&self, mut rules: Vec<Rule>) -> Entitlements {
        if self.guardrails.object_lock.adds_retention() {
            rules.iter_mut().for_each(admit_retention);
        }
        Entitlements::new(rules)
    }
}

/// For policies of IAM alone: where an object may be put, the proxy itself may add a retention to it.
fn admit_retention(rule: &mut Rule) {
    if rule.effect == Effect::Allow && rule.actions.contains(Action::PutObject) {
        rule.actions_as_written.extend(Action::PutObjectRetention.as_str().parse::<ActionPattern>());
    }
}

/// Grants that sessions of client identities cannot express.
impl Policy {
    /// What stands in the way of a session policy, whoever the client may be.
    pub fn session_problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.allowing().flat_map(unexpressible).collect();
        let patterns: BTreeSet<String> =
            self.allowing().flat_map(|grant| grant.identities.iter().map(ToString::to_string)).collect();
        for pattern in patterns {
            let named = |grant: &&Grant| grant.identities.iter().any(|other| other.to_string() == pattern);
            let grants: Vec<&Grant> = self.allowing().filter(named).collect();
            let roles: BTreeSet<Option<&RoleArn>> = grants.iter().map(|grant| grant.role.as_ref()).collect();
            for role in roles {
                let of_role: Vec<&Grant> =
                    grants.iter().copied().filter(|grant| grant.role.as_ref() == role).collect();
                problems.extend(too_long(&pattern, &of_role));
            }
        }
        problems
    }

    fn allowing(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(|grant| grant.effect == Effect::Allow)
    }
}

fn unexpressible(grant: &Grant) -> Vec<String> {
    let inner = grant.buckets.iter().filter(|bucket| !session::ends_in_wildcard(bucket));
    let problem = |bucket: &BucketPattern| {
        format!(
            "grant '{}': with sessions per identity a '*' stands at the end of a bucket's name: in IAM, '{bucket}' would \
             reach into keys of other buckets",
            grant.name
        )
    };
    inner.map(problem).collect()
}

/// Whoever has these grants needs at least a policy of this length.
fn too_long(pattern: &str, grants: &[&Grant]) -> Option<String> {
    let rules: Vec<Rule> =
        grants.iter().map(|grant| narrowed(grant, grant.prefixes.as_ref().map(|_| Vec::new()))).collect();
    let rules: Vec<&Rule> = rules.iter().collect();
    let length = session::document("aws", &rules, &[], Width::Buckets).len();
    let names: Vec<&str> = grants.iter().map(|grant| &*grant.name).collect();
    (length > session::MAX_POLICY).then(|| {
        format!(
            "the grants for '{pattern}' ({}) need a session policy of {length} characters even without prefixes, and STS \
             takes {}: name fewer buckets and actions, or give some of the grants a 'role_arn' of their own",
            names.join(", "),
            session::MAX_POLICY
        )
    })
}

fn rule(grant: &Grant, identity: &ClientIdentity) -> Option<Rule> {
    let prefixes = match &grant.prefixes {
        None => None,
        Some(templates) => {
            let expanded: Vec<_> =
                templates.iter().flat_map(|t| t.expand(identity, &grant.identities)).collect();
            if expanded.is_empty() {
                return None;
            }
            Some(expanded)
        }
    };
    Some(narrowed(grant, prefixes))
}

fn narrowed(grant: &Grant, prefixes: Option<Vec<KeyPrefix>>) -> Rule {
    Rule {
        name: grant.name.clone(),
        effect: grant.effect,
        buckets: grant.buckets.clone(),
        prefixes,
        actions: grant.action_set(),
        actions_as_written: grant.actions.clone(),
        role: grant.role.clone(),
    }
}

impl Grant {
    /// The actions of all patterns.
    pub fn action_set(&self) -> ActionSet {
        self.actions.iter().fold(ActionSet::default(), |set, pattern| set.union(pattern.set()))
    }

    /// The actions that the grant's prefixes leave: those on keys and on lists of keys.
    pub fn effective_actions(&self) -> ActionSet {
        let set = self.action_set();
        if self.prefixes.is_none() { set } else { set.intersection(on_keys()) }
    }
}

/// Actions on objects, and on the lists that have a prefix.
pub(super) fn on_keys() -> ActionSet {
    use crate::s3::Action::{ListBucket, ListBucketMultipartUploads, ListBucketVersions};
    let lists = ActionSet::of(&[ListBucket, ListBucketMultipartUploads, ListBucketVersions]);
    ActionSet::filter(|action| action.resource() == Resource::Object).union(lists)
}
