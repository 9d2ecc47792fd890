//! Manifests as files: several documents of YAML or JSON, in which pods stand by themselves, in templates or in lists.
//! Documents in which nothing is to be done stay as they are, byte for byte.

use serde_json::Value;

use super::{LABEL, Refusal, apply, inject, patch::PatchError, yaml};
use crate::config::Injection;

/// What speaks against a file of manifests. Nothing of it has been changed.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A document that cannot be read.
    #[error("document {number} (line {line}): {why}")]
    Unreadable {
        /// Counted from 1.
        number: usize,
        /// Where it starts.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Pods that ask for a sidecar and cannot have it.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// Our own patch, which is an error of ours.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// The manifests with sidecars added, and what their authors should know.
pub fn manifests(text: &str, settings: &Injection) -> Result<(String, Vec<String>), ManifestError> {
    let mut pass = Pass { settings, refused: Vec::new(), warnings: Vec::new(), changed: false };
    let mut out = String::with_capacity(text.len() * 2);
    if let Some(documents) = json(text) {
        for mut document in documents {
            pass.document(&mut document)?;
            out.extend([format!("{document:#}"), "\n".to_owned()]);
        }
        if !pass.changed {
            text.clone_into(&mut out);
        }
    } else {
        for (number, document) in documents(text).into_iter().enumerate() {
            let unreadable = |why| ManifestError::Unreadable { number: number + 1, line: document.line, why };
            let mut value = yaml::read(document.body).map_err(unreadable)?;
            pass.changed = false;
            pass.document(&mut value)?;
            out.push_str(document.separator);
            if pass.changed { out.push_str(&yaml::write(&value)) } else { out.push_str(document.body) }
        }
    }
    if pass.refused.is_empty() { Ok((out, pass.warnings)) } else { Err(ManifestError::Refused(pass.refused)) }
}

/// Documents of JSON, one behind the other, if that is what it is.
fn json(text: &str) -> Option<Vec<Value>> {
    let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    documents.ok().filter(|documents| !documents.is_empty() && documents.iter().all(Value::is_object))
}

/// One document of YAML with the line in front of it.
struct Document<'a> {
    separator: &'a str,
    body: &'a str,
    line: usize,
}

/// Splits at lines that start with `---`: in YAML no other line can.
fn documents(text: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let (mut separator, mut start, mut at, mut line) = ("", 0, 0, 1);
    for (number, piece) in text.split_inclusive('\n').enumerate() {
        if piece.trim_end() == "---" || piece.starts_with("--- ") {
            if at > 0 {
                found.push(Document { separator, body: &text[start..at], line });
            }
            // What stands behind `--- ` belongs to the document, but for a comment.
            let cut = if piece.trim_end() == "---" || piece[4..].trim_start().starts_with('#') {
                piece.len()
            } else {
                4
            };
            (separator, start, line) = (&text[at..at + cut], at + cut, number + 1);
        }
        at += piece.len();
    }
    found.push(Document { separator, body: &text[start..], line });
    found
}

struct Pass<'a> {
    settings: &'a Injection,
    refused: Vec<String>,
    warnings: Vec<String>,
    changed: bool,
}

impl Pass<'_> {
    fn document(&mut self, document: &mut Value) -> Result<(), ManifestError> {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(items) =
            document.get_mut("items").and_then(Value::as_array_mut).filter(|_| kind.ends_with("List"))
        {
            return items.iter_mut().try_for_each(|item| self.document(item));
        }
        let name = title(&kind, document);
        let Some(pod) = pod_of(&kind, document) else { return Ok(()) };
        match inject(pod, self.settings) {
            Err(refusals) => {
                self.refused.extend(refusals.iter().map(|refusal: &Refusal| format!("{name}: {refusal}")));
            }
            Ok(injected) => {
                self.changed |= !injected.patch.is_empty();
                self.warnings.extend(injected.warnings.iter().map(|warning| format!("{name}: {warning}")));
                apply(pod, &injected.patch)?;
            }
        }
        if kind != "Pod" && says_true(document) && !pod_of(&kind, document).is_some_and(|pod| says_true(pod))
        {
            let warning = format!("{name}: the label {LABEL} has to stand in the pod template's metadata");
            self.warnings.push(warning);
        }
        Ok(())
    }
}

fn says_true(object: &Value) -> bool {
    let label =
        |object: &Value| Some(object.get("metadata")?.get("labels")?.get(LABEL)?.as_str() == Some("true"));
    label(object).unwrap_or_default()
}

/// `Deployment reports/api`.
fn title(kind: &str, document: &Value) -> String {
    let meta =
        |key: &str| document.get("metadata").and_then(|meta| meta.get(key)?.as_str()).unwrap_or_default();
    let (namespace, name) = (meta("namespace"), meta("name"));
    let name = if name.is_empty() { meta("generateName") } else { name };
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

fn pod_of<'a>(kind: &str, document: &'a mut Value) -> Option<&'a mut Value> {
    let path: &[&str] = match kind {
        "Pod" => &[],
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
            &["spec", "template"]
        }
        "CronJob" => &["spec", "jobTemplate", "spec", "template"],
        _ => return None,
    };
    path.iter().try_fold(document, |at, key| at.get_mut(key)).filter(|pod| pod.is_object())
}
