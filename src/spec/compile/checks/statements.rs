//! The statements that a declaration adds to a bucket policy as they are.

use serde_json::Value;

use super::Notebook;

pub(super) fn check(path: &str, statements: &[Value], notebook: &mut Notebook) {
    for (at, statement) in statements.iter().enumerate() {
        let path = format!("{path}.policy[{at}]");
        let effect = statement["Effect"].as_str();
        if !matches!(effect, Some("Allow" | "Deny")) {
            notebook.refuse(&path, "a statement is written as in IAM, with an Effect of Allow or Deny");
            continue;
        }
        for (one, other) in
            [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")]
        {
            if statement[one].is_null() && statement[other].is_null() {
                notebook.refuse(
                    &path,
                    format!("has neither {one} nor {other}, and a statement of a bucket policy needs one"),
                );
            }
        }
        let text = statement.to_string();
        if text.contains("{{") {
            notebook.refuse(&path, "'{{' is kept for values that AWS gives out");
        }
        if effect == Some("Allow")
            && !statement["Condition"].is_object()
            && is_anybody(&statement["Principal"])
        {
            notebook.refuse(
                &path,
                "allows everybody, which the public-access block refuses: name a principal, or a condition",
            );
        }
        let by_place = ["aws:SourceVpce", "aws:SourceVpc", "aws:SourceIp", "aws:VpcSourceIp"];
        if effect == Some("Deny")
            && is_everything(&statement["Action"])
            && by_place.iter().any(|key| text.contains(key))
        {
            notebook.refuse(
                &path,
                "denies every action by where a request comes from, which locks out the operator and the delivery of logs: \
                 access.vpc_endpoints does it for data alone, with AWS services and the break-glass role exempt",
            );
        }
    }
}

fn is_anybody(principal: &Value) -> bool {
    let any = |value: &Value| {
        value == "*" || value.as_array().is_some_and(|items| items.iter().any(|item| item == "*"))
    };
    any(principal) || any(&principal["AWS"])
}

fn is_everything(action: &Value) -> bool {
    let all = |value: &Value| value == "*" || value == "s3:*";
    all(action) || action.as_array().is_some_and(|items| items.iter().any(all))
}
