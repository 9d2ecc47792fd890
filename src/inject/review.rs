//! An `AdmissionReview` (`admission.k8s.io/v1`) in, its answer out; bytes to bytes, without IO. A dry run is answered like
//! any other: there are no side effects.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, check, inject};
use crate::config::Injection;

/// Bytes of a review. The API server takes requests of 3 MiB, and a review may hold an object twice.
pub const MAX_REVIEW: usize = 8 * 1024 * 1024;

/// What a review is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// To change the pod.
    Mutate,
    /// To say whether it may be stored.
    Validate,
}

impl Endpoint {
    /// As a metric label, and as its path without the slash.
    pub fn as_str(self) -> &'static str {
        match self {
            Endpoint::Mutate => "mutate",
            Endpoint::Validate => "validate",
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reviewed {
    /// The document.
    pub body: Vec<u8>,
    /// How it came out, as a metric label: `injected`, `unchanged` or `refused`.
    pub result: &'static str,
}

/// A body that is no review, with what is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Nonsense {
    /// Not JSON, or not of that form.
    #[error("not an AdmissionReview: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Of another version.
    #[error("an AdmissionReview of admission.k8s.io/v1 with a request is needed")]
    Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: String,
    kind: String,
    request: Option<Request>,
}

#[derive(Deserialize)]
struct Request {
    uid: String,
    kind: Kind,
    operation: String,
    #[serde(default)]
    object: Value,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    kind: String,
}

/// Answers a review.
pub fn review(endpoint: Endpoint, body: &[u8], settings: &Injection) -> Result<Reviewed, Nonsense> {
    let review: Review = serde_json::from_slice(body)?;
    if review.api_version != "admission.k8s.io/v1" || review.kind != "AdmissionReview" {
        return Err(Nonsense::Version);
    }
    let request = review.request.ok_or(Nonsense::Version)?;
    let (result, mut response) = decide(endpoint, &request, settings);
    response["uid"] = request.uid.into();
    let answer = json!({"apiVersion": review.api_version, "kind": review.kind, "response": response});
    Ok(Reviewed { body: serde_json::to_vec(&answer)?, result })
}

/// Whatever is no new pod is none of our business, however it came here.
fn decide(endpoint: Endpoint, request: &Request, settings: &Injection) -> (&'static str, Value) {
    let is_pod = request.kind.group.is_empty() && request.kind.kind == "Pod";
    if !is_pod || request.operation != "CREATE" {
        return ("unchanged", json!({"allowed": true}));
    }
    let decided = match endpoint {
        Endpoint::Mutate => inject(&request.object, settings).map(Some),
        Endpoint::Validate => check(&request.object, settings).map(|()| None),
    };
    match decided {
        Err(refusals) => ("refused", refuse(&refusals)),
        Ok(Some(injected)) if !injected.patch.is_empty() => {
            let patch = STANDARD.encode(Value::from(injected.patch).to_string());
            let mut response = json!({"allowed": true, "patchType": "JSONPatch", "patch": patch});
            if !injected.warnings.is_empty() {
                response["warnings"] = injected.warnings.into();
            }
            ("injected", response)
        }
        Ok(_) => ("unchanged", json!({"allowed": true})),
    }
}

fn refuse(refusals: &[Refusal]) -> Value {
    let all: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    json!({"allowed": false, "status": {"code": 403, "reason": "Forbidden", "message": all.join("; ")}})
}
