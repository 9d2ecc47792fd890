//! The YAML file as a tree of text with line numbers, and the environment laid over it.

use saphyr::{MarkedYaml, ScalarStyle, YamlData, YamlLoader};
use saphyr_parser::Parser;

use super::reader::Problem;

/// Where a value was written, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Line(usize),
    Variable(String),
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Node {
    /// The value as JSON. YAML's plain words stay text: who reads the JSON has no use for other scalars.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Scalar(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(pairs) => pairs.iter().map(|(key, node)| (key.clone(), node.to_json())).collect(),
        }
    }

    /// Where the value of a key path such as `buckets[0].name` stands, or the nearest value around it.
    pub(super) fn origin_of(&self, path: &str) -> Origin {
        let mut node = self;
        for step in path.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
            let next = match &node.value {
                Value::Map(pairs) => pairs.iter().find(|(key, _)| key == step).map(|(_, node)| node),
                Value::List(items) => step.parse().ok().and_then(|at: usize| items.get(at)),
                Value::Null | Value::Scalar(_) => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        node.origin.clone()
    }
}

/// Variables that override the file start with this.
const PREFIX: &str = "S3PROXY_";

/// Kubernetes gives every container variables for each Service of the namespace (`<NAME>_SERVICE_HOST`,
/// `<NAME>_PORT_80_TCP` …); for one named `s3proxy` or `s3proxy-…` they start with our prefix and are none of ours. No
/// key of the configuration is called so.
fn is_service_link(rest: &str) -> bool {
    let rest = format!("_{rest}");
    rest.ends_with("_SERVICE_HOST")
        || rest.contains("_SERVICE_PORT")
        || rest.ends_with("_PORT")
        || rest.contains("_PORT_")
}

/// Parses the file and lays the variables over it.
pub(super) fn read(text: &str, environment: &[(String, String)]) -> Result<Node, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut root = match parse(text) {
        Ok(Node { value: Value::Null, origin }) => Node { value: Value::Map(Vec::new()), origin },
        Ok(node) => node,
        Err(problem) => return Err(vec![problem]),
    };
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| !is_service_link(rest)) else { continue };
        let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        match parse(value) {
            Ok(mut node) => {
                stamp(&mut node, &Origin::Variable(name.clone()));
                put(&mut root, &path, node);
            }
            Err(problem) => problems.push(Problem { path: path.join("."), origin: None, ..problem }),
        }
    }
    if problems.is_empty() { Ok(root) } else { Err(problems) }
}

fn parse(text: &str) -> Result<Node, Problem> {
    let broken = |message: String, line| Problem { path: String::new(), origin: line, message };
    let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
    // Text stays text: an account `012345678901` is not a number.
    loader.early_parse(false);
    // Repeated parts may be anchored, but a few lines must not grow into gigabytes.
    loader.alias_limit(10_000);
    let scanned = Parser::new_from_str(text).load(&mut loader, true);
    if let Err(error) =
        scanned.as_ref().map_err(Some).and_then(|()| loader.error().map_or(Ok(()), |e| Err(Some(e))))
        && let Some(error) = error
    {
        let line = Origin::Line(error.marker().line());
        return Err(broken(format!("not valid YAML: {}", error.info()), Some(line)));
    }
    let mut documents = loader.into_documents();
    match documents.len() {
        0 => Ok(Node { value: Value::Null, origin: Origin::Line(1) }),
        1 => convert(&documents.remove(0)),
        _ => Err(broken("there is more than one YAML document".to_owned(), None)),
    }
}

fn convert(yaml: &MarkedYaml<'_>) -> Result<Node, Problem> {
    let origin = Origin::Line(yaml.span.start.line());
    let unsupported = |what: &str| Problem {
        path: String::new(),
        origin: Some(origin.clone()),
        message: format!("{what} are not supported"),
    };
    let value = match &yaml.data {
        YamlData::Representation(text, ScalarStyle::Plain, None)
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL") =>
        {
            Value::Null
        }
        YamlData::Representation(text, _, None) => Value::Scalar(text.to_string()),
        YamlData::Sequence(items) => Value::List(items.iter().map(convert).collect::<Result<_, _>>()?),
        YamlData::Mapping(pairs) => {
            let mut map: Vec<(String, Node)> = Vec::new();
            for (key, value) in pairs {
                let YamlData::Representation(name, _, None) = &key.data else {
                    return Err(unsupported("keys that are not text"));
                };
                if map.iter().any(|(other, _)| **other == **name) {
                    let message = format!("the key '{name}' occurs twice");
                    let origin = Some(Origin::Line(key.span.start.line()));
                    return Err(Problem { path: String::new(), origin, message });
                }
                map.push((name.to_string(), convert(value)?));
            }
            Value::Map(map)
        }
        YamlData::BadValue => Value::Null,
        _ => return Err(unsupported("YAML tags")),
    };
    Ok(Node { value, origin })
}

fn stamp(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| stamp(item, origin)),
        Value::Map(pairs) => pairs.iter_mut().for_each(|(_, value)| stamp(value, origin)),
    }
}

/// Sets the value at a path, making maps on the way. A scalar in the way is replaced.
fn put(at: &mut Node, path: &[String], node: Node) {
    let Some((key, rest)) = path.split_first() else {
        *at = node;
        return;
    };
    if !matches!(at.value, Value::Map(_)) {
        at.value = Value::Map(Vec::new());
    }
    let Value::Map(pairs) = &mut at.value else { return };
    let index = pairs.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
        pairs.push((key.clone(), Node { value: Value::Null, origin: node.origin.clone() }));
        pairs.len() - 1
    });
    put(&mut pairs[index].1, rest, node);
}
