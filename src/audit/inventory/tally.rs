//! What is counted while rows go by. Its size has bounds, whatever the size of the report: sums by closed lists of words,
//! a limited number of prefixes, the first few keys of each finding.

use std::collections::HashMap;

use serde::Serialize;

use super::judge::{Check, Verdict};
use super::row::Row;
use crate::s3::{Class, Encrypted, LockMode, Replicated};
use crate::spec::price;

/// Prefixes that are counted apart; further ones are counted together.
const MAX_PREFIXES: usize = 4096;
/// Keys that are named for each finding, and prefixes in a result.
pub(super) const SAMPLES: usize = 10;
/// Ages in days, each up to the next.
pub(super) const AGES: [(i64, &str); 6] =
    [(0, "< 30 d"), (30, "30–90 d"), (90, "90–180 d"), (180, "180 d–1 y"), (365, "1–3 y"), (1095, "> 3 y")];
const DAY: i64 = 86_400_000;

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }

    fn merge(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// An object that is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Sample {
    /// Position of its file in the manifest.
    #[serde(skip)]
    pub(super) file: usize,
    /// Row of that file, from 1.
    pub row: u64,
    /// Its key.
    pub key: String,
    /// Its version, if the report tells versions.
    pub version: Option<String>,
    /// Bytes.
    pub size: u64,
    /// What was found.
    pub detail: String,
}

/// One check's findings.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) sum: Sum,
    pub(super) samples: Vec<Sample>,
}

impl Found {
    /// Rows come in the order of their files, so the first are named.
    fn add(&mut self, bytes: u64, sample: impl FnOnce() -> Sample) {
        self.sum.add(bytes);
        if self.samples.len() < SAMPLES {
            self.samples.push(sample());
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.sum.merge(other.sum);
        self.samples.extend(other.samples);
        self.samples.sort_unstable();
        self.samples.truncate(SAMPLES);
    }
}

/// What lies below one prefix.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Below {
    pub(super) all: Sum,
    pub(super) noncurrent: Sum,
    /// Objects with any finding.
    pub(super) found: Sum,
}

/// How much of what a rule speaks of is noncurrent.
#[derive(Debug, Clone)]
pub(super) struct Share {
    pub(super) prefix: String,
    /// Of bytes, at the most.
    pub(super) percent: u8,
    pub(super) all: Sum,
    pub(super) noncurrent: Found,
    /// US dollars a month for what is noncurrent.
    pub(super) cost: f64,
}

/// Everything that is counted.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    now: i64,
    depth: usize,
    pub(super) rows: u64,
    pub(super) current: Sum,
    pub(super) noncurrent: Sum,
    pub(super) delete_markers: u64,
    pub(super) multipart: Sum,
    pub(super) legal_hold: Sum,
    pub(super) by_class_and_age: [[Sum; AGES.len()]; Class::ALL.len()],
    /// The last place is for objects of which the report does not say it.
    pub(super) encryption: [Sum; Encrypted::ALL.len() + 1],
    /// None, governance, compliance, and of each whether it is over is not told apart.
    pub(super) locks: [Sum; 3],
    pub(super) replication: [Sum; Replicated::ALL.len() + 1],
    pub(super) prefixes: HashMap<String, Below>,
    pub(super) other: Below,
    pub(super) found: [Found; Check::COUNT],
    pub(super) shares: Vec<Share>,
    /// Objects with any finding.
    pub(super) affected: Sum,
    /// US dollars a month.
    pub(super) cost: f64,
    pub(super) saving: f64,
}

impl Tally {
    /// Ages are counted to `now`, milliseconds since 1970; prefixes end at the `depth`th `/`. `shares` are prefixes with
    /// the percentage that may be noncurrent.
    pub(super) fn new(now: i64, depth: usize, shares: impl Iterator<Item = (String, u8)>) -> Self {
        let share = |(prefix, percent)| Share {
            prefix,
            percent,
            all: Sum::default(),
            noncurrent: Found::default(),
            cost: 0.0,
        };
        Self {
            now,
            depth,
            rows: 0,
            current: Sum::default(),
            noncurrent: Sum::default(),
            delete_markers: 0,
            multipart: Sum::default(),
            legal_hold: Sum::default(),
            by_class_and_age: Default::default(),
            encryption: Default::default(),
            locks: Default::default(),
            replication: Default::default(),
            prefixes: HashMap::new(),
            other: Below::default(),
            found: Default::default(),
            shares: shares.map(share).collect(),
            affected: Sum::default(),
            cost: 0.0,
            saving: 0.0,
        }
    }

    /// Counts a row of the manifest's `file`th file.
    pub(super) fn count(&mut self, file: usize, number: u64, row: &Row<'_>, verdict: Verdict) {
        self.rows += 1;
        if row.delete_marker {
            self.delete_markers += 1;
            return;
        }
        let class = row.class.unwrap_or(Class::Standard);
        let cost = price::monthly(class, row.size);
        self.cost += cost;
        self.saving += verdict.saving;
        self.describe(class, row);
        let below = below(&mut self.prefixes, &mut self.other, prefix(row.key, self.depth));
        below.all.add(row.size);
        if row.noncurrent {
            below.noncurrent.add(row.size);
        }
        for share in self.shares.iter_mut().filter(|share| row.key.starts_with(share.prefix.as_str())) {
            share.all.add(row.size);
            if row.noncurrent {
                share.noncurrent.add(row.size, || sample(file, number, row, "noncurrent".to_owned()));
                share.cost += cost;
            }
        }
        if verdict.is_clean() {
            return;
        }
        below.found.add(row.size);
        self.affected.add(row.size);
        for check in verdict.checks() {
            self.found[check as usize]
                .add(row.size, || sample(file, number, row, detail(check, row, self.now)));
        }
    }

    fn describe(&mut self, class: Class, row: &Row<'_>) {
        if row.noncurrent { &mut self.noncurrent } else { &mut self.current }.add(row.size);
        if row.multipart {
            self.multipart.add(row.size);
        }
        if row.legal_hold {
            self.legal_hold.add(row.size);
        }
        if let Some(modified) = row.modified {
            let days = (self.now - modified).max(0) / DAY;
            let age = AGES.iter().rposition(|(from, _)| days >= *from).unwrap_or(0);
            self.by_class_and_age[class as usize][age].add(row.size);
        }
        self.encryption[row.encrypted.map_or(Encrypted::ALL.len(), |word| word as usize)].add(row.size);
        self.replication[row.replicated.map_or(Replicated::ALL.len(), |word| word as usize)].add(row.size);
        let lock = match row.lock_mode {
            None => 0,
            Some(LockMode::Governance) => 1,
            Some(LockMode::Compliance) => 2,
        };
        self.locks[lock].add(row.size);
    }

    /// Adds what another thread counted of other files.
    pub(super) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.current.merge(other.current);
        self.noncurrent.merge(other.noncurrent);
        self.delete_markers += other.delete_markers;
        self.multipart.merge(other.multipart);
        self.legal_hold.merge(other.legal_hold);
        self.affected.merge(other.affected);
        self.cost += other.cost;
        self.saving += other.saving;
        let sums =
            self.by_class_and_age.iter_mut().flatten().zip(other.by_class_and_age.into_iter().flatten());
        let sums = sums.chain(self.encryption.iter_mut().zip(other.encryption));
        let sums = sums.chain(self.replication.iter_mut().zip(other.replication));
        for (mine, theirs) in sums.chain(self.locks.iter_mut().zip(other.locks)) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.found.iter_mut().zip(other.found) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.shares.iter_mut().zip(other.shares) {
            mine.all.merge(theirs.all);
            mine.noncurrent.merge(theirs.noncurrent);
            mine.cost += theirs.cost;
        }
        self.other.merge(other.other);
        for (prefix, theirs) in other.prefixes {
            below(&mut self.prefixes, &mut self.other, &prefix).merge(theirs);
        }
    }
}

impl Below {
    pub(super) fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        self.noncurrent.merge(other.noncurrent);
        self.found.merge(other.found);
    }
}

fn below<'a>(prefixes: &'a mut HashMap<String, Below>, other: &'a mut Below, prefix: &str) -> &'a mut Below {
    if prefixes.len() >= MAX_PREFIXES && !prefixes.contains_key(prefix) {
        return other;
    }
    if !prefixes.contains_key(prefix) {
        prefixes.insert(prefix.to_owned(), Below::default());
    }
    // It has just been put there.
    prefixes.get_mut(prefix).unwrap_or(other)
}

/// Up to and with the `depth`th `/`; a key with fewer lies in the folder that it has.
fn prefix(key: &str, depth: usize) -> &str {
    let ends = key.match_indices('/').map(|(at, _)| at + 1).take(depth);
    &key[..ends.last().unwrap_or(0)]
}

fn sample(file: usize, number: u64, row: &Row<'_>, detail: String) -> Sample {
    let (key, version) = (row.key.to_owned(), row.version.map(str::to_owned));
    Sample { file, row: number, key, version, size: row.size, detail }
}

/// What the report says that was found wanting.
fn detail(check: Check, row: &Row<'_>, now: i64) -> String {
    let days = |from: Option<i64>, to: i64| from.map_or(0, |from| (to - from) / DAY);
    let age = days(row.modified, now);
    match check {
        Check::Encryption => {
            row.encrypted.map_or("nothing said", |word| Encrypted::ALL[word as usize].0).to_owned()
        }
        Check::BucketKey => "bucket key off".to_owned(),
        Check::NotLocked => "no retention".to_owned(),
        Check::LockTooWeak => {
            let mode = row.lock_mode.map_or("", LockMode::as_str);
            format!("{mode} for {} days", row.retained_until.map_or(0, |until| days(row.modified, until)))
        }
        Check::ReplicationFailed => "FAILED".to_owned(),
        Check::ReplicationPending => {
            format!("PENDING for {} hours", row.modified.map_or(0, |modified| (now - modified) / 3_600_000))
        }
        Check::NotReplicated => "no replication status".to_owned(),
        Check::StorageClass => format!("{} after {age} days", row.class.unwrap_or(Class::Standard)),
        Check::NotExpired => format!("{age} days old"),
        Check::Noncurrent => "noncurrent".to_owned(),
        Check::Owner => row.owner.unwrap_or("nobody named").to_owned(),
    }
}
