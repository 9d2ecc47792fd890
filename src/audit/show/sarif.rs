//! SARIF 2.1.0, which code scanning and many dashboards read.

use serde_json::{Value, json};

/// One kind of thing that can be found.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// An error rather than a warning.
    pub(crate) grave: bool,
}

/// What was found of a kind.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) rule: &'static str,
    pub(crate) level: Level,
    pub(crate) message: String,
    /// How often; `None` where that makes no sense.
    pub(crate) count: Option<u64>,
    /// What was read.
    pub(crate) read: String,
    /// Where it was found, as URIs, each with a sentence.
    pub(crate) places: Vec<(String, String)>,
}

/// How much an outcome matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    /// It could not be decided.
    Open,
}

impl Level {
    pub(crate) const fn of(grave: bool) -> Self {
        if grave { Self::Error } else { Self::Warning }
    }
}

pub(crate) fn log(rules: &[Rule], outcomes: &[Outcome]) -> Value {
    let described = |rule: &Rule| {
        json!({
            "id": rule.id,
            "shortDescription": { "text": rule.title },
            "defaultConfiguration": { "level": if rule.grave { "error" } else { "warning" } },
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "s3-access-proxy audit",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(described).collect::<Vec<_>>(),
            } },
            "results": outcomes.iter().map(|outcome| result(rules, outcome)).collect::<Vec<_>>(),
        }],
    })
}

fn result(rules: &[Rule], outcome: &Outcome) -> Value {
    let (kind, level) = match outcome.level {
        Level::Error => ("fail", "error"),
        Level::Warning => ("fail", "warning"),
        Level::Open => ("open", "none"),
    };
    let related = outcome.places.iter().enumerate().map(|(id, (uri, text))| {
        let mut place = location(uri);
        place["id"] = id.into();
        place["message"] = json!({ "text": text });
        place
    });
    let mut result = json!({
        "ruleId": outcome.rule,
        "kind": kind,
        "level": level,
        "message": { "text": outcome.message },
        "locations": [location(&outcome.read)],
        "relatedLocations": related.collect::<Vec<_>>(),
    });
    if let Some(at) = rules.iter().position(|rule| rule.id == outcome.rule) {
        result["ruleIndex"] = at.into();
    }
    if let Some(count) = outcome.count {
        result["occurrenceCount"] = count.max(1).into();
    }
    result
}

fn location(uri: &str) -> Value {
    json!({ "physicalLocation": { "artifactLocation": { "uri": uri } } })
}

/// An object as a URI.
pub(crate) fn object(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{}", uri(key))
}

/// What was read, as a URI or a reference.
pub(crate) fn read(place: &str) -> String {
    place.strip_prefix("s3://").map_or_else(|| uri(place), |rest| format!("s3://{}", uri(rest)))
}

fn uri(path: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PLAIN: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'=');
    utf8_percent_encode(path, PLAIN).to_string()
}
