//! The least grants that cover what a log shows: for each identity the actions, buckets and keys that it used. A key is
//! named as a prefix, so longer keys that start with it are covered too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::BufRead;

use super::seen::{BadLine, read};
use super::suggest::{Place, Shape, Suggestion, can_be_named, merge, name_apart, place};
use crate::s3::{Access, Action};

/// More keys than this for one action in one bucket are named by their folders; if those are too many, by the folders
/// above. Keys without a folder are named one by one, up to [`MAX_LOOSE`].
const MAX_PREFIXES: usize = 20;
/// More keys than this without any folder take the whole bucket: a file of ten thousand prefixes helps nobody.
const MAX_LOOSE: usize = 500;

/// The `grants` section that would have allowed every request of the log that the proxy let through. Comments in it say
/// where it gives more than was used, and what it leaves out.
pub fn learn(log: impl BufRead) -> Result<String, BadLine> {
    let mut by_identity: BTreeMap<String, BTreeSet<Used>> = BTreeMap::new();
    let (mut left_out, mut denied) = (BTreeSet::new(), 0_u64);
    let log = read(log, |seen| {
        if !seen.passed {
            denied += 1;
            return;
        }
        let identity = seen.identity.to_string();
        if !can_be_named(&identity) {
            left_out.insert(format!("{identity}: a '*' in a pattern would match others too"));
            return;
        }
        for access in seen.accesses.iter().filter(|access| access.necessity == crate::s3::Necessity::Needed) {
            match used(access) {
                Ok(used) => drop(by_identity.entry(identity.clone()).or_default().insert(used)),
                Err(what) => drop(left_out.insert(format!("{identity}: {what}: no prefix can say this key"))),
            }
        }
    })?;
    // Identities that do the same share a grant.
    let mut shared: BTreeMap<Shape, Vec<String>> = BTreeMap::new();
    for (identity, used) in by_identity {
        for shape in shapes(used) {
            shared.entry(shape).or_default().push(identity.clone());
        }
    }
    let mut grants: Vec<_> =
        shared.into_iter().map(|(shape, identities)| Suggestion::new(shape, identities)).collect();
    name_apart(&mut grants, &[]);
    let mut text = String::new();
    for line in left_out {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# Left out: {}", line.escape_debug());
    }
    if log.untold + log.unreadable + denied > 0 {
        let _ = writeln!(
            text,
            "# Not covered: {denied} requests that were denied, {} lines that are not about grants or do not tell every \
             access, {} that cannot be read",
            log.untold, log.unreadable
        );
    }
    text.push_str(if grants.is_empty() { "grants: []\n" } else { "grants:\n" });
    text.extend(grants.iter().map(ToString::to_string));
    Ok(text)
}

/// One thing that was done.
type Used = (Place, Action, Option<String>);

fn used(access: &Access) -> Result<Used, String> {
    place(access).map(|(place, cut)| (place, access.action, cut))
}

fn shapes(used: BTreeSet<Used>) -> Vec<Shape> {
    let mut wider: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    let mut places: BTreeMap<Place, BTreeSet<Action>> = BTreeMap::new();
    let mut keys: BTreeMap<(String, Action), BTreeSet<String>> = BTreeMap::new();
    for (place, action, cut) in used {
        if let Some(key) = cut {
            let note = format!("'*' and '${{' in '{key}' cannot be said in a prefix");
            wider.entry(place.clone()).or_default().insert(note);
        }
        match place {
            Place::Bucket(_) => drop(places.entry(place).or_default().insert(action)),
            Place::Keys(bucket, prefix) => drop(keys.entry((bucket, action)).or_default().insert(prefix)),
        }
    }
    for ((bucket, action), prefixes) in keys {
        // What is used of the whole bucket covers its keys.
        let whole = Place::Bucket(bucket.clone());
        if places.get(&whole).is_some_and(|actions| actions.contains(&action)) {
            continue;
        }
        let seen = prefixes.len();
        let few = few(prefixes.clone());
        let note = format!("{seen} names were used for {action}");
        if few.len() > MAX_LOOSE {
            wider.entry(whole.clone()).or_default().insert(note);
            places.entry(whole).or_default().insert(action);
            continue;
        }
        for prefix in few {
            let named = prefixes.contains(&prefix);
            let place = Place::Keys(bucket.clone(), prefix);
            if !named {
                wider.entry(place.clone()).or_default().insert(note.clone());
            }
            places.entry(place).or_default().insert(action);
        }
    }
    merge(places, &wider)
}

/// At most [`MAX_PREFIXES`] beside those without a folder, none of which lies below another.
fn few(mut prefixes: BTreeSet<String>) -> BTreeSet<String> {
    // The deepest first; what has no folder stays.
    while prefixes.iter().filter(|prefix| parent(prefix).is_some()).count() > MAX_PREFIXES {
        let deepest = prefixes.iter().filter_map(|prefix| parent(prefix)).map(depth).max();
        let Some(deepest) = deepest else { break };
        let up = |prefix: String| match parent(&prefix) {
            Some(folder) if depth(folder) == deepest => folder.to_owned(),
            _ => prefix,
        };
        prefixes = prefixes.into_iter().map(up).collect();
    }
    // In order, what lies below another comes right behind it.
    let mut outermost: Vec<String> = Vec::new();
    for prefix in prefixes {
        if outermost.last().is_none_or(|last| !prefix.starts_with(last.as_str())) {
            outermost.push(prefix);
        }
    }
    outermost.into_iter().collect()
}

fn depth(folder: &str) -> usize {
    folder.matches('/').count()
}

/// The folder that a key or a folder is in.
fn parent(prefix: &str) -> Option<&str> {
    let inner = prefix.strip_suffix('/').unwrap_or(prefix);
    inner.rfind('/').map(|slash| &inner[..=slash])
}
