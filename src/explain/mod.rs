//! Floor 4: what the data plane would do with a request, and why, without doing it. `proxy explain` asks for one
//! request, replays an access log, or learns grants from one.
//!
//! The same functions decide here and there; nothing of the decision is written a second time.

mod learn;
mod question;
mod replay;
mod seen;
mod show;
mod suggest;

use std::time::SystemTime;

use http::request::Parts;

use crate::config::Config;
use crate::identity::ClientIdentity;
use crate::policy::{Additions, Breach, Denial, Entitlements, Judgement};
use crate::s3::{Access, Asked, Classified, ErrorCode, Operation, Refusal, Target, classify};
use crate::sigv4::Payload;

pub use learn::learn;
pub use question::{BadQuestion, Question};
pub use replay::{Replay, replay};
pub use seen::BadLine;

/// What would become of a request.
#[derive(Debug)]
pub struct Explanation {
    identity: ClientIdentity,
    operation: Option<Operation>,
    target: Option<Target>,
    accesses: Vec<(Access, Found)>,
    outcome: Outcome,
    suggestion: Vec<suggest::Suggestion>,
}

/// What the grants say of one access, with the grant's name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Allowed(String),
    Denied(String),
    NotGranted,
    Tolerated,
}

#[derive(Debug)]
enum Outcome {
    Allowed { grant: String, additions: Additions },
    Denied(Denial),
    Stopped(Breach),
    Refused(Refusal),
}

/// Explains a request; `now` is what a required retention is counted from.
pub fn explain(config: &Config, question: Question, now: SystemTime) -> Explanation {
    let Question { identity, mut head, body } = question;
    let entitlements = config.policy.entitle(&identity);
    let mut explanation = Explanation {
        identity,
        operation: None,
        target: None,
        accesses: Vec::new(),
        outcome: Outcome::Refused(Refusal::new(ErrorCode::InternalError, "undecided")),
        suggestion: Vec::new(),
    };
    let outcome = explanation.decide(config, &entitlements, &mut head, &body, now);
    explanation.outcome = outcome.unwrap_or_else(Outcome::Refused);
    // Where something is denied outright, no further grant would help.
    let denied = explanation.accesses.iter().any(|(_, found)| matches!(found, Found::Denied(_)));
    if matches!(explanation.outcome, Outcome::Denied(_)) && !denied {
        let missing = explanation.accesses.iter().filter(|(_, found)| *found == Found::NotGranted);
        let missing: Vec<&Access> = missing.map(|(access, _)| access).collect();
        explanation.suggestion = suggest::grants(&explanation.identity, &missing);
    }
    explanation
}

impl Explanation {
    /// Whether the request would go to S3.
    pub fn is_allowed(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed { .. })
    }

    /// The same steps as the journey of a real request, in its order.
    fn decide(
        &mut self,
        config: &Config,
        entitlements: &Entitlements,
        head: &mut Parts,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Outcome, Refusal> {
        let classified = classify(head, &config.domains())?;
        self.operation = Some(classified.operation());
        self.target = Some(classified.target().clone());
        let length = head.headers.get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        let payload = Payload::plan(head, Some(length.unwrap_or(body.len() as u64)))?;
        let asked = match classified {
            Classified::Never(never) => return Err(never.refusal()),
            Classified::Whole(asked) => asked,
            Classified::Unread(unread) => unread.with_body(body)?,
        };
        self.judge(&asked, entitlements);
        let additions = match config.policy.guardrails().check(&asked, &head.headers, now) {
            Ok(additions) => additions,
            Err(breach) => return Ok(Outcome::Stopped(breach)),
        };
        let permitted = match entitlements.authorize(asked) {
            Ok(permitted) => permitted,
            Err(denial) => return Ok(Outcome::Denied(denial)),
        };
        payload.check_size(permitted.asked().operation(), &head.headers, config.limits.max_object_size)?;
        Ok(Outcome::Allowed { grant: permitted.grant().to_string(), additions })
    }

    fn judge(&mut self, asked: &Asked, entitlements: &Entitlements) {
        let judge = |access: &Access| {
            let found = match entitlements.judge(access) {
                Judgement::Allowed(grant) => Found::Allowed(grant.to_string()),
                Judgement::Denied(grant) => Found::Denied(grant.to_string()),
                Judgement::NotGranted => Found::NotGranted,
                Judgement::Tolerated => Found::Tolerated,
            };
            (access.clone(), found)
        };
        self.accesses = asked.accesses().iter().map(judge).collect();
    }
}

#[cfg(test)]
mod tests;
