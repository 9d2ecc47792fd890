//! Grants in words: the smallest that give some accesses, ready to paste into the configuration.

use std::collections::BTreeMap;
use std::fmt;

use crate::identity::ClientIdentity;
use crate::s3::{Access, Action, Scope};

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suggestion {
    name: String,
    identities: Vec<String>,
    bucket: String,
    prefixes: Option<Vec<String>>,
    actions: Vec<Action>,
}

/// What a grant of these accesses is keyed by: bucket and prefix; `None` for the bucket as a whole.
pub(super) type Place = (String, Option<String>);

/// Where an access takes place.
pub(super) fn place(access: &Access) -> Place {
    match &access.scope {
        Scope::Service => ("*".to_owned(), None),
        Scope::Bucket(bucket) => (bucket.to_string(), None),
        Scope::Prefix(bucket, prefix) => (bucket.to_string(), expressible(prefix.as_str())),
        Scope::Object(bucket, key) => (bucket.to_string(), expressible(key.as_str())),
    }
}

/// The part of a key that a prefix can say: `*` and `${` mean something else there. Nothing left is the whole bucket.
fn expressible(key: &str) -> Option<String> {
    let end = ["*", "${"].iter().filter_map(|mark| key.find(mark)).min().unwrap_or(key.len());
    Some(&key[..end]).filter(|prefix| !prefix.is_empty()).map(str::to_owned)
}

/// The smallest grants that give one identity these accesses.
pub(super) fn grants(identity: &ClientIdentity, accesses: &[&Access]) -> Vec<Suggestion> {
    let mut places: BTreeMap<Place, Vec<Action>> = BTreeMap::new();
    for access in accesses {
        places.entry(place(access)).or_default().push(access.action);
    }
    merge(places).map(|merged| merged.of(vec![identity.to_string()])).collect()
}

/// A grant without its identities.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merged {
    bucket: String,
    prefixes: Option<Vec<String>>,
    actions: Vec<Action>,
}

/// Prefixes of one bucket that need the same actions share a grant.
pub(super) fn merge(places: BTreeMap<Place, Vec<Action>>) -> impl Iterator<Item = Merged> {
    let mut merged: BTreeMap<(String, bool, Vec<Action>), Vec<String>> = BTreeMap::new();
    for ((bucket, prefix), mut actions) in places {
        actions.sort_unstable();
        actions.dedup();
        merged.entry((bucket, prefix.is_some(), actions)).or_default().extend(prefix);
    }
    merged.into_iter().map(|((bucket, confined, actions), prefixes)| Merged {
        bucket,
        prefixes: confined.then_some(prefixes),
        actions,
    })
}

impl Merged {
    pub(super) fn of(self, identities: Vec<String>) -> Suggestion {
        let Self { bucket, prefixes, actions } = self;
        let who = identities.first().and_then(|name| name.rsplit(['/', ':']).next()).unwrap_or_default();
        let does = actions.first().map_or("nothing", |action| action.as_str().trim_start_matches("s3:"));
        let on = if bucket == "*" { "every-bucket" } else { &bucket };
        Suggestion { name: format!("{who}-{does}-{on}"), identities, bucket, prefixes, actions }
    }
}

/// Names that are all different and none of those taken.
pub(super) fn name_apart(suggestions: &mut [Suggestion], taken: &[&str]) {
    for i in 0..suggestions.len() {
        let plain = suggestions[i].name.clone();
        let mut number = 1;
        while taken.contains(&suggestions[i].name.as_str())
            || suggestions[..i].iter().any(|other| other.name == suggestions[i].name)
        {
            number += 1;
            suggestions[i].name = format!("{plain}-{number}");
        }
    }
}

/// A JSON string, which is YAML too, whatever the text.
fn quoted(text: impl fmt::Display) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    format!("[{}]", items.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// An entry of `grants`.
impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  - name: {}", quoted(&self.name))?;
        writeln!(f, "    identities: {}", list(&self.identities))?;
        writeln!(f, "    buckets: {}", list([&self.bucket]))?;
        if let Some(prefixes) = &self.prefixes {
            writeln!(f, "    prefixes: {}", list(prefixes))?;
        }
        writeln!(f, "    actions: {}", list(&self.actions))
    }
}
