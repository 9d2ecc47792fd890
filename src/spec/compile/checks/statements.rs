//! The statements that a declaration adds to a bucket policy as they are.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Notebook;
use crate::spec::compile::bucket_policy::texts;

/// Condition keys that say where a request comes from; IAM does not look at the case.
const BY_PLACE: [&str; 4] = ["aws:sourcevpce", "aws:sourcevpc", "aws:sourceip", "aws:vpcsourceip"];

/// `taken` are the statement IDs of the compiled policy, `bucket` is the bucket's ARN.
pub(super) fn check(
    path: &str,
    statements: &[Value],
    taken: &BTreeSet<String>,
    bucket: &str,
    notebook: &mut Notebook,
) {
    let mut seen = taken.clone();
    for (at, statement) in statements.iter().enumerate() {
        let path = format!("{path}.policy[{at}]");
        if !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
            notebook.refuse(&path, "a statement is written as in IAM, with an Effect of Allow or Deny");
            continue;
        }
        shape(&path, statement, bucket, notebook);
        if let Some(sid) = statement["Sid"].as_str()
            && !seen.insert(sid.to_owned())
        {
            notebook.refuse(
                &path,
                format!("another statement of the bucket's policy has the Sid '{sid}' already"),
            );
        }
        if statement["Effect"] == "Allow" {
            allowed(&path, statement, notebook);
        } else {
            denied(&path, statement, notebook);
        }
    }
}

fn shape(path: &str, statement: &Value, bucket: &str, notebook: &mut Notebook) {
    for (one, other) in [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")]
    {
        if statement[one].is_null() && statement[other].is_null() {
            notebook.refuse(
                path,
                format!("has neither {one} nor {other}, and a statement of a bucket policy needs one"),
            );
        }
    }
    let keys = format!("{bucket}/");
    let foreign = |resource: &&str| *resource != "*" && *resource != bucket && !resource.starts_with(&keys);
    for resource in texts(&statement["Resource"]).into_iter().filter(foreign) {
        notebook.refuse(
            path,
            format!("'{resource}' is not of this bucket, which S3 refuses: {bucket}, or what lies below it"),
        );
    }
    if statement.to_string().contains("{{") {
        notebook.refuse(path, "'{{' is kept for values that AWS gives out");
    }
}

fn allowed(path: &str, statement: &Value, notebook: &mut Notebook) {
    for not in ["NotPrincipal", "NotAction"] {
        if !statement[not].is_null() {
            notebook.refuse(path, format!("allows all that {not} does not name: name what is allowed"));
        }
    }
    let conditional = statement["Condition"].as_object().is_some_and(|condition| !condition.is_empty());
    if !conditional && is_anybody(&statement["Principal"]) {
        notebook.refuse(
            path,
            "allows everybody, which the public-access block refuses: name a principal, or a condition",
        );
    }
}

fn denied(path: &str, statement: &Value, notebook: &mut Notebook) {
    let everything = is_everything(&statement["Action"]) || !statement["NotAction"].is_null();
    let condition = statement["Condition"].to_string().to_ascii_lowercase();
    if everything && BY_PLACE.iter().any(|key| condition.contains(key)) {
        notebook.refuse(
            path,
            "denies every action by where a request comes from, which locks out the operator and the delivery of logs: \
             access.vpc_endpoints does it for data alone, with AWS services and the break-glass role exempt",
        );
    }
}

fn is_anybody(principal: &Value) -> bool {
    texts(principal).contains(&"*") || texts(&principal["AWS"]).contains(&"*")
}

fn is_everything(action: &Value) -> bool {
    texts(action).iter().any(|action| *action == "*" || action.eq_ignore_ascii_case("s3:*"))
}
