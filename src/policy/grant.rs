//! Grants as the configuration states them, and the policy that they make up.

use std::sync::Arc;

use super::decide::{Entitlements, Rule};
use super::guardrails::Guardrails;
use super::pattern::{ActionPattern, BucketPattern, IdentityPattern};
use super::template::PrefixTemplate;
use crate::identity::ClientIdentity;
use crate::s3::{ActionSet, Resource};

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
}

/// All grants and the guardrails before them. Nothing granted is refused.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    grants: Vec<Grant>,
    guardrails: Guardrails,
}

impl Policy {
    /// Takes the grants; their order does not matter.
    pub fn new(grants: Vec<Grant>) -> Self {
        Self { grants, guardrails: Guardrails::default() }
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

    /// What concerns one identity, with its variables filled in.
    pub fn entitle(&self, identity: &ClientIdentity) -> Entitlements {
        let concerns = |grant: &&Grant| grant.identities.iter().any(|pattern| pattern.matches(identity));
        Entitlements::new(
            self.grants.iter().filter(concerns).filter_map(|grant| rule(grant, identity)).collect(),
        )
    }
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
    Some(Rule {
        name: grant.name.clone(),
        effect: grant.effect,
        buckets: grant.buckets.clone(),
        prefixes,
        actions: grant.action_set(),
    })
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
