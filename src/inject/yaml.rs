//! YAML as Kubernetes reads it, to JSON and back. Plain words and numbers mean what YAML 1.1 says, which is what
//! `kubectl` goes by: `0644` is octal, `yes` is true.

use saphyr::{MarkedYaml, ScalarStyle, YamlData, YamlLoader};
use saphyr_parser::Parser;
use serde_json::{Map, Number, Value};

/// Reads one document; `null` where there is none.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
    // Which word is a number is for the rules below to say.
    loader.early_parse(false);
    // A few lines must not grow into gigabytes.
    loader.alias_limit(10_000);
    Parser::new_from_str(text).load(&mut loader, true).map_err(|error| error.to_string())?;
    if let Some(error) = loader.error() {
        return Err(error.to_string());
    }
    let mut documents = loader.into_documents();
    match documents.len() {
        0 => Ok(Value::Null),
        1 => convert(&documents.remove(0)),
        _ => Err("documents are separated by lines of '---'".to_owned()),
    }
}

fn convert(yaml: &MarkedYaml<'_>) -> Result<Value, String> {
    match &yaml.data {
        YamlData::Representation(text, ScalarStyle::Plain, None) => Ok(plain(text)),
        YamlData::Representation(text, _, None) => Ok(Value::String(text.to_string())),
        YamlData::Sequence(items) => items.iter().map(convert).collect::<Result<_, _>>().map(Value::Array),
        YamlData::Mapping(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let line = key.span.start.line();
                let YamlData::Representation(name, _, None) = &key.data else {
                    return Err(format!("line {line}: a key that is no text"));
                };
                if name == "<<" {
                    return Err(format!(
                        "line {line}: merge keys ('<<') are not supported; write the keys out"
                    ));
                }
                if map.insert(name.to_string(), convert(value)?).is_some() {
                    return Err(format!("line {line}: the key '{name}' occurs twice"));
                }
            }
            Ok(Value::Object(map))
        }
        YamlData::BadValue => Ok(Value::Null),
        _ => Err(format!("line {}: YAML tags are not supported", yaml.span.start.line())),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => true.into(),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => false.into(),
        text => number(text).map_or_else(|| text.into(), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.replace('_', "");
    let (negative, body) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    if !body.starts_with(|c: char| c.is_ascii_digit() || c == '.') || text.starts_with('_') {
        return None;
    }
    let octal =
        body.strip_prefix('0').filter(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    let radixes = [
        (body.strip_prefix("0x"), 16),
        (body.strip_prefix("0o"), 8),
        (body.strip_prefix("0b"), 2),
        (octal, 8),
    ];
    for (rest, radix) in radixes {
        if let Some(parsed) = rest.and_then(|rest| i64::from_str_radix(rest, radix).ok()) {
            return Some(if negative { (-parsed).into() } else { parsed.into() });
        }
    }
    if body.bytes().all(|b| b.is_ascii_digit()) && octal.is_none() {
        return digits.trim_start_matches('+').parse::<i64>().ok().map(Number::from);
    }
    let float = body.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
        && body.bytes().any(|b| b.is_ascii_digit());
    float.then(|| digits.parse().ok().and_then(Number::from_f64)).flatten()
}

/// Writes a document in blocks, as `kubectl` does.
pub(super) fn write(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

fn block(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (i, (key, value)) in map.iter().enumerate() {
                indent(out, if i == 0 && out.ends_with("- ") { 0 } else { depth });
                out.push_str(&scalar(key));
                out.push(':');
                behind(out, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                indent(out, depth);
                out.push_str("- ");
                if nests(item) && !item.is_array() {
                    block(out, item, depth + 1);
                } else {
                    leaf(out, item, depth + 1);
                }
            }
        }
        value => leaf(out, value, depth),
    }
}

/// What stands behind a key.
fn behind(out: &mut String, value: &Value, depth: usize) {
    if nests(value) {
        out.push('\n');
        // A list's dashes stand below their key.
        block(out, value, if value.is_array() { depth } else { depth + 1 });
    } else {
        out.push(' ');
        leaf(out, value, depth + 1);
    }
}

fn nests(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn leaf(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(text) if is_literal(text) => literal(out, text, depth),
        Value::String(text) => line(out, &scalar(text)),
        // Lists in lists, which pods do not have, are as good in one line; YAML reads JSON.
        value => line(out, &value.to_string()),
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Scripts and the like, which nobody wants to read in one line.
fn is_literal(text: &str) -> bool {
    let printable = |c: char| {
        matches!(c, '\n' | '\t')
            || !c.is_control() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    text.trim_end_matches('\n').contains('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\t', '\n'])
        && text.chars().all(printable)
}

fn literal(out: &mut String, text: &str, depth: usize) {
    out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
    for part in text.trim_end_matches('\n').split('\n') {
        if !part.is_empty() {
            indent(out, depth);
            out.push_str(part);
        }
        out.push('\n');
    }
}

/// Plain where no reader could take it for anything else.
fn scalar(text: &str) -> String {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let plain_text = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(inner)
        && plain(text).is_string();
    if plain_text {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        if matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}') {
            quoted.extend([format!("\\u{:04x}", u32::from(c))]);
        } else {
            quoted.push(c);
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn words_mean_what_kubectl_takes_them_for() {
        let text = "a: 0644\nb: yes\nc: 'yes'\nd: 1.10\ne: 0x1f\nf: 10m\ng: ~\nh: -5\ni: 1_000\nj: 1e3\nk: 08\nl: 1.2.3\nm: .5\n";
        let read = read(text).unwrap();
        let expected = json!({
            "a": 420, "b": true, "c": "yes", "d": 1.1, "e": 31, "f": "10m", "g": null, "h": -5, "i": 1000, "j": 1000.0,
            "k": 8.0, "l": "1.2.3", "m": 0.5,
        });
        assert_eq!(read, expected);
        assert!(super::read("a: {<<: {b: 1}}").unwrap_err().contains("merge keys"));
        assert!(super::read("a: 1\na: 2").is_err());
    }

    #[test]
    fn documents_are_written_in_blocks() {
        let value = json!({"a": [{"b": "x: y", "c": ["1", "on", "/bin/sh"]}, [], {}], "s": "one\n\n  two\n", "t": "a\nb"});
        let text = "a:\n- b: \"x: y\"\n  c:\n  - \"1\"\n  - \"on\"\n  - /bin/sh\n- []\n- {}\ns: |\n  one\n\n    two\nt: |-\n  a\n  b\n";
        assert_eq!(write(&value), text);
        assert_eq!(read(text).unwrap(), value);
    }

    fn tree() -> impl Strategy<Value = Value> {
        let text =
            prop_oneof!["\\PC{0,12}", "[ \\n\\t:#\\-'\"a0{}\\[\\],&*?|>%@`]{0,8}", "[0-9._xobeE+-]{1,6}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(value in tree()) {
            let value = json!({"top": value});
            let text = write(&value);
            prop_assert_eq!(read(&text).map_err(TestCaseError::fail)?, value, "{}", text);
        }
    }
}
