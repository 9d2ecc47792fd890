//! Whether a pod that asked for a sidecar has it, and whether it would still run as one. Other webhooks have been seen
//! to drop `restartPolicy` from init containers (pod-identity-webhook#208, datadog#37837): the pod would then wait for
//! ever for a proxy to end.

use super::annotations::Wish;
use super::pod::{BRIDGE, HELPER, Kind, PROXY, Pod};
use super::{LABEL, Refusal};
use crate::config::{CertificateSource, Mode};

pub(super) fn missing(pod: &Pod<'_>, wish: &Wish) -> Vec<Refusal> {
    let mut wanted = Vec::new();
    if wish.certificate == CertificateSource::Spiffe {
        wanted.push(HELPER);
    }
    if wish.mode == Mode::Sidecar {
        wanted.push(PROXY);
    }
    if wish.has_bridge() {
        wanted.push(BRIDGE);
    }
    wanted.into_iter().filter_map(|name| problem(pod, name)).collect()
}

fn problem(pod: &Pod<'_>, name: &str) -> Option<Refusal> {
    let refusal = |why: String| Some(Refusal { what: "spec.initContainers".to_owned(), why });
    match pod.of_kind(Kind::Init).find(|container| container.name() == name) {
        None => refusal(format!(
            "{name} is missing although the label {LABEL} asks for it; is injection on here?"
        )),
        Some(container) if container.text("restartPolicy") == Some("Always") => None,
        Some(_) => {
            refusal(format!("{name} has lost restartPolicy: Always; which other webhook changes the pod?"))
        }
    }
}
