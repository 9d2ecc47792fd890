//! Floor 4: the sidecar in other people's pods. What a pod asks for and what is added to it is decided here as values:
//! a pod in, a patch or refusals out. The webhook, `proxy inject` and the chart's admission policies lead to the same.
//!
//! A pod is JSON as it came, never a typed one: a round trip would lose what this version does not know.

mod annotations;
mod application;
mod authority;
mod manifest;
mod obstacles;
mod patch;
mod pod;
mod present;
mod registration;
mod review;
mod server;
mod sidecar;
mod volumes;
mod yaml;

use std::fmt;

use serde_json::Value;

use crate::config::Injection;
use annotations::Wish;
use pod::Pod;

pub use authority::{Authority, AuthorityError, Leaf};
pub use manifest::{ManifestError, manifests};
pub use patch::{PatchError, apply};
pub use registration::{Registration, RegistrationError};
pub use review::{Endpoint, MAX_REVIEW, Nonsense, Reviewed, review};
pub use server::{Listener, serve};

/// Asks for a sidecar, as a pod's label (and its namespace's), and refuses it by `"false"`.
pub const LABEL: &str = "s3-access-proxy.io/inject";
/// Where the annotations are.
const PREFIX: &str = "s3-access-proxy.io/";

/// What becomes of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    /// RFC 6902 operations, none where nothing is to be done.
    pub patch: Vec<Value>,
    /// What the pod's author should know.
    pub warnings: Vec<String>,
}

/// Why a pod that asks for a sidecar does not get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which label, annotation or field.
    pub what: String,
    /// What is wrong with it, and how to mend it.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// What a label asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Sidecar,
}

fn asked(pod: &Pod<'_>) -> Result<Asked, Refusal> {
    match pod.label(LABEL) {
        None => Ok(Asked::Nothing),
        Some(value) => match value.as_str() {
            Some("true") => Ok(Asked::Sidecar),
            Some("false") => Ok(Asked::Nothing),
            text => Err(Refusal {
                what: format!("label {LABEL}"),
                why: format!(
                    "'{}' is neither \"true\" nor \"false\"",
                    text.unwrap_or("a value without quotes")
                ),
            }),
        },
    }
}

/// What to add to a pod, or everything that speaks against it. A pod that has its sidecar stays as it is.
pub fn inject(pod: &Value, settings: &Injection) -> Result<Injected, Vec<Refusal>> {
    let pod = Pod::new(pod);
    let nothing = Injected { patch: Vec::new(), warnings: Vec::new() };
    if asked(&pod).map_err(|refusal| vec![refusal])? == Asked::Nothing {
        return Ok(nothing);
    }
    let (wish, mut refusals) = Wish::read(&pod, settings);
    refusals.extend(obstacles::find(&pod, &wish, settings));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    if pod.is_injected() {
        return Ok(nothing);
    }
    Ok(Injected { patch: patch::patch(&pod, &wish, settings), warnings: application::warnings(&pod, &wish) })
}

/// What speaks against a pod as it is about to be stored: that it has no sidecar although it asks for one, or that its
/// sidecar has been changed into something that would not work.
pub fn check(pod: &Value, settings: &Injection) -> Result<(), Vec<Refusal>> {
    let pod = Pod::new(pod);
    if asked(&pod).map_err(|refusal| vec![refusal])? == Asked::Nothing {
        return Ok(());
    }
    let (wish, mut refusals) = Wish::read(&pod, settings);
    refusals.extend(obstacles::find(&pod, &wish, settings));
    if refusals.is_empty() {
        refusals.extend(present::missing(&pod, &wish));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}
