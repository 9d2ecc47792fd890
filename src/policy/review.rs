//! What a policy's author should look at again: grants that cannot have been meant as they stand.

use super::grant::{Effect, Grant, Policy, on_keys};
use super::guardrails::{Guardrails, TIGHTENING};
use super::pattern::ActionPattern;
use crate::s3::{Action, ActionSet};

/// One warning a line of what is allowed but probably not meant.
pub fn review(policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    for (position, grant) in policy.grants().iter().enumerate() {
        let mut warn = |message: String| warnings.push(format!("grant '{}': {message}", grant.name));
        prefixes(grant, &mut warn);
        actions(grant, policy.guardrails(), &mut warn);
        others(position, policy, &mut warn);
        ways_around(grant, policy.grants(), &mut warn);
    }
    if !policy.grants().iter().any(|grant| grant.effect == Effect::Allow) {
        warnings.push("grants: nothing is granted, so every request will be refused".to_owned());
    }
    warnings
}

fn prefixes(grant: &Grant, warn: &mut impl FnMut(String)) {
    let templates = grant.prefixes.as_deref().unwrap_or_default();
    for prefix in templates.iter().filter(|prefix| prefix.has_open_end()) {
        warn(format!(
            "the prefix '{prefix}' goes on behind a variable without a '/', so one identity's value may be the start \
             of another's"
        ));
    }
    if grant.effect == Effect::Deny && templates.iter().any(super::PrefixTemplate::varies) {
        warn(
            "it denies a prefix with a variable; for an identity without that variable it denies nothing"
                .into(),
        );
    }
    let kubernetes = |pattern: &super::IdentityPattern| {
        pattern.literal_spiffe().is_none_or(|id| id.kubernetes().is_some())
    };
    let needs = !templates.is_empty() && templates.iter().all(super::PrefixTemplate::needs_kubernetes);
    if needs && !grant.identities.iter().any(kubernetes) {
        warn(
            "it never applies: its prefixes need a namespace or service account, and none of its identities has the \
             form spiffe://<trust domain>/ns/<namespace>/sa/<service account>"
                .into(),
        );
    }
}

fn actions(grant: &Grant, guardrails: &Guardrails, warn: &mut impl FnMut(String)) {
    for pattern in idle(grant) {
        warn(format!(
            "{pattern} acts on a whole bucket or account and never applies together with 'prefixes'; put it in a \
             grant of its own"
        ));
    }
    if grant.effect == Effect::Deny {
        return;
    }
    for (guardrail, refused) in guardrails.refused_actions() {
        // A pattern that also gives something else was not meant for these actions alone.
        let refused = refused.without(TIGHTENING);
        for pattern in grant.actions.iter().filter(|pattern| refused.covers(pattern.set())) {
            warn(format!(
                "{pattern} is refused to everybody by the guardrail '{guardrail}', whatever is granted"
            ));
        }
    }
}

/// Patterns of which the grant's prefixes leave nothing.
fn idle(grant: &Grant) -> impl Iterator<Item = &ActionPattern> {
    let confined = grant.prefixes.is_some();
    grant.actions.iter().filter(move |pattern| confined && !pattern.set().intersects(on_keys()))
}

fn others(position: usize, policy: &Policy, warn: &mut impl FnMut(String)) {
    let grant = &policy.grants()[position];
    // Thousands of grants are compared with each other: those of the same identities only, and with what is cheap first.
    let effective = grant.effective_actions();
    for at in policy.around(grant).into_iter().filter(|&at| at != position) {
        let other = &policy.grants()[at];
        let within = lies_within(grant, effective, other);
        match (grant.effect, other.effect) {
            (Effect::Allow, Effect::Deny) if within => {
                warn(format!("it never applies: the grant '{}' denies all of it", other.name));
            }
            // Of two that say the same, the later one is the superfluous one.
            (one, two)
                if one == two
                    && within
                    && (at < position || !lies_within(other, other.effective_actions(), grant)) =>
            {
                warn(format!("it adds nothing: the grant '{}' says all of it", other.name));
            }
            _ => {}
        }
    }
}

/// Actions that reach the same bytes as another: who denies the one has mostly meant both.
const SIBLINGS: [(Action, Action); 4] = [
    (Action::GetObject, Action::GetObjectVersion),
    (Action::GetObject, Action::GetObjectTorrent),
    (Action::DeleteObject, Action::DeleteObjectVersion),
    (Action::ListBucket, Action::ListBucketVersions),
];

/// A denial that leaves another way to the same objects open.
fn ways_around(grant: &Grant, all: &[Grant], warn: &mut impl FnMut(String)) {
    let denied = grant.action_set();
    let shares_a_bucket = |other: &&Grant| {
        grant.buckets.iter().any(|d| other.buckets.iter().any(|a| d.covers(a) || a.covers(d)))
    };
    for (action, sibling) in SIBLINGS {
        if grant.effect == Effect::Allow || !denied.contains(action) || denied.contains(sibling) {
            continue;
        }
        let gives = |other: &&Grant| other.effect == Effect::Allow && other.action_set().contains(sibling);
        if let Some(other) = all.iter().filter(gives).find(shares_a_bucket) {
            warn(format!("it denies {action} and not {sibling}, which the grant '{}' gives", other.name));
        }
    }
}

/// Whether everything that one grant speaks of, of which `effective` are the actions, the other speaks of too.
fn lies_within(inner: &Grant, effective: ActionSet, outer: &Grant) -> bool {
    let prefixes = || match (&inner.prefixes, &outer.prefixes) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.iter().all(|i| outer.iter().any(|o| o.covers(i))),
    };
    let buckets = || inner.buckets.iter().all(|i| outer.buckets.iter().any(|o| o.covers(i)));
    // DNS names that a template takes are bounded by the grant's own patterns.
    let same_names = || {
        inner.identities == outer.identities
            || !outer.prefixes.iter().flatten().any(super::PrefixTemplate::varies)
    };
    let identities = || inner.identities.iter().all(|i| outer.identities.iter().any(|o| o.covers(i)));
    effective != ActionSet::default()
        && prefixes()
        && outer.action_set().covers(effective)
        && buckets()
        && same_names()
        && identities()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{IdentityPattern, PrefixTemplate};

    fn grant(name: &str, identity: &str, prefixes: &[&str], actions: &[&str]) -> Grant {
        let identity: IdentityPattern = identity.parse().unwrap();
        let prefixes: Vec<PrefixTemplate> = prefixes.iter().map(|p| p.parse().unwrap()).collect();
        Grant {
            name: name.into(),
            effect: Effect::Allow,
            identities: vec![identity],
            buckets: vec!["data".parse().unwrap()],
            prefixes: (!prefixes.is_empty()).then_some(prefixes),
            role: None,
            actions: actions.iter().map(|a| a.parse().unwrap()).collect(),
        }
    }

    fn warnings(grants: &[Grant]) -> Vec<String> {
        review(&Policy::new(grants.to_vec()))
    }

    #[test]
    fn overlaps_are_named_once() {
        let wide = grant("wide", "spiffe://td/**", &["a/"], &["s3:Get*"]);
        let narrow = grant("narrow", "spiffe://td/ns/n/sa/*", &["a/b/"], &["s3:GetObject"]);
        let found = warnings(&[narrow.clone(), wide.clone()]);
        assert_eq!(found, ["grant 'narrow': it adds nothing: the grant 'wide' says all of it"]);
        let twin = Grant { name: "twin".into(), ..narrow.clone() };
        assert_eq!(warnings(&[narrow.clone(), twin]).len(), 1);
        let other = Grant { buckets: vec!["other".parse().unwrap()], ..narrow };
        assert!(warnings(&[other, wide]).is_empty());
    }

    #[test]
    fn what_never_applies_is_named() {
        let allow = grant("allow", "spiffe://td/w", &["a/b/"], &["s3:GetObject"]);
        let deny = Grant { effect: Effect::Deny, ..grant("deny", "spiffe://td/*", &["a/"], &["s3:*"]) };
        assert_eq!(
            warnings(&[allow, deny]),
            ["grant 'allow': it never applies: the grant 'deny' denies all of it"]
        );
        let kubernetes = grant("k", "spiffe://td/w", &["${namespace}/"], &["s3:GetObject"]);
        assert!(warnings(&[kubernetes])[0].contains("never applies"));
        let idle = grant("idle", "spiffe://td/w", &["a/"], &["s3:GetBucketPolicy", "s3:GetObject"]);
        assert!(warnings(&[idle])[0].contains("grant of its own"));
    }

    #[test]
    fn a_denial_with_a_way_around_it_is_named() {
        let allow = grant("allow", "spiffe://td/*", &[], &["s3:Get*"]);
        let deny = |actions: &[&str]| Grant {
            effect: Effect::Deny,
            ..grant("deny", "spiffe://td/*", &["a/"], actions)
        };
        let found = warnings(&[allow.clone(), deny(&["s3:GetObject"])]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            found[0],
            "grant 'deny': it denies s3:GetObject and not s3:GetObjectVersion, which the grant 'allow' gives"
        );
        assert!(warnings(&[allow.clone(), deny(&["s3:GetObject*"])]).is_empty());
        let narrow = Grant { actions: vec!["s3:GetObject".parse().unwrap()], ..allow };
        assert!(warnings(&[narrow, deny(&["s3:GetObject"])]).is_empty());
    }

    #[test]
    fn writes_that_a_guardrail_refuses_are_named() {
        let found =
            warnings(&[grant("acl", "spiffe://td/w", &[], &["s3:PutObjectAcl", "s3:*", "s3:Put*Policy"])]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("guardrail 'acl'") && found[1].contains("guardrail 'public_access'"));
    }
}
