//! JSON as YAML in the order in which people read templates and policies.

use saphyr::{Mapping, Scalar, Yaml, YamlEmitter};
use serde_json::{Map, Value};

/// What is read before the rest, in this order; the rest is in the order of the alphabet.
const FIRST: [&str; 14] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Parameters",
    "Type",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "DependsOn",
    "Version",
    "Sid",
    "Effect",
    "Principal",
    "Action",
    "Resource",
    "Id",
];

pub(super) fn text(value: &Value) -> String {
    let mut text = String::new();
    let mut emitter = YamlEmitter::new(&mut text);
    emitter.multiline(true);
    // Writing to a string cannot fail.
    let _ = emitter.dump(&yaml(value));
    text.trim_start_matches("---\n").to_owned() + "\n"
}

fn yaml(value: &Value) -> Yaml<'_> {
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(value) => Yaml::Value(Scalar::Boolean(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Yaml::Value(Scalar::Integer(number)),
            None => Yaml::Value(Scalar::String(number.to_string().into())),
        },
        Value::String(text) => Yaml::Value(Scalar::String(text.as_str().into())),
        Value::Array(items) => Yaml::Sequence(items.iter().map(yaml).collect()),
        Value::Object(fields) => Yaml::Mapping(mapping(fields)),
    }
}

fn mapping(fields: &Map<String, Value>) -> Mapping<'_> {
    let rank = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    let mut ordered: Vec<(&String, &Value)> = fields.iter().collect();
    ordered.sort_by_key(|(key, _)| (rank(key), *key));
    ordered
        .into_iter()
        .map(|(key, value)| (Yaml::Value(Scalar::String(key.as_str().into())), yaml(value)))
        .collect()
}
