//! Finds the grants that concern an identity without asking each of them: most name their identities in full.

use std::collections::HashMap;

use super::grant::Grant;
use super::pattern::IdentityPattern;
use crate::identity::ClientIdentity;

/// Which of a list of grants are for whom. Grants are known by their position.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    /// Those that name everyone in full, by each name in the notation of the configuration.
    named: HashMap<String, Vec<usize>>,
    /// The others, with a wildcard in a name.
    patterned: Vec<usize>,
}

impl Roster {
    pub(super) fn new(grants: &[Grant]) -> Self {
        let mut roster = Self::default();
        for (position, grant) in grants.iter().enumerate() {
            let names: Option<Vec<String>> = grant.identities.iter().map(IdentityPattern::literal).collect();
            let Some(names) = names else {
                roster.patterned.push(position);
                continue;
            };
            for name in names {
                roster.named.entry(name).or_default().push(position);
            }
        }
        roster
    }

    /// The grants of which a pattern matches the identity, in their order; `grants` are those of the roster.
    pub(super) fn concerning<'g>(&self, grants: &'g [Grant], identity: &ClientIdentity) -> Vec<&'g Grant> {
        let matches =
            |position: &&usize| grants[**position].identities.iter().any(|pattern| pattern.matches(identity));
        let names = identity.names();
        let named = names.iter().filter_map(|name| self.named.get(name)).flatten();
        let mut positions: Vec<usize> = named.chain(self.patterned.iter().filter(matches)).copied().collect();
        positions.sort_unstable();
        positions.dedup();
        positions.into_iter().map(|position| &grants[position]).collect()
    }

    /// The positions, in order, of all grants that may have a pattern that covers this one.
    pub(super) fn covering(&self, pattern: &IdentityPattern) -> Vec<usize> {
        let named = pattern.literal().and_then(|name| self.named.get(&name));
        let mut positions: Vec<usize> = named.into_iter().flatten().chain(&self.patterned).copied().collect();
        positions.sort_unstable();
        positions.dedup();
        positions
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::grant::Effect;
    use super::*;

    fn grant(position: usize, identities: &[String]) -> Grant {
        Grant {
            name: position.to_string().into(),
            effect: Effect::Allow,
            identities: identities.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            buckets: vec!["data".parse().unwrap()],
            prefixes: None,
            role: None,
            actions: vec!["s3:GetObject".parse().unwrap()],
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_asking_every_grant_finds(
            patterns in proptest::collection::vec(
                proptest::collection::vec("spiffe://td/[ab*]{1,2}|dns:[aB*]\\.[ab]\\.?|cn:[aA*]{1,2}", 1..3),
                0..12,
            ),
            spiffe in proptest::option::of("spiffe://td/[ab]{1,2}"),
            dns in proptest::collection::vec("[aAb]\\.[ab]", 0..3),
            common_name in "[aA*]{1,2}",
        ) {
            let grants: Vec<Grant> = patterns.iter().enumerate().map(|(i, all)| grant(i, all)).collect();
            let spiffe: Vec<&str> = spiffe.iter().map(String::as_str).collect();
            let dns: Vec<&str> = dns.iter().map(String::as_str).collect();
            let identity = ClientIdentity::new(&spiffe, &dns, Some(&common_name)).unwrap();
            let roster = Roster::new(&grants);
            let names = |all: Vec<&Grant>| all.iter().map(|grant| grant.name.clone()).collect::<Vec<_>>();
            let asked = grants.iter().filter(|grant| grant.identities.iter().any(|p| p.matches(&identity)));
            prop_assert_eq!(names(roster.concerning(&grants, &identity)), names(asked.collect()));
            for inner in grants.iter().flat_map(|grant| &grant.identities) {
                let found = roster.covering(inner);
                for (position, outer) in grants.iter().enumerate() {
                    let covers = outer.identities.iter().any(|pattern| pattern.covers(inner));
                    prop_assert!(!covers || found.contains(&position), "{} covers {}", outer.name, inner);
                }
            }
        }
    }
}
