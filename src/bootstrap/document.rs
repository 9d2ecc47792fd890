//! Policy documents in one form, so that two that mean the same are equal: AWS and people write one value or a list,
//! an account by its number or its root ARN, statements and lists in any order.

use serde_json::{Map, Value};

/// A document in canonical form: statements by their `Sid` where all have one of their own, else sorted.
pub(super) fn canonical(document: &Value) -> Value {
    let Value::Object(fields) = document else { return document.clone() };
    let mut canonical = Map::new();
    let version = fields.get("Version").cloned().unwrap_or_else(|| "2008-10-17".into());
    canonical.insert("Version".into(), version);
    canonical.insert("Statement".into(), statements(fields.get("Statement").unwrap_or(&Value::Null)));
    Value::Object(canonical)
}

/// The text that AWS stores; what is no JSON is compared as it is. IAM gives it out percent-encoded.
pub(super) fn parse(text: &str) -> Value {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8().unwrap_or(text.into());
    let text = if text.trim_start().starts_with('{') { text } else { &decoded };
    serde_json::from_str(text).map_or_else(|_| Value::String(text.to_owned()), |parsed| canonical(&parsed))
}

fn statements(value: &Value) -> Value {
    let each = list(value).iter().map(statement).collect::<Vec<Value>>();
    let sids: Vec<&str> = each.iter().filter_map(|s| s["Sid"].as_str()).collect();
    let mut distinct = sids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == each.len() {
        let named = each.iter().zip(&sids).map(|(statement, sid)| {
            let mut statement = statement.clone();
            statement.as_object_mut().map(|fields| fields.remove("Sid"));
            ((*sid).to_owned(), statement)
        });
        return Value::Object(named.collect());
    }
    sorted(each)
}

fn statement(value: &Value) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    let each = fields.iter().map(|(name, value)| {
        let value = match name.as_str() {
            "Action" | "NotAction" | "Resource" | "NotResource" => sorted(list(value)),
            "Principal" | "NotPrincipal" => principal(value),
            "Condition" => condition(value),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(each.collect())
}

fn principal(value: &Value) -> Value {
    match value {
        Value::String(any) if any == "*" => serde_json::json!({ "AWS": ["*"] }),
        Value::Object(kinds) => kinds
            .iter()
            .map(|(kind, names)| (kind.clone(), sorted(list(names).iter().map(account_root).collect())))
            .collect(),
        other => other.clone(),
    }
}

/// `123456789012` and `arn:aws:iam::123456789012:root` are the same principal.
fn account_root(name: &Value) -> Value {
    let Some(text) = name.as_str() else { return name.clone() };
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    match text.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "iam", "", account, "root"] if is_account(account) => account.into(),
        _ => name.clone(),
    }
}

fn condition(value: &Value) -> Value {
    let Value::Object(operators) = value else { return value.clone() };
    let operator = |keys: &Value| match keys {
        // Names of condition keys are compared without regard to case.
        Value::Object(keys) => keys
            .iter()
            .map(|(key, values)| (key.to_ascii_lowercase(), sorted(list(values).iter().map(text).collect())))
            .collect(),
        other => other.clone(),
    };
    operators.iter().map(|(name, keys)| (name.clone(), operator(keys))).collect()
}

/// `true` and `"true"`, `5` and `"5"` are the same value of a condition.
fn text(value: &Value) -> Value {
    match value {
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        other => other.clone(),
    }
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_key(ToString::to_string);
    items.dedup();
    Value::Array(items)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_means_the_same_is_the_same() {
        let ours = json!({ "Version": "2012-10-17", "Statement": [
            { "Sid": "A", "Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::b/*",
              "Principal": { "AWS": "arn:aws:iam::123456789012:root" },
              "Condition": { "Bool": { "aws:SecureTransport": true } } },
            { "Sid": "B", "Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::b"], "Principal": "*" },
        ] });
        let theirs = json!({ "Id": "x", "Version": "2012-10-17", "Statement": [
            { "Sid": "B", "Effect": "Deny", "Action": ["s3:*"], "Resource": "arn:aws:s3:::b", "Principal": { "AWS": "*" } },
            { "Sid": "A", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::b/*"],
              "Principal": { "AWS": ["123456789012"] },
              "Condition": { "Bool": { "AWS:SecureTransport": ["true"] } } },
        ] });
        assert_eq!(canonical(&ours), canonical(&theirs));
        assert_eq!(parse(&ours.to_string()), canonical(&ours));
        let text = ours.to_string();
        let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        assert_eq!(parse(&encoded.to_string()), canonical(&ours));
    }

    #[test]
    fn what_does_not_stays_different() {
        let one = |field: &str, value: Value| {
            let mut statement = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
            statement[field] = value;
            canonical(&json!({ "Version": "2012-10-17", "Statement": statement }))
        };
        let plain = one("Effect", "Allow".into());
        for (field, value) in [
            ("Effect", json!("Deny")),
            ("Action", json!(["s3:GetObject", "s3:PutObject"])),
            ("Resource", json!("arn:aws:s3:::b/*")),
            ("Principal", json!("*")),
            ("Principal", json!({ "AWS": "arn:aws:iam::123456789012:role/root" })),
            ("Condition", json!({ "Bool": { "aws:SecureTransport": "false" } })),
        ] {
            assert_ne!(one(field, value), plain, "{field}");
        }
        let bare = |version: &str| canonical(&json!({ "Version": version, "Statement": [] }));
        assert_ne!(bare("2012-10-17"), bare("2008-10-17"));
    }
}
