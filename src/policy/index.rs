//! Finds the rules that may speak of a bucket and a key, so that a decision costs the same however many grants there are.
//!
//! An index only narrows down: it leaves out no rule that applies, and whether one does, the rule itself says. Where
//! several apply it is the first in the order of the configuration, as if all of them had been asked in turn.

use std::collections::HashMap;

use super::decide::Rule;
use super::pattern::BucketPattern;
use crate::s3::{Access, BucketName, Scope};

/// Which of a list of rules concern what. Rules are known by their position.
#[derive(Debug, Default)]
pub(super) struct Index {
    buckets: HashMap<String, Listed>,
    /// Those with a wildcard in a bucket's name, or of more places than are worth listing.
    others: Vec<usize>,
}

/// The rules for one bucket.
#[derive(Debug, Default)]
struct Listed {
    /// Those without prefixes.
    whole: Vec<usize>,
    prefixes: HashMap<String, Vec<usize>>,
    /// The lengths of the prefixes, each once.
    lengths: Vec<usize>,
}

/// Buckets times prefixes of one rule, against a configuration that would multiply in memory.
const MOST_PLACES: usize = 4096;

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (position, rule) in rules.iter().enumerate() {
            let literals: Option<Vec<&str>> = rule.buckets.iter().map(BucketPattern::literal).collect();
            let places = rule.buckets.len() * rule.prefixes.as_ref().map_or(1, Vec::len);
            match literals.filter(|_| places <= MOST_PLACES) {
                None => index.others.push(position),
                Some(buckets) => {
                    for bucket in buckets {
                        index.buckets.entry(bucket.to_owned()).or_default().add(position, rule);
                    }
                }
            }
        }
        index
    }

    /// The first rule that applies to an access within one bucket; `rules` are those of the index. Of an access to a list
    /// of keys only the rules that lie at or above its prefix are asked.
    pub(super) fn first<'r>(
        &self,
        rules: &'r [Rule],
        access: &Access,
        applies: impl Fn(&Rule, &Access) -> bool,
    ) -> Option<&'r Rule> {
        let (bucket, key) = place(access)?;
        let listed = self.buckets.get(bucket.as_str());
        let whole = listed.map(|listed| &listed.whole);
        let prefixed = listed.into_iter().flat_map(|listed| listed.at_or_above(key));
        let applying =
            |all: &Vec<usize>| all.iter().copied().find(|&position| applies(&rules[position], access));
        let lists = whole.into_iter().chain(prefixed).chain([&self.others]);
        lists.filter_map(applying).min().map(|position| &rules[position])
    }
}

/// The bucket, and the text that the prefixes of a rule have to start; none for the bucket itself.
fn place(access: &Access) -> Option<(&BucketName, &str)> {
    match &access.scope {
        Scope::Service => None,
        Scope::Bucket(bucket) => Some((bucket, "")),
        Scope::Prefix(bucket, prefix) => Some((bucket, prefix.as_str())),
        Scope::Object(bucket, key) => Some((bucket, key.as_str())),
    }
}

impl Listed {
    fn add(&mut self, position: usize, rule: &Rule) {
        let Some(prefixes) = &rule.prefixes else { return self.whole.push(position) };
        for prefix in prefixes {
            let prefix = prefix.as_str();
            if let Err(at) = self.lengths.binary_search(&prefix.len()) {
                self.lengths.insert(at, prefix.len());
            }
            self.prefixes.entry(prefix.to_owned()).or_default().push(position);
        }
    }

    /// The rules of each prefix that the key starts with.
    fn at_or_above(&self, key: &str) -> impl Iterator<Item = &Vec<usize>> {
        // A prefix is whole characters, so one that ends within a character of the key is none of its.
        let starts = self.lengths.iter().map_while(move |&length| (length <= key.len()).then_some(length));
        starts.filter_map(move |length| self.prefixes.get(key.get(..length)?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::grant::Effect;
    use super::*;
    use crate::s3::{Action, ActionSet, KeyPrefix};

    /// Few letters, so that most things meet.
    fn prefix() -> impl Strategy<Value = String> {
        "[aé/]{0,4}"
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let buckets = proptest::collection::vec("aa[ab]|a\\*|\\*|b\\*b|bbb", 1..3);
        let prefixes = proptest::option::of(proptest::collection::vec(prefix(), 1..4));
        (buckets, prefixes, any::<bool>()).prop_map(|(buckets, prefixes, reads)| Rule {
            name: Arc::from("r"),
            effect: Effect::Allow,
            buckets: buckets.iter().map(|bucket| bucket.parse().unwrap()).collect(),
            prefixes: prefixes.map(|all| all.iter().map(|prefix| KeyPrefix::new(prefix)).collect()),
            actions: ActionSet::of(if reads {
                &[Action::GetObject, Action::ListBucket]
            } else {
                Action::ALL
            }),
            actions_as_written: Vec::new(),
            role: None,
        })
    }

    fn access() -> impl Strategy<Value = Access> {
        let bucket = "aa[abc]|bbb|bab".prop_map(|name| name.parse::<BucketName>().unwrap());
        (bucket, prefix(), 0..3).prop_map(|(bucket, text, kind)| match (kind, text.parse()) {
            (0, Ok(key)) => Access::on_object(Action::GetObject, &bucket, &key, None),
            (1, _) => Access::new(Action::ListBucket, Scope::Prefix(bucket, KeyPrefix::new(&text))),
            _ => Access::in_bucket(Action::ListBucket, &bucket),
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_asking_every_rule_finds(
            rules in proptest::collection::vec(rule(), 0..12),
            accesses in proptest::collection::vec(access(), 1..20),
        ) {
            let index = Index::new(&rules);
            for access in &accesses {
                let naive = rules.iter().position(|rule| rule.covers(access));
                let found = index.first(&rules, access, Rule::covers);
                let found = found.and_then(|found| rules.iter().position(|rule| std::ptr::eq(rule, found)));
                prop_assert_eq!(found, naive, "{}", access);
                if !matches!(access.scope, Scope::Prefix(..)) {
                    let naive = rules.iter().position(|rule| rule.touches(access));
                    let found = index.first(&rules, access, Rule::touches);
                    prop_assert_eq!(found.is_some(), naive.is_some(), "{}", access);
                }
            }
        }
    }
}
