//! What only the account can say, as marks in text and in policy documents, and their resolution.
//!
//! A mark is `{{…}}`, which neither ARNs nor IAM's own variables (`${…}`) contain; declared text with `{{` in it is
//! refused, so a mark is always ours.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Something that AWS gives out when it is made, or that belongs to what was there before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The ARN of the deployment's own KMS key.
    KeyArn,
    /// The ID of the S3 gateway endpoint, `vpce-…`.
    EndpointId,
    /// The cluster's OIDC issuer without `https://`.
    OidcIssuer,
}

/// No mark of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fact: one of key_arn, endpoint_id, oidc_issuer")]
pub struct UnknownFact;

impl Fact {
    const fn name(&self) -> &'static str {
        match self {
            Self::KeyArn => "key_arn",
            Self::EndpointId => "endpoint_id",
            Self::OidcIssuer => "oidc_issuer",
        }
    }
}

impl FromStr for Fact {
    type Err = UnknownFact;

    fn from_str(name: &str) -> Result<Self, UnknownFact> {
        let all = [Self::KeyArn, Self::EndpointId, Self::OidcIssuer];
        all.into_iter().find(|fact| fact.name() == name).ok_or(UnknownFact)
    }
}

/// The mark that stands for it.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{}}}}}", self.name())
    }
}

/// Facts that are not known yet; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved(pub BTreeSet<Fact>);

/// Pieces of text: literal, or a fact.
fn pieces(text: &str) -> Vec<Result<&str, Fact>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((name, after)) = behind.split_once("}}") else { break };
        let Ok(fact) = name.parse() else { break };
        pieces.extend([Ok(before), Err(fact)]);
        rest = after;
    }
    pieces.push(Ok(rest));
    pieces
}

/// Every fact that a document depends on.
pub fn facts(document: &Value) -> BTreeSet<Fact> {
    match document {
        Value::String(text) => pieces(text).into_iter().filter_map(Result::err).collect(),
        Value::Array(items) => items.iter().flat_map(facts).collect(),
        Value::Object(fields) => {
            let keys = fields.keys().flat_map(|key| pieces(key).into_iter().filter_map(Result::err));
            keys.chain(fields.values().flat_map(facts)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => BTreeSet::new(),
    }
}

/// Text with its facts filled in.
pub fn resolve_text(text: &str, known: &impl Fn(&Fact) -> Option<String>) -> Result<String, Unresolved> {
    let (mut resolved, mut missing) = (String::new(), BTreeSet::new());
    for piece in pieces(text) {
        match piece {
            Ok(literal) => resolved.push_str(literal),
            Err(fact) => match known(&fact) {
                Some(value) => resolved.push_str(&value),
                None => drop(missing.insert(fact)),
            },
        }
    }
    if missing.is_empty() { Ok(resolved) } else { Err(Unresolved(missing)) }
}

/// A document with its facts filled in, in values and in keys (conditions on the issuer have it in their key).
pub fn resolve(document: &Value, known: &impl Fn(&Fact) -> Option<String>) -> Result<Value, Unresolved> {
    let missing: BTreeSet<Fact> = facts(document).into_iter().filter(|fact| known(fact).is_none()).collect();
    if missing.is_empty() { Ok(filled(document, known)) } else { Err(Unresolved(missing)) }
}

/// Where every fact is known.
fn filled(document: &Value, known: &impl Fn(&Fact) -> Option<String>) -> Value {
    let text = |text: &str| resolve_text(text, known).unwrap_or_default();
    match document {
        Value::String(value) => Value::String(text(value)),
        Value::Array(items) => items.iter().map(|item| filled(item, known)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (text(key), filled(value, known))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_are_found_and_filled_in_wherever_they_stand() {
        let document =
            json!({ "{{oidc_issuer}}:aud": ["x/{{key_arn}}/{{endpoint_id}}", "${aws:username} {{other}}"] });
        assert_eq!(facts(&document), BTreeSet::from([Fact::KeyArn, Fact::EndpointId, Fact::OidcIssuer]));
        let known = |fact: &Fact| Some(format!("<{}>", fact.name()));
        let expected =
            json!({ "<oidc_issuer>:aud": ["x/<key_arn>/<endpoint_id>", "${aws:username} {{other}}"] });
        assert_eq!(resolve(&document, &known), Ok(expected));
        let half = |fact: &Fact| (*fact == Fact::KeyArn).then(|| "k".to_owned());
        let missing = Unresolved(BTreeSet::from([Fact::EndpointId, Fact::OidcIssuer]));
        assert_eq!(resolve(&document, &half), Err(missing));
    }
}
