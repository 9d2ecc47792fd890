//! What the logs come to.

use std::cmp::Reverse;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Access;
use super::bounded::Bounded;
use super::passage::{Kind, Passages, Times};
use super::tally::{Denied, Often, Tally, Touched, Touching};
use crate::policy::{Effect, Policy};

/// Entries of each list: more are for no reader.
const LISTED: usize = 1000;

/// The logs, reviewed.
#[derive(Debug, Clone, Serialize)]
pub struct Review {
    /// Nothing went past the proxy, and every grant was used, as far as this was looked for.
    pub clean: bool,
    /// When the proxy's log begins and ends, RFC 3339.
    pub from: Option<String>,
    /// The end.
    pub to: Option<String>,
    /// Requests in the proxy's log.
    pub requests: u64,
    /// Of those, denied.
    pub denials: u64,
    /// Lines among them that are none of the access log's.
    pub other_lines: u64,
    /// What S3's logs say, if any were given.
    pub bypass: Option<Bypass>,
    /// Grants that nothing needed; `None` without a configuration.
    pub unused_grants: Option<Vec<Unused>>,
    /// Who touched what, the busiest first.
    pub touched: Listed<Touching, Touched>,
    /// What was denied, the most frequent first.
    pub denied: Listed<Denied, Often>,
}

/// What reached S3.
#[derive(Debug, Clone, Serialize)]
pub struct Bypass {
    /// Requests in S3's logs.
    pub seen: u64,
    /// Of those, in the proxy's log too.
    pub passed: u64,
    /// By AWS itself: lifecycle, log delivery.
    pub by_aws: u64,
    /// By roles that may.
    pub expected: u64,
    /// At times for which there is no log of the proxy's, so that nothing can be said of them.
    pub outside: u64,
    /// In the proxy's role, and unknown to its log: somebody else has its credentials, or the log has gaps.
    pub as_proxy: Listed<Kind, Times>,
    /// As anybody else.
    pub past: Listed<Kind, Times>,
}

/// A grant that nothing needed.
#[derive(Debug, Clone, Serialize)]
pub struct Unused {
    /// Its name.
    pub name: String,
    /// A grant that denies, and never had to.
    pub denies: bool,
}

/// The first entries of what was counted.
#[derive(Debug, Clone, Serialize)]
pub struct Listed<K, V> {
    /// They.
    pub entries: Vec<Entry<K, V>>,
    /// How many more there are.
    pub more: usize,
    /// Counted together, because there were too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<V>,
}

/// An entry.
#[derive(Debug, Clone, Serialize)]
pub struct Entry<K, V> {
    /// What is counted.
    #[serde(flatten)]
    pub what: K,
    /// How it is counted.
    #[serde(flatten)]
    pub count: V,
}

impl<K: Ord + Clone + std::hash::Hash + Eq, V: Default + Clone> Listed<K, V> {
    fn new(all: Bounded<K, V>, requests: impl Fn(&V) -> u64) -> Self {
        let together = all.overflowed.then(|| all.other.clone());
        let mut entries = all.sorted(|key, count| (Reverse(requests(count)), key.clone()));
        let more = entries.len().saturating_sub(LISTED);
        entries.truncate(LISTED);
        let entries = entries.into_iter().map(|(what, count)| Entry { what, count }).collect();
        Self { entries, more, together }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Review {
    pub(super) fn new(
        access: &Access,
        tally: Tally<'_>,
        passages: Passages,
        policy: Option<&Policy>,
    ) -> Self {
        let (from, to) = passages.window.map(|(first, last)| (rfc3339(first), rfc3339(last))).unzip();
        let asked = !access.server_logs.is_empty() || !access.trails.is_empty();
        let bypass = asked.then(|| bypass(passages));
        let unused = |policy: &Policy| {
            let unused = policy.grants().iter().filter(|grant| !tally.used.contains(&*grant.name));
            let named = unused
                .map(|grant| Unused { name: grant.name.to_string(), denies: grant.effect == Effect::Deny });
            named.collect::<Vec<_>>()
        };
        let unused_grants = policy.map(unused);
        let passed =
            bypass.as_ref().is_none_or(|bypass| bypass.as_proxy.is_empty() && bypass.past.is_empty());
        let used = unused_grants.iter().flatten().all(|unused| unused.denies);
        Self {
            clean: passed && used,
            from,
            to,
            requests: tally.requests,
            denials: tally.denials,
            other_lines: tally.others,
            bypass,
            unused_grants,
            touched: Listed::new(tally.touched, |touched| touched.requests),
            denied: Listed::new(tally.denied, |often| often.requests),
        }
    }
}

fn bypass(passages: Passages) -> Bypass {
    let times = |kinds: Bounded<Kind, Times>| {
        let mut listed = Listed::new(kinds, |times| times.requests);
        for entry in &mut listed.entries {
            entry.count.first = rfc3339(entry.count.first_at);
        }
        listed
    };
    Bypass {
        seen: passages.seen,
        passed: passages.matched,
        by_aws: passages.by_aws,
        expected: passages.expected,
        outside: passages.outside,
        as_proxy: times(passages.as_proxy),
        past: times(passages.past),
    }
}

fn rfc3339(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000)).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{millis} ms"))
}
