//! What the proxy's own log tells: who touched what, what was denied, which grants were in use.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::bounded::Bounded;
use super::proxy_log::Read;
use crate::policy::{Entitlements, Judgement, Policy};
use crate::s3::Operation;
use crate::telemetry::{LoggedRequest, Seen};

/// Identities whose entitlements are kept at hand.
const MAX_ENTITLED: usize = 10_000;

/// What an operation does to what it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Read,
    List,
    Write,
    Delete,
}

impl Manner {
    fn of(operation: &str) -> Self {
        let starts = |words: &[&str]| words.iter().any(|word| operation.starts_with(word));
        if starts(&["List"]) {
            Self::List
        } else if starts(&["Get", "Head", "Select"]) {
            Self::Read
        } else if starts(&["Delete", "Abort"]) {
            Self::Delete
        } else {
            Self::Write
        }
    }
}

/// Who did something where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Touching {
    /// The client.
    pub identity: String,
    /// The bucket, if one was named.
    pub bucket: Option<String>,
    /// The first folder of the keys.
    pub prefix: String,
}

/// What was done there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// Requests that were let through.
    pub requests: u64,
    /// Of those, reads of objects and settings.
    pub reads: u64,
    /// Lists.
    pub lists: u64,
    /// Writes.
    pub writes: u64,
    /// Deletes.
    pub deletes: u64,
    /// What S3 did not do, as for an object or a bucket that is not there: nothing was touched.
    pub failed: u64,
    /// Bytes that the client sent.
    pub bytes_in: u64,
    /// Bytes that it got.
    pub bytes_out: u64,
    /// When it was last, RFC 3339.
    pub last: String,
}

/// What was denied, alike requests together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Denied {
    /// The client.
    pub identity: String,
    /// The operation; `None` where the request was none.
    pub operation: Option<String>,
    /// The bucket, if one was named.
    pub bucket: Option<String>,
    /// The error code.
    pub code: String,
    /// The grant or guardrail that denied it; `None` where no grant allows it.
    pub by: Option<String>,
    /// Whether S3 denied it rather than the proxy.
    pub by_s3: bool,
}

/// How often, with an example.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Often {
    /// How often.
    pub requests: u64,
    /// The first one's key.
    pub first_key: Option<String>,
    /// When the last was, RFC 3339.
    pub last: String,
}

/// Everything that is counted.
pub(super) struct Tally<'a> {
    policy: Option<&'a Policy>,
    entitled: HashMap<String, Entitlements>,
    pub(super) requests: u64,
    pub(super) denials: u64,
    pub(super) others: u64,
    pub(super) touched: Bounded<Touching, Touched>,
    pub(super) denied: Bounded<Denied, Often>,
    pub(super) used: BTreeSet<String>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(policy: Option<&'a Policy>) -> Self {
        Self {
            policy,
            entitled: HashMap::new(),
            requests: 0,
            denials: 0,
            others: 0,
            touched: Bounded::default(),
            denied: Bounded::default(),
            used: BTreeSet::new(),
        }
    }

    /// Adds what a file had beside requests.
    pub(super) fn lines(&mut self, read: &Read) {
        self.others += read.others;
    }

    pub(super) fn count(&mut self, request: &LoggedRequest) {
        self.requests += 1;
        self.note_grants(request);
        if matches!(request.status, 401 | 403) {
            self.denials += 1;
            let denied = Denied {
                identity: request.identity.clone(),
                operation: request.operation.clone(),
                bucket: request.bucket.clone(),
                code: request.error_code.clone().unwrap_or_else(|| request.status.to_string()),
                by: request.grant.clone().filter(|_| request.is_denied()),
                by_s3: request.upstream_ms.is_some(),
            };
            let often = self.denied.entry(denied);
            if often.requests == 0 {
                often.first_key.clone_from(&request.key);
            }
            often.requests += 1;
            later(&mut often.last, &request.time);
        } else if let Some(operation) = &request.operation
            && request.upstream_ms.is_some()
        {
            self.touch(request, Manner::of(operation));
        }
    }

    fn touch(&mut self, request: &LoggedRequest, manner: Manner) {
        let key = request.key.as_deref().unwrap_or_default();
        let touched = self.touched.entry(Touching {
            identity: request.identity.clone(),
            bucket: request.bucket.clone(),
            prefix: key
                .split_inclusive('/')
                .next()
                .filter(|folder| folder.ends_with('/'))
                .unwrap_or("")
                .to_owned(),
        });
        touched.requests += 1;
        later(&mut touched.last, &request.time);
        if (400..500).contains(&request.status) {
            touched.failed += 1;
            return;
        }
        *match manner {
            Manner::Read => &mut touched.reads,
            Manner::List => &mut touched.lists,
            Manner::Write => &mut touched.writes,
            Manner::Delete => &mut touched.deletes,
        } += 1;
        touched.bytes_in += request.bytes_in;
        touched.bytes_out += request.bytes_out;
    }

    /// A line names one grant, and a request of several accesses may have needed more: each access is judged by the
    /// grants of now.
    fn note_grants(&mut self, request: &LoggedRequest) {
        let Some(policy) = self.policy else { return };
        if let Some(grant) = request.grant.as_ref().filter(|grant| !self.used.contains(*grant)) {
            self.used.insert(grant.clone());
        }
        let Ok(Some(Seen { identity, accesses, passed: true, operation, .. })) = request.seen() else {
            return;
        };
        // One access that one grant allowed: the line has said it.
        if accesses.len() == 1 && operation != Operation::DeleteObjects {
            return;
        }
        if self.entitled.len() >= MAX_ENTITLED {
            self.entitled.clear();
        }
        let entitlements =
            self.entitled.entry(format!("{identity:?}")).or_insert_with(|| policy.entitle(&identity));
        for access in &accesses {
            if let Judgement::Allowed(grant) | Judgement::Denied(grant) = entitlements.judge(access) {
                self.used.insert(grant.to_string());
            }
        }
    }
}

/// RFC 3339 in UTC sorts as text.
fn later(last: &mut String, time: &str) {
    if time > last.as_str() {
        time.clone_into(last);
    }
}
