//! A report against an earlier one of the same bucket: what is new, gone and changed.
//!
//! Rows come in no order that could be relied on, so both sides are spilled to disk by a hash of key and version, and
//! compared partition by partition.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::field::{Columns, Field};
use super::row::Row;
use super::tally::{SAMPLES, Sum};
use crate::audit::error::AuditError;
use crate::audit::spill::{Hash, PARTITIONS, Spill, partition};

/// What can change of a version that stays.
const ASPECTS: [(&str, &[Field]); 6] = [
    ("content", &[Field::ETag]),
    ("storage class", &[Field::StorageClass]),
    ("encryption", &[Field::EncryptionStatus]),
    ("lock", &[Field::ObjectLockMode, Field::ObjectLockRetainUntilDate]),
    ("replication", &[Field::ReplicationStatus]),
    ("owner", &[Field::ObjectOwner]),
];

/// An object that came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Named {
    /// Its key.
    pub key: String,
    /// Its version.
    pub version: Option<String>,
    /// What changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<&'static str>,
}

/// Objects of one fate, the first of them by key.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Fate {
    /// How many, and their bytes.
    #[serde(flatten)]
    pub sum: Sum,
    /// The first of them by key.
    pub first: BTreeSet<Named>,
}

impl Fate {
    fn add(&mut self, seen: &Seen<'_>, changed: Vec<&'static str>) {
        self.sum.add(seen.size);
        let named = Named { key: seen.key.into(), version: seen.version.map(str::to_owned), changed };
        self.first.insert(named);
        if self.first.len() > SAMPLES {
            self.first.pop_last();
        }
    }
}

/// What became of the objects between two reports.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Changes {
    /// Were not there.
    pub new: Fate,
    /// Are there no more.
    pub gone: Fate,
    /// Are the same version, in another state; a report without versions also counts what was written over.
    pub changed: Fate,
    /// How many changed in which aspect.
    pub aspects: Vec<(&'static str, u64)>,
    /// Aspects that one of the reports does not tell.
    pub untold: Vec<&'static str>,
}

/// Both sides, on disk.
#[derive(Debug)]
pub(super) struct Comparison {
    hash: Hash,
    earlier: Spill,
    later: Spill,
    /// Aspects that both reports tell.
    told: [bool; ASPECTS.len()],
}

/// Which report a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Earlier,
    Later,
}

impl Comparison {
    pub(super) fn new(earlier: &Columns, later: &Columns) -> Result<Self, AuditError> {
        if earlier.has(Field::VersionId) != later.has(Field::VersionId) {
            let why = "one of the two reports lists all versions and the other only current objects";
            return Err(AuditError::Usage(format!("--earlier: {why}, so that they cannot be compared")));
        }
        let told =
            ASPECTS.map(|(_, fields)| fields.iter().all(|field| earlier.has(*field) && later.has(*field)));
        Ok(Self { hash: Hash::default(), earlier: Spill::new()?, later: Spill::new()?, told })
    }

    /// Takes a row. `record` is only there to be used again.
    pub(super) fn add(&self, side: Side, row: &Row<'_>, record: &mut Vec<u8>) -> Result<(), AuditError> {
        record.clear();
        for aspect in self.aspects(row) {
            record.extend_from_slice(&aspect.to_le_bytes());
        }
        record.extend_from_slice(&row.size.to_le_bytes());
        let version = row.version.unwrap_or_default();
        record.extend_from_slice(&u32::try_from(version.len()).unwrap_or(u32::MAX).to_le_bytes());
        record.extend_from_slice(version.as_bytes());
        record.extend_from_slice(row.key.as_bytes());
        let partition = partition(self.hash.of((row.key, version)));
        match side {
            Side::Earlier => &self.earlier,
            Side::Later => &self.later,
        }
        .push(partition, record)
    }

    fn aspects(&self, row: &Row<'_>) -> [u64; ASPECTS.len()] {
        let short = |value: u128| (value >> 64) as u64;
        [
            short(self.hash.of((row.etag, row.size))),
            row.class.map_or(u64::MAX, |class| class as u64),
            row.encrypted.map_or(u64::MAX, |word| word as u64),
            short(self.hash.of((row.lock_mode.map(|mode| mode as u64), row.retained_until, row.legal_hold))),
            row.replicated.map_or(u64::MAX, |word| word as u64),
            short(self.hash.of(row.owner)),
        ]
    }

    /// Compares what both sides have got.
    pub(super) fn finish(&self) -> Result<Changes, AuditError> {
        let mut changes = Changes::default();
        let mut aspects = [0; ASPECTS.len()];
        for partition in 0..PARTITIONS {
            let mut before = HashMap::new();
            self.earlier.read(partition, |record| {
                if let Some(seen) = Seen::of(record) {
                    before.insert(
                        self.hash.of((seen.key, seen.version.unwrap_or_default())),
                        Some(seen.aspects),
                    );
                }
            })?;
            self.later.read(partition, |record| {
                let Some(seen) = Seen::of(record) else { return };
                let earlier = before.get_mut(&self.hash.of((seen.key, seen.version.unwrap_or_default())));
                let Some(earlier) = earlier.and_then(Option::take) else {
                    return changes.new.add(&seen, Vec::new());
                };
                let changed: Vec<usize> = (0..ASPECTS.len())
                    .filter(|at| self.told[*at] && earlier[*at] != seen.aspects[*at])
                    .collect();
                if !changed.is_empty() {
                    for at in &changed {
                        aspects[*at] += 1;
                    }
                    changes.changed.add(&seen, changed.into_iter().map(|at| ASPECTS[at].0).collect());
                }
            })?;
            // Whoever was not taken is gone. The names are on disk only.
            self.earlier.read(partition, |record| {
                let Some(seen) = Seen::of(record) else { return };
                let left = before.get_mut(&self.hash.of((seen.key, seen.version.unwrap_or_default())));
                if left.and_then(Option::take).is_some() {
                    changes.gone.add(&seen, Vec::new());
                }
            })?;
        }
        let named = ASPECTS.iter().zip(aspects).zip(self.told);
        changes.aspects =
            named.clone().filter(|(_, told)| *told).map(|(((name, _), n), _)| (*name, n)).collect();
        changes.untold = named.filter(|(_, told)| !told).map(|(((name, _), _), _)| *name).collect();
        Ok(changes)
    }
}

/// A record, read back.
struct Seen<'a> {
    aspects: [u64; ASPECTS.len()],
    size: u64,
    version: Option<&'a str>,
    key: &'a str,
}

impl<'a> Seen<'a> {
    /// We wrote it ourselves, so it is always one.
    fn of(record: &'a [u8]) -> Option<Self> {
        let mut rest = record;
        let mut aspects = [0; ASPECTS.len()];
        for aspect in &mut aspects {
            *aspect = u64::from_le_bytes(*take(&mut rest)?);
        }
        let size = u64::from_le_bytes(*take(&mut rest)?);
        let length = u32::from_le_bytes(*take(&mut rest)?) as usize;
        let (version, key) = rest.split_at_checked(length)?;
        let version = std::str::from_utf8(version).ok()?;
        let key = std::str::from_utf8(key).ok()?;
        Some(Self { aspects, size, version: (!version.is_empty()).then_some(version), key })
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(first)
}
