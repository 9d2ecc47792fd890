//! What policies that were read come to, whoever wrote them: documents in canonical form, statement by statement. Where it
//! cannot be told for sure that a denial covers everything, it does not count.

use std::collections::BTreeSet;

use serde_json::Value;

use super::TrailSelectors;

/// What reads or changes data: one action of each kind.
const DATA: [&str; 4] = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"];
/// With any of these a role makes itself more than it is.
const WIDENING: [&str; 10] = [
    "iam:AttachRolePolicy",
    "iam:CreatePolicyVersion",
    "iam:CreateRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DetachRolePolicy",
    "iam:PassRole",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:UpdateAssumeRolePolicy",
];
/// Conditions that exempt AWS itself.
const SERVICES: [&str; 2] = ["aws:principalisawsservice", "aws:viaawsservice"];

/// Every statement, with its name where it has one.
fn statements(document: &Value) -> Vec<(Option<&str>, &Value)> {
    match &document["Statement"] {
        Value::Object(named) => named.iter().map(|(sid, it)| (Some(sid.as_str()), it)).collect(),
        Value::Array(all) => all.iter().map(|it| (it["Sid"].as_str(), it)).collect(),
        _ => Vec::new(),
    }
}

/// The statement of this name.
pub(super) fn named<'a>(document: &'a Value, sid: &str) -> Option<&'a Value> {
    statements(document).into_iter().find(|(name, _)| *name == Some(sid)).map(|(_, it)| it)
}

/// Whether a statement is there, under whatever name.
pub(super) fn has(document: &Value, wanted: &Value) -> bool {
    let nameless = |statement: &Value| {
        let mut statement = statement.clone();
        statement.as_object_mut().map(|fields| fields.remove("Sid"));
        statement
    };
    let wanted = nameless(wanted);
    statements(document).into_iter().any(|(_, it)| nameless(it) == wanted)
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// IAM's wildcards, `*` and `?`, in time proportional to pattern times text. Actions are compared without regard to case,
/// by whoever calls.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                // The last star takes one more.
                let Some((star, taken)) = back else { return false };
                (p, t, back) = (star + 1, taken + 1, Some((star, taken + 1)));
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

fn covers_action(statement: &Value, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    texts(&statement["Action"]).iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &action))
}

fn covers_resource(statement: &Value, resource: &str) -> bool {
    texts(&statement["Resource"]).iter().any(|pattern| fits(pattern, resource))
}

/// Denials that hold for everybody.
fn denials(document: &Value) -> impl Iterator<Item = &Value> {
    let everybody = |it: &Value| texts(&it["Principal"]["AWS"]).contains(&"*");
    statements(document)
        .into_iter()
        .map(|(_, it)| it)
        .filter(move |it| it["Effect"] == "Deny" && everybody(it))
}

/// Denials of everything on the bucket and on its keys; the last key stands for all of them.
fn whole_denials<'a>(document: &'a Value, bucket: &str) -> impl Iterator<Item = &'a Value> {
    let resources = [bucket.to_owned(), format!("{bucket}/any/key")];
    denials(document).filter(move |it| {
        let actions = texts(&it["Action"]);
        (actions.contains(&"s3:*") || actions.contains(&"*"))
            && resources.iter().all(|resource| covers_resource(it, resource))
    })
}

/// The one condition of a statement: operator, key and values. More than one would narrow the denial.
fn only_condition(statement: &Value) -> Option<(&str, &str, Vec<&str>)> {
    let operators = statement["Condition"].as_object().filter(|it| it.len() == 1)?;
    let (operator, keys) = operators.iter().next()?;
    let (key, values) = keys.as_object().filter(|it| it.len() == 1)?.iter().next()?;
    Some((operator, key, texts(values)))
}

pub(super) fn denies_plain(found: &Value, _wanted: &Value, bucket: &str) -> Result<String, String> {
    let is_it = |statement: &Value| {
        only_condition(statement).is_some_and(|(operator, key, values)| {
            ["Bool", "BoolIfExists"].contains(&operator)
                && key == "aws:securetransport"
                && values == ["false"]
        })
    };
    if whole_denials(found, bucket).any(is_it) {
        return Ok("everything without TLS is denied to everybody".to_owned());
    }
    Err("no statement denies everything without TLS to everybody".to_owned())
}

pub(super) fn denies_old_tls(found: &Value, _wanted: &Value, bucket: &str) -> Result<String, String> {
    let floor = |statement: &Value| {
        let (operator, key, values) = only_condition(statement)?;
        let fits = operator == "NumericLessThan" && key == "s3:tlsversion";
        values.first().filter(|_| fits && values.len() == 1)?.parse::<f64>().ok()
    };
    match whole_denials(found, bucket).filter_map(floor).reduce(f64::max) {
        Some(version) if version >= 1.2 => {
            Ok(format!("everything below TLS {version} is denied to everybody"))
        }
        Some(version) => Err(format!("only what is below TLS {version} is denied")),
        None => Err("no statement denies old versions of TLS to everybody".to_owned()),
    }
}

/// Data only from the endpoints that are declared; exempt are AWS's services and no further principals than are declared.
pub(super) fn denies_outside(found: &Value, wanted: &Value, bucket: &str) -> Result<String, String> {
    let Some(declared) = named(wanted, "DenyDataFromOutside").map(Fence::of) else {
        return Err("the declaration names no endpoint".to_owned());
    };
    let mut why = "no statement denies data to everybody who comes from elsewhere".to_owned();
    for statement in
        denials(found).filter(|it| it["Condition"]["StringNotEquals"]["aws:sourcevpce"].is_array())
    {
        match Fence::of(statement).within(&declared, statement, bucket) {
            Ok(said) => return Ok(said),
            Err(said) => why = said,
        }
    }
    Err(why)
}

/// Who comes through a denial by endpoint.
struct Fence<'a> {
    endpoints: BTreeSet<&'a str>,
    principals: BTreeSet<&'a str>,
    spares_services: bool,
    further: bool,
}

impl<'a> Fence<'a> {
    fn of(statement: &'a Value) -> Self {
        let condition = &statement["Condition"];
        let set = |value: &'a Value| texts(value).into_iter().collect();
        let mut further = false;
        for (operator, keys) in condition.as_object().into_iter().flatten() {
            for key in keys.as_object().into_iter().flatten().map(|(key, _)| key.as_str()) {
                further |= match operator.as_str() {
                    "StringNotEquals" => key != "aws:sourcevpce",
                    "ArnNotLike" | "ArnNotEquals" => key != "aws:principalarn",
                    "Bool" | "BoolIfExists" => !SERVICES.contains(&key),
                    _ => true,
                };
            }
        }
        let principals = ["ArnNotLike", "ArnNotEquals"].map(|it| &condition[it]["aws:principalarn"]);
        Self {
            endpoints: set(&condition["StringNotEquals"]["aws:sourcevpce"]),
            principals: principals.into_iter().flat_map(texts).collect(),
            spares_services: texts(&condition["BoolIfExists"][SERVICES[0]]) == ["false"],
            further,
        }
    }

    fn within(&self, declared: &Self, statement: &Value, bucket: &str) -> Result<String, String> {
        let names = |set: Vec<&&str>| set.into_iter().copied().collect::<Vec<_>>().join(", ");
        let covered = DATA.iter().all(|action| covers_action(statement, action))
            && [bucket.to_owned(), format!("{bucket}/any/key")]
                .iter()
                .all(|it| covers_resource(statement, it));
        if !covered {
            return Err(
                "the denial by endpoint does not cover all reading, writing, deleting and listing".to_owned()
            );
        }
        if self.further {
            return Err(
                "the denial by endpoint has further conditions, under which it does not hold".to_owned()
            );
        }
        let more: Vec<_> = self.endpoints.difference(&declared.endpoints).collect();
        if !more.is_empty() {
            return Err(format!("endpoints that are not declared are let in: {}", names(more)));
        }
        let more: Vec<_> = self.principals.difference(&declared.principals).collect();
        if !more.is_empty() {
            return Err(format!(
                "principals that are not declared are let in from anywhere: {}",
                names(more)
            ));
        }
        let less: Vec<_> = declared.principals.difference(&self.principals).collect();
        if !less.is_empty() || !self.spares_services {
            let services = if self.spares_services { "" } else { " AWS's services" };
            return Err(format!("it locks out whom it must not:{services} {}", names(less)));
        }
        Ok(format!("data only from {}", names(self.endpoints.iter().collect())))
    }
}

/// The first pattern by which a document, or any document of an object of them, allows a role to widen itself.
pub(super) fn widens(found: &Value) -> Option<String> {
    if found["Statement"].is_null() {
        return found.as_object()?.values().find_map(widens);
    }
    statements(found).into_iter().map(|(_, it)| it).filter(|it| it["Effect"] == "Allow").find_map(|it| {
        if it["NotAction"].is_array() {
            return Some("everything but a few actions (NotAction)".to_owned());
        }
        WIDENING.iter().find(|action| covers_action(it, action)).map(ToString::to_string)
    })
}

/// Whether a trail records deletions of these keys.
pub(super) fn records_deletions(trail: &TrailSelectors, keys: &str) -> bool {
    let basic = |resource: &Value| {
        resource["Type"] == "AWS::S3::Object"
            && resource["ReadWriteType"] != "ReadOnly"
            && texts(&resource["Values"]).iter().any(|value| keys.starts_with(value))
    };
    let advanced = |selector: &Value| {
        let fields = || selector.as_array().into_iter().flatten();
        let is = |field: &str, value: &str| {
            fields().any(|it| it["Field"] == field && texts(&it["Equals"]).contains(&value))
        };
        // Every further field narrows what is recorded.
        is("eventCategory", "Data")
            && is("resources.type", "AWS::S3::Object")
            && fields().all(|it| match it["Field"].as_str().unwrap_or_default() {
                "eventCategory" | "resources.type" => true,
                "readOnly" => texts(&it["Equals"]) == ["false"],
                "eventName" => {
                    let names = texts(&it["Equals"]);
                    ["DeleteObject", "DeleteObjects"].iter().all(|name| names.contains(name))
                }
                "resources.ARN" => texts(&it["StartsWith"]).iter().any(|value| keys.starts_with(value)),
                _ => false,
            })
    };
    trail.basic.iter().any(basic) || trail.advanced.iter().any(advanced)
}

#[cfg(test)]
mod tests;
