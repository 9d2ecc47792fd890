//! Where two values differ, field by field.

use serde_json::Value;

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Difference {
    /// The field, by its names from the outside in; empty for the whole.
    pub field: String,
    /// What is there; `None` where nothing is.
    pub found: Option<Value>,
    /// What should be; `None` where nothing should.
    pub wanted: Option<Value>,
}

/// Every field that differs, in the order of the fields.
pub(super) fn differences(found: Option<&Value>, wanted: Option<&Value>) -> Vec<Difference> {
    let mut all = Vec::new();
    collect(String::new(), found, wanted, &mut all);
    all
}

fn collect(field: String, found: Option<&Value>, wanted: Option<&Value>, all: &mut Vec<Difference>) {
    let below = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
    match (found, wanted) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            for (name, value) in right {
                collect(below(name), left.get(name), Some(value), all);
            }
            for (name, value) in left.iter().filter(|(name, _)| !right.contains_key(*name)) {
                collect(below(name), Some(value), None, all);
            }
        }
        (found, wanted) if found == wanted => {}
        (found, wanted) => {
            all.push(Difference { field, found: found.cloned(), wanted: wanted.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_named_by_its_path() {
        let found = json!({ "a": 1, "b": { "c": [1], "d": true }, "e": 0 });
        let wanted = json!({ "a": 1, "b": { "c": [1, 2], "d": true }, "f": "x" });
        let fields: Vec<String> =
            differences(Some(&found), Some(&wanted)).into_iter().map(|change| change.field).collect();
        assert_eq!(fields, ["b.c", "f", "e"]);
        assert_eq!(differences(None, Some(&wanted)).len(), 1);
        assert_eq!(differences(None, None), []);
    }
}
