//! The CloudFormation template: one resource after the other, in terms of what is desired.

mod alerts;
mod cluster;
mod identity;
mod network;
mod storage;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::reference::References;
use crate::spec::{Desired, EndpointMode};

pub(super) fn template(desired: &Desired) -> Value {
    let references = References {
        own_endpoint: desired.endpoint.mode == EndpointMode::Ensure,
        own_cluster: desired.cluster.create.is_some(),
    };
    let mut template =
        Template { desired, references, parameters: Map::new(), resources: Map::new(), outputs: Map::new() };
    storage::write(&mut template);
    identity::write(&mut template);
    alerts::write(&mut template);
    network::write(&mut template);
    cluster::write(&mut template);
    let mut whole = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("The AWS side of {}: buckets, roles and the way to S3", desired.name),
        "Resources": template.resources,
        "Outputs": template.outputs,
    });
    if !template.parameters.is_empty() {
        whole["Parameters"] = template.parameters.into();
    }
    whole
}

struct Template<'d> {
    desired: &'d Desired,
    references: References,
    parameters: Map<String, Value>,
    resources: Map<String, Value>,
    outputs: Map<String, Value>,
}

impl Template<'_> {
    fn resource(&mut self, id: &str, kind: &str, properties: Value) {
        let fields =
            [("Type".to_owned(), format!("AWS::{kind}").into()), ("Properties".to_owned(), properties)];
        self.resources.insert(id.to_owned(), Value::Object(Map::from_iter(fields)));
    }

    /// A resource that is made after others which its properties do not name.
    fn after(&mut self, id: &str, others: Vec<String>) {
        if let Some(resource) = self.resources.get_mut(id).filter(|_| !others.is_empty()) {
            resource["DependsOn"] = others.into();
        }
    }

    /// A resource that outlives the stack: deleting a stack must not lose data.
    fn keep(&mut self, id: &str) {
        if let Some(resource) = self.resources.get_mut(id) {
            // A stack whose first deployment fails takes its own, empty, things away again.
            resource["DeletionPolicy"] = "RetainExceptOnCreate".into();
            resource["UpdateReplacePolicy"] = "Retain".into();
        }
    }

    fn parameter(&mut self, id: &str, kind: &str, description: &str) {
        self.parameters.insert(id.to_owned(), json!({ "Type": kind, "Description": description }));
    }

    fn output(&mut self, id: &str, description: &str, value: Value) {
        let fields = [("Description".to_owned(), description.into()), ("Value".to_owned(), value)];
        self.outputs.insert(id.to_owned(), Value::Object(Map::from_iter(fields)));
    }

    /// The deployment's tags, and others.
    fn tags(&self, others: &BTreeMap<String, String>) -> Value {
        let all: BTreeMap<_, _> = self.desired.tags.iter().chain(others).collect();
        all.into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
    }

    fn own_tags(&self) -> Value {
        self.tags(&BTreeMap::new())
    }

    fn named(&self, name: &str) -> Value {
        self.tags(&BTreeMap::from([("Name".to_owned(), format!("{}-{name}", self.desired.name))]))
    }
}

fn reference(id: &str) -> Value {
    json!({ "Ref": id })
}

fn attribute(id: &str, attribute: &str) -> Value {
    json!({ "Fn::GetAtt": [id, attribute] })
}

/// A logical ID out of a name: letters and digits, each word with a capital. `data-1` and `data1` would be the same, so what
/// does not come apart again at its capitals has a digest.
fn logical(kind: &str, name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    let id = words.fold(kind.to_owned(), |id, word| id + &capital(word));
    let comes_apart = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.split('-').all(comes_apart) { id } else { id + "X" + &hex::encode(&Sha256::digest(name)[..4]) }
}

/// The logical ID of a bucket's policy: no bucket's own, whatever its base.
fn policy_of_bucket(base: &str) -> String {
    logical("PolicyOfBucket", base)
}
