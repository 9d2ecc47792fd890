//! An access log against a configuration: which of its requests would be decided otherwise.
//!
//! A log says nothing of most headers, so guardrails on what an upload states are not replayed; those on actions are.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Serialize;

use super::seen::{BadLine, read};
use crate::policy::{Entitlements, Judgement, Policy};
use crate::s3::Access;
use crate::telemetry::Seen;

/// What a replay found.
#[derive(Debug, Default, Serialize)]
pub struct Replay {
    /// Requests that were decided anew.
    pub requests: u64,
    /// Of those, allowed.
    pub allowed: u64,
    /// Of those, denied.
    pub denied: u64,
    /// Allowed when they were logged, and denied now.
    pub newly_denied: u64,
    /// Denied when they were logged, and allowed now.
    pub newly_allowed: u64,
    /// Lines that were no operation of S3's, were refused for another reason than what is granted, or do not tell every
    /// access.
    pub skipped: u64,
    /// Lines that are none of the access log's.
    pub unreadable: u64,
    /// What is denied, alike requests together.
    pub denials: Vec<Denials>,
}

/// Denied requests that differ in their keys only.
#[derive(Debug, Serialize)]
pub struct Denials {
    /// Who.
    pub identity: String,
    /// What.
    pub operation: &'static str,
    /// Where.
    pub bucket: Option<String>,
    /// The first of the keys.
    pub first_key: Option<String>,
    /// The action that decided.
    pub action: &'static str,
    /// The grant or guardrail that denies it; `None` where nothing gives it.
    pub denied_by: Option<String>,
    /// Whether the proxy let them through when they were logged.
    pub was_allowed: bool,
    /// How many.
    pub count: u64,
}

/// Decides every request of a log anew.
pub fn replay(policy: &Policy, log: impl BufRead) -> Result<Replay, BadLine> {
    let mut replay = Replay::default();
    let mut identities = BTreeMap::new();
    let mut denials: BTreeMap<_, Denials> = BTreeMap::new();
    let log = read(log, |seen| {
        let label = seen.identity.to_string();
        let entitlements = identities
            .entry(format!("{:?}", seen.identity))
            .or_insert_with(|| policy.entitle(&seen.identity));
        let denial = seen.accesses.iter().find_map(|access| denied(policy, entitlements, &seen, access));
        replay.count(&seen, denial.is_some());
        if let Some((action, denied_by)) = denial {
            let Seen { operation, bucket, key, passed, .. } = seen;
            let alike =
                (label.clone(), operation.as_str(), bucket.clone(), action, denied_by.clone(), passed);
            let entry = denials.entry(alike).or_insert_with(|| Denials {
                identity: label,
                operation: operation.as_str(),
                bucket,
                first_key: key,
                action,
                denied_by,
                was_allowed: passed,
                count: 0,
            });
            entry.count += 1;
        }
    })?;
    (replay.skipped, replay.unreadable) = (log.untold, log.unreadable);
    replay.denials = denials.into_values().collect();
    Ok(replay)
}

/// The access's action and what denies it, if something does.
fn denied(
    policy: &Policy,
    entitlements: &Entitlements,
    seen: &Seen,
    access: &Access,
) -> Option<(&'static str, Option<String>)> {
    let guardrail = policy.guardrails().refusing(seen.operation, access.action);
    let denied_by = match (guardrail, entitlements.judge(access)) {
        (Some(guardrail), _) => Some(guardrail.label().to_owned()),
        (None, Judgement::Denied(grant)) => Some(grant.to_string()),
        (None, Judgement::NotGranted) => None,
        (None, Judgement::Allowed(_) | Judgement::Tolerated) => return None,
    };
    Some((access.action.as_str(), denied_by))
}

impl Replay {
    fn count(&mut self, seen: &Seen, denied: bool) {
        self.requests += 1;
        self.allowed += u64::from(!denied);
        self.denied += u64::from(denied);
        self.newly_denied += u64::from(denied && seen.passed);
        self.newly_allowed += u64::from(!denied && !seen.passed);
    }
}
