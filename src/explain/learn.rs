//! The least grants that cover what a log shows: for each identity exactly the actions, buckets and keys that it used.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use super::seen::{BadLine, read};
use super::suggest::{Merged, Place, merge, name_apart, place};
use crate::s3::{Access, Action};

/// More keys than this in one bucket are named by their folders; if those are too many, by the folders above.
const MAX_PREFIXES: usize = 20;

/// The `grants` section that would have allowed every request of the log that the proxy let through.
pub fn learn(log: impl BufRead) -> Result<String, BadLine> {
    let mut by_identity: BTreeMap<String, Vec<Access>> = BTreeMap::new();
    for seen in read(log) {
        let Some(seen) = seen? else { continue };
        if let (true, Some(accesses)) = (seen.passed, seen.accesses) {
            by_identity.entry(seen.identity.to_string()).or_default().extend(accesses);
        }
    }
    // Identities that do the same share a grant.
    let mut shared: BTreeMap<Merged, Vec<String>> = BTreeMap::new();
    for (identity, accesses) in by_identity {
        for merged in merge(folders(&accesses)) {
            shared.entry(merged).or_default().push(identity.clone());
        }
    }
    let mut grants: Vec<_> = shared.into_iter().map(|(merged, identities)| merged.of(identities)).collect();
    name_apart(&mut grants, &[]);
    if grants.is_empty() {
        return Ok("grants: []\n".to_owned());
    }
    Ok(std::iter::once("grants:\n".to_owned()).chain(grants.iter().map(ToString::to_string)).collect())
}

fn folders(accesses: &[Access]) -> BTreeMap<Place, Vec<Action>> {
    let mut by_action: BTreeMap<(String, Action), BTreeSet<Option<String>>> = BTreeMap::new();
    for access in accesses {
        let (bucket, prefix) = place(access);
        by_action.entry((bucket, access.action)).or_default().insert(prefix);
    }
    let mut places: BTreeMap<Place, Vec<Action>> = BTreeMap::new();
    for ((bucket, action), prefixes) in by_action {
        for prefix in few(prefixes) {
            places.entry((bucket.clone(), prefix)).or_default().push(action);
        }
    }
    places
}

/// At most [`MAX_PREFIXES`], none of which lies below another.
fn few(mut prefixes: BTreeSet<Option<String>>) -> BTreeSet<Option<String>> {
    while !prefixes.contains(&None) && prefixes.len() > MAX_PREFIXES {
        prefixes = prefixes.into_iter().flatten().map(|prefix| parent(&prefix)).collect();
    }
    if prefixes.contains(&None) {
        return BTreeSet::from([None]);
    }
    let all = prefixes.clone();
    prefixes.retain(|prefix| {
        !all.iter().any(|other| {
            other != prefix && prefix.as_deref().unwrap_or("").starts_with(other.as_deref().unwrap_or(""))
        })
    });
    prefixes
}

/// The folder that a key or a folder is in; `None` for the bucket.
fn parent(prefix: &str) -> Option<String> {
    let inner = prefix.strip_suffix('/').unwrap_or(prefix);
    inner.rfind('/').map(|slash| inner[..=slash].to_owned())
}
