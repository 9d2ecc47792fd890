//! Floor 4: what the data plane would do with a request, and why, without doing it. `proxy explain` asks for one
//! request, replays an access log, or learns grants from one.
//!
//! It takes the steps of a request's journey in their order, and each of them is the journey's own function.

mod learn;
mod question;
mod replay;
mod seen;
mod show;
mod suggest;

use std::time::SystemTime;

use http::request::Parts;

use self::suggest::Suggestion;
use crate::config::Config;
use crate::identity::ClientIdentity;
use crate::net::strip_request;
use crate::policy::{Additions, Entitlements, Judgement, Stop};
use crate::s3::{Access, Classified, Operation, Refusal, Target, classify};
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
    suggestion: Vec<Suggestion>,
    /// What no grant can say.
    impossible: Vec<String>,
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
    Stopped(Stop),
    Refused(Refusal),
}

/// Explains a request; `now` is what a required retention is counted from.
pub fn explain(config: &Config, question: Question, now: SystemTime) -> Explanation {
    let entitlements = config.policy.entitle(&question.identity);
    let mut told = Told::default();
    let outcome = told.decide(config, &entitlements, question.head, question.length, &question.body, now);
    let outcome = outcome.unwrap_or_else(Outcome::Refused);
    let Told { operation, target, accesses } = told;
    let identity = question.identity;
    let (suggestion, impossible) = match &outcome {
        Outcome::Stopped(Stop::Grant(_)) => suggest(&identity, &accesses),
        _ => (Vec::new(), Vec::new()),
    };
    Explanation { identity, operation, target, accesses, outcome, suggestion, impossible }
}

/// The smallest grants that would allow it, and what none could.
fn suggest(identity: &ClientIdentity, accesses: &[(Access, Found)]) -> (Vec<Suggestion>, Vec<String>) {
    // Where something is denied outright, no further grant would help.
    if accesses.iter().any(|(_, found)| matches!(found, Found::Denied(_))) {
        return (Vec::new(), Vec::new());
    }
    let identity = identity.to_string();
    if !suggest::can_be_named(&identity) {
        return (Vec::new(), vec![format!("{identity}: a '*' in a pattern would match others too")]);
    }
    let missing = accesses.iter().filter(|(_, found)| *found == Found::NotGranted).map(|(access, _)| access);
    let (shapes, impossible) = suggest::shapes(missing);
    let grants = shapes.into_iter().map(|shape| Suggestion::new(shape, vec![identity.clone()])).collect();
    (grants, impossible)
}

impl Explanation {
    /// Whether the request would go to S3.
    pub fn is_allowed(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed { .. })
    }
}

/// What was found out on the way to the decision.
#[derive(Default)]
struct Told {
    operation: Option<Operation>,
    target: Option<Target>,
    accesses: Vec<(Access, Found)>,
}

impl Told {
    fn decide(
        &mut self,
        config: &Config,
        entitlements: &Entitlements,
        mut head: Parts,
        length: Option<u64>,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Outcome, Refusal> {
        strip_request(&mut head.headers)?;
        let classified = classify(&mut head, &config.domains())?;
        self.operation = Some(classified.operation());
        self.target = Some(classified.target().clone());
        let payload = Payload::plan(&head, length)?;
        let asked = match classified {
            Classified::Never(never) => return Err(never.refusal()),
            Classified::Whole(asked) => asked,
            Classified::Unread(unread) => {
                self.judge(unread.accesses(), entitlements);
                if let Err(stop) = config.policy.precheck(entitlements, &unread, &head.headers) {
                    // The data plane leaves the body unread here; for whoever asks it is worth a look.
                    if let Ok(asked) = unread.with_body(body) {
                        self.judge(asked.accesses(), entitlements);
                    }
                    return Ok(Outcome::Stopped(stop));
                }
                payload.check_document(unread.operation(), unread.document())?;
                unread.with_body(body)?
            }
        };
        self.judge(asked.accesses(), entitlements);
        let (permitted, additions) = match config.policy.decide(entitlements, asked, &head.headers, now) {
            Ok(decided) => decided,
            Err(stop) => return Ok(Outcome::Stopped(stop)),
        };
        payload.check_size(permitted.asked().operation(), &head.headers, config.limits.max_object_size)?;
        Ok(Outcome::Allowed { grant: permitted.grant().to_string(), additions })
    }

    fn judge(&mut self, accesses: &[Access], entitlements: &Entitlements) {
        let judge = |access: &Access| {
            let found = match entitlements.judge(access) {
                Judgement::Allowed(grant) => Found::Allowed(grant.to_string()),
                Judgement::Denied(grant) => Found::Denied(grant.to_string()),
                Judgement::NotGranted => Found::NotGranted,
                Judgement::Tolerated => Found::Tolerated,
            };
            (access.clone(), found)
        };
        self.accesses = accesses.iter().map(judge).collect();
    }
}

#[cfg(test)]
mod tests;
