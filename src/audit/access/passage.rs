//! What passed through the proxy against what reached S3, by S3's identifier of the request. Both sides are on disk, so
//! that they may be of any size.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Access;
use super::bounded::Bounded;
use crate::audit::error::AuditError;
use crate::audit::spill::{Hash, PARTITIONS, Spill, partition};
use crate::policy::RolePattern;

/// The clocks of the proxy and of S3, and requests that run when the proxy's log begins or ends.
const SLACK: i64 = 15 * 60 * 1000;

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Witness {
    ServerLog,
    Trail,
}

/// A request that S3 has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) witness: Witness,
    /// Milliseconds since 1970.
    pub(super) at: i64,
    pub(super) request_id: String,
    /// An ARN, a canonical user ID, a service; empty for nobody.
    pub(super) principal: String,
    /// Where it came from.
    pub(super) address: String,
    pub(super) operation: String,
    pub(super) bucket: String,
    pub(super) key: Option<String>,
    /// S3's error code, if it was refused.
    pub(super) error: Option<String>,
    /// Whether AWS itself did it: lifecycle, replication's own reads, log delivery.
    pub(super) by_aws: bool,
}

/// Requests that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Kind {
    /// Who signed them.
    pub principal: String,
    /// What.
    pub operation: String,
    /// Where.
    pub bucket: String,
}

/// How often, and for an example the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// How often.
    pub requests: u64,
    /// How often S3 refused.
    pub refused: u64,
    /// Milliseconds since 1970, of the first.
    #[serde(skip)]
    pub(super) first_at: i64,
    /// When the first was, RFC 3339.
    pub first: String,
    /// The first one's key.
    pub key: Option<String>,
    /// Where the first one came from.
    pub address: String,
    /// S3's identifier of the first.
    pub request_id: String,
}

/// What became of the requests that S3 has seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Passages {
    /// When the proxy's log begins and ends, milliseconds since 1970.
    pub(super) window: Option<(i64, i64)>,
    pub(super) seen: u64,
    pub(super) matched: u64,
    pub(super) by_aws: u64,
    pub(super) expected: u64,
    /// At times for which there is no log of the proxy's.
    pub(super) outside: u64,
    /// In the proxy's role, and unknown to its log.
    pub(super) as_proxy: Bounded<Kind, Times>,
    /// As anybody else.
    pub(super) past: Bounded<Kind, Times>,
}

/// Both sides, while they are read.
#[derive(Debug)]
pub(super) struct Passage {
    hash: Hash,
    passed: Spill,
    reached: Spill,
    window: Option<(i64, i64)>,
    role: Option<RolePattern>,
    expected: Vec<RolePattern>,
}

impl Passage {
    pub(super) fn new(access: &Access) -> Result<Self, AuditError> {
        Ok(Self {
            hash: Hash::default(),
            passed: Spill::new()?,
            reached: Spill::new()?,
            window: None,
            role: access.role.clone(),
            expected: access.expected.clone(),
        })
    }

    /// A request that the proxy logged, with S3's identifier if S3 has answered.
    pub(super) fn passed(&mut self, at: i64, request_id: Option<&str>) -> Result<(), AuditError> {
        let (first, last) = self.window.unwrap_or((at, at));
        self.window = Some((first.min(at), last.max(at)));
        let Some(id) = request_id else { return Ok(()) };
        let hash = self.hash.of(id);
        self.passed.push(partition(hash), &hash.to_le_bytes())
    }

    /// A request that S3 has seen.
    pub(super) fn reached(&self, reached: &Reached) -> Result<(), AuditError> {
        let record = serde_json::to_vec(reached).map_err(|error| AuditError::Spill(error.into()))?;
        self.reached.push(partition(self.hash.of(reached.request_id.as_str())), &record)
    }

    /// Sets them against each other.
    pub(super) fn finish(self) -> Result<Passages, AuditError> {
        let mut passages = Passages { window: self.window, ..Passages::default() };
        for partition in 0..PARTITIONS {
            // Each identifier: whether the proxy knows it, and who told of it first, for both logs may.
            let mut known: HashMap<u128, (bool, Option<Witness>)> = HashMap::new();
            self.passed.read(partition, |record| {
                if let Ok(hash) = record.try_into() {
                    known.insert(u128::from_le_bytes(hash), (true, None));
                }
            })?;
            self.reached.read(partition, |record| {
                // We wrote it ourselves.
                let Ok(reached) = serde_json::from_slice::<Reached>(record) else { return };
                let (passed, witness) = known.entry(self.hash.of(reached.request_id.as_str())).or_default();
                if *witness.get_or_insert(reached.witness) == reached.witness {
                    self.judge(&mut passages, reached, *passed);
                }
            })?;
        }
        Ok(passages)
    }

    fn judge(&self, passages: &mut Passages, reached: Reached, passed: bool) {
        passages.seen += 1;
        let within = self.window.is_some_and(|(first, last)| {
            (first.saturating_sub(SLACK)..=last.saturating_add(SLACK)).contains(&reached.at)
        });
        let is = |role: &RolePattern| role.matches(&reached.principal);
        let kinds = if passed {
            passages.matched += 1;
            return;
        } else if reached.by_aws {
            passages.by_aws += 1;
            return;
        } else if self.expected.iter().any(is) {
            passages.expected += 1;
            return;
        } else if !within {
            passages.outside += 1;
            return;
        } else if self.role.as_ref().is_some_and(is) {
            &mut passages.as_proxy
        } else {
            &mut passages.past
        };
        let Reached { at, request_id, principal, address, operation, bucket, key, error, .. } = reached;
        let times = kinds.entry(Kind { principal, operation, bucket });
        if times.requests == 0 || at < times.first_at {
            (times.first_at, times.key, times.address, times.request_id) = (at, key, address, request_id);
        }
        times.requests += 1;
        times.refused += u64::from(error.is_some());
    }
}
