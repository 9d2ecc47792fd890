//! Grants as the configuration states them, and the policy that they make up.

use std::sync::Arc;

use super::decide::{Entitlements, Rule};
use super::pattern::{ActionPattern, BucketPattern, IdentityPattern};
use super::template::PrefixTemplate;
use crate::identity::ClientIdentity;
use crate::s3::{Action, ActionSet};

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

/// All grants. Nothing granted is refused.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    grants: Vec<Grant>,
}

impl Policy {
    /// Takes the grants; their order does not matter.
    pub fn new(grants: Vec<Grant>) -> Self {
        Self { grants }
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
        actions: grant.actions.iter().fold(ActionSet::default(), |set, pattern| set.union(pattern.set())),
    })
}

impl Grant {
    /// Exact actions that this grant can never give, because its prefixes confine it to keys and lists.
    pub fn idle_actions(&self) -> impl Iterator<Item = &ActionPattern> {
        let confined = self.prefixes.is_some();
        let on_keys = |action: Action| {
            let name = action.as_str();
            name.contains("Object") && !name.contains("Bucket")
                || matches!(
                    action,
                    Action::AbortMultipartUpload
                        | Action::BypassGovernanceRetention
                        | Action::ListMultipartUploadParts
                        | Action::ListBucket
                        | Action::ListBucketVersions
                        | Action::ListBucketMultipartUploads
                        | Action::InitiateReplication
                        | Action::ReplicateDelete
                        | Action::ReplicateTags
                )
        };
        self.actions
            .iter()
            .filter(move |p| confined && Action::ALL.iter().all(|&a| !p.set().contains(a) || !on_keys(a)))
    }
}
