//! Grants in words: the smallest that give some accesses, ready to paste into the configuration.
//!
//! A grant names keys by how they start and identities by patterns, so it cannot always say exactly what was meant. Where
//! it gives more, a comment above it says so; what it cannot say at all without opening a bucket is not suggested.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::s3::{Access, Action, Scope};

/// Where an access takes place, as far as a grant can say it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The bucket as a whole; `*` for the account.
    Bucket(String),
    /// Keys of a bucket that start so.
    Keys(String, String),
}

/// Where an access takes place, and what it is called where that says more; `None` where no grant can name it.
pub(super) fn place(access: &Access) -> Result<(Place, Option<String>), String> {
    let (bucket, key) = match &access.scope {
        Scope::Service => return Ok((Place::Bucket("*".to_owned()), None)),
        Scope::Bucket(bucket) => return Ok((Place::Bucket(bucket.to_string()), None)),
        // The list of all keys takes the whole bucket.
        Scope::Prefix(bucket, prefix) if prefix.as_str().is_empty() => {
            return Ok((Place::Bucket(bucket.to_string()), None));
        }
        Scope::Prefix(bucket, prefix) => (bucket, prefix.as_str()),
        Scope::Object(bucket, key) => (bucket, key.as_str()),
    };
    // In a prefix these mean something else.
    let end = ["*", "${"].iter().filter_map(|mark| key.find(mark)).min().unwrap_or(key.len());
    match &key[..end] {
        "" => Err(format!("{} on {bucket}/{}", access.action, key.escape_debug())),
        prefix => {
            let cut = (end < key.len()).then(|| key.escape_debug().to_string());
            Ok((Place::Keys(bucket.to_string(), prefix.to_owned()), cut))
        }
    }
}

/// One grant without its identities.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub(super) bucket: String,
    pub(super) prefixes: Option<Vec<String>>,
    pub(super) actions: Vec<Action>,
    /// What it gives more than was asked for, and why.
    pub(super) wider: Vec<String>,
}

/// The smallest grants that give these accesses, and what none can give.
pub(super) fn shapes<'a>(accesses: impl IntoIterator<Item = &'a Access>) -> (Vec<Shape>, Vec<String>) {
    let mut places: BTreeMap<Place, BTreeSet<Action>> = BTreeMap::new();
    let (mut wider, mut impossible) = (BTreeMap::<Place, BTreeSet<String>>::new(), Vec::new());
    for access in accesses {
        match place(access) {
            Ok((place, cut)) => {
                if let Some(key) = cut {
                    let note = format!("'*' and '${{' in '{key}' cannot be said in a prefix");
                    wider.entry(place.clone()).or_default().insert(note);
                }
                places.entry(place).or_default().insert(access.action);
            }
            Err(what) => impossible.push(what),
        }
    }
    (merge(places, &wider), impossible)
}

/// Prefixes of one bucket that need the same actions share a grant.
pub(super) fn merge(
    places: BTreeMap<Place, BTreeSet<Action>>,
    wider: &BTreeMap<Place, BTreeSet<String>>,
) -> Vec<Shape> {
    /// Bucket, whether by prefix, and actions.
    type Alike = (String, bool, Vec<Action>);
    let mut merged: BTreeMap<Alike, (Vec<String>, BTreeSet<String>)> = BTreeMap::new();
    for (place, actions) in places {
        let notes = wider.get(&place).cloned().unwrap_or_default();
        let (bucket, prefix) = match place {
            Place::Bucket(bucket) => (bucket, None),
            Place::Keys(bucket, prefix) => (bucket, Some(prefix)),
        };
        let entry = merged.entry((bucket, prefix.is_some(), actions.into_iter().collect())).or_default();
        entry.0.extend(prefix);
        entry.1.extend(notes);
    }
    let merged = merged.into_iter().map(|((bucket, confined, actions), (prefixes, wider))| Shape {
        bucket,
        prefixes: confined.then_some(prefixes),
        actions,
        wider: wider.into_iter().collect(),
    });
    merged.collect()
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suggestion {
    name: String,
    identities: Vec<String>,
    shape: Shape,
}

/// Whether a pattern means this identity and no other: only a common name may have a star in it.
pub(super) fn can_be_named(identity: &str) -> bool {
    !identity.contains('*')
}

impl Suggestion {
    pub(super) fn new(shape: Shape, identities: Vec<String>) -> Self {
        let who = identities.first().and_then(|name| name.rsplit(['/', ':']).next()).unwrap_or_default();
        let does =
            shape.actions.first().map_or("nothing", |action| action.as_str().trim_start_matches("s3:"));
        let on = if shape.bucket == "*" { "every-bucket" } else { &shape.bucket };
        Self { name: format!("{who}-{does}-{on}"), identities, shape }
    }
}

/// Names that are all different and none of those taken.
pub(super) fn name_apart(suggestions: &mut [Suggestion], taken: &[&str]) {
    let mut names: BTreeSet<String> = taken.iter().map(|name| (*name).to_owned()).collect();
    for suggestion in suggestions {
        let plain = suggestion.name.clone();
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|name| !names.contains(name));
        suggestion.name = free.unwrap_or(plain);
        names.insert(suggestion.name.clone());
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
        for wider in &self.shape.wider {
            writeln!(f, "  # Wider than what was asked for: {wider}.")?;
        }
        writeln!(f, "  - name: {}", quoted(&self.name))?;
        writeln!(f, "    identities: {}", list(&self.identities))?;
        writeln!(f, "    buckets: {}", list([&self.shape.bucket]))?;
        if let Some(prefixes) = &self.shape.prefixes {
            writeln!(f, "    prefixes: {}", list(prefixes))?;
        }
        writeln!(f, "    actions: {}", list(&self.shape.actions))
    }
}
