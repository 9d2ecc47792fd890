//! The patch: RFC 6902 operations that only add. A list that is not there is made first; nothing that is there is
//! replaced or read back.

use serde_json::{Value, json};

use super::annotations::{HELPER_CONFIG, Wish};
use super::application::equip;
use super::pod::{Kind, Pod};
use super::{PREFIX, sidecar, volumes};
use crate::config::{CertificateSource, Injection};

/// A patch that does not fit what it is applied to.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// Not operations of RFC 6902.
    #[error("not a patch: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A path that is not there.
    #[error("the patch does not fit: {0}")]
    Misfit(#[from] json_patch::PatchError),
}

/// Applies a patch; on an error the document is as it was.
pub fn apply(document: &mut Value, patch: &[Value]) -> Result<(), PatchError> {
    let patch: json_patch::Patch = serde_json::from_value(patch.into())?;
    Ok(json_patch::patch(document, &patch)?)
}

/// Tells EKS's webhook for which containers it has nothing to do.
const SKIP_CONTAINERS: &str = "eks.amazonaws.com/skip-containers";

#[derive(Debug, Default)]
pub(super) struct Operations(Vec<Value>);

impl Operations {
    fn add(&mut self, path: &str, value: impl Into<Value>) {
        self.0.push(json!({"op": "add", "path": path, "value": value.into()}));
    }

    /// Adds items behind those of a list that may not be there.
    pub(super) fn append(&mut self, at: &str, list: &str, exists: bool, items: impl Iterator<Item = Value>) {
        if !exists {
            self.add(&format!("{at}/{list}"), Value::Array(Vec::new()));
        }
        for item in items {
            self.add(&format!("{at}/{list}/-"), item);
        }
    }
}

pub(super) fn patch(pod: &Pod<'_>, wish: &Wish, settings: &Injection) -> Vec<Value> {
    let mut operations = Operations::default();
    annotate(&mut operations, pod, wish, settings);
    let sidecars = sidecar::containers(wish, settings);
    let shift = sidecars.len();
    if pod.spec("initContainers").is_none_or(|list| !list.is_array()) {
        operations.add("/spec/initContainers", Value::Array(Vec::new()));
    }
    for (i, container) in sidecars.into_iter().enumerate() {
        operations.add(&format!("/spec/initContainers/{i}"), container);
    }
    let exist = pod.spec("volumes").is_some_and(Value::is_array);
    operations.append("/spec", "volumes", exist, volumes::all(wish, settings).into_iter());
    equip(&mut operations, pod, Kind::Init, shift, wish, settings);
    equip(&mut operations, pod, Kind::Main, 0, wish, settings);
    operations.0
}

fn annotate(operations: &mut Operations, pod: &Pod<'_>, wish: &Wish, settings: &Injection) {
    let mut annotations = Vec::new();
    if !wish.own_credentials && pod.annotation(SKIP_CONTAINERS).is_none() {
        let ours = sidecar::containers(wish, settings);
        let ours = ours.iter().filter_map(|container| container["name"].as_str());
        let names: Vec<_> = ours.chain(pod.containers().map(|container| container.name())).collect();
        annotations.push((SKIP_CONTAINERS.to_owned(), names.join(",")));
    }
    if wish.certificate == CertificateSource::Spiffe {
        annotations.push((format!("{PREFIX}{HELPER_CONFIG}"), volumes::helper_config(settings)));
    }
    if !annotations.is_empty() && pod.annotations().is_none() {
        operations.add("/metadata/annotations", Value::Object(serde_json::Map::new()));
    }
    for (name, value) in annotations {
        operations
            .add(&format!("/metadata/annotations/{}", name.replace('~', "~0").replace('/', "~1")), value);
    }
}
