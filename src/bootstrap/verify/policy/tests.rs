use serde_json::json;

use super::*;
use crate::bootstrap::document::canonical;

const BUCKET: &str = "arn:aws:s3:::b";

fn policy(statements: &Value) -> Value {
    canonical(&json!({ "Version": "2012-10-17", "Statement": statements }))
}

fn deny(changes: &Value) -> Value {
    let mut statement = json!({
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, "arn:aws:s3:::b/*"],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    });
    for (name, value) in changes.as_object().unwrap() {
        statement[name] = value.clone();
    }
    statement
}

#[test]
fn a_denial_counts_under_any_name_and_form_that_covers_everything() {
    for changes in [
        json!({}),
        json!({ "Sid": "Other", "Principal": { "AWS": ["*"] }, "Resource": "*" }),
        json!({ "Resource": "arn:aws:s3:::b*" }),
        json!({ "Action": "*", "Condition": { "BoolIfExists": { "AWS:securetransport": [false] } } }),
    ] {
        assert!(denies_plain(&policy(&deny(&changes)), &Value::Null, BUCKET).is_ok(), "{changes}");
    }
    for changes in [
        json!({ "Effect": "Allow" }),
        json!({ "Principal": { "AWS": "arn:aws:iam::123456789012:role/x" } }),
        json!({ "Action": "s3:GetObject" }),
        json!({ "Resource": "arn:aws:s3:::b/*" }),
        json!({ "Resource": BUCKET }),
        json!({ "Condition": { "Bool": { "aws:SecureTransport": "true" } } }),
        json!({ "Condition": { "Bool": { "aws:SecureTransport": "false" }, "StringEquals": { "a:b": "c" } } }),
    ] {
        assert!(denies_plain(&policy(&deny(&changes)), &Value::Null, BUCKET).is_err(), "{changes}");
    }
    assert!(denies_plain(&Value::Null, &Value::Null, BUCKET).is_err());
}

#[test]
fn the_version_of_tls_is_a_number() {
    let version = |floor: &str| {
        let condition = json!({ "Condition": { "NumericLessThan": { "s3:TlsVersion": floor } } });
        denies_old_tls(&policy(&deny(&condition)), &Value::Null, BUCKET)
    };
    assert!(version("1.2").is_ok() && version("1.3").is_ok());
    assert!(version("1.1").unwrap_err().contains("1.1") && version("x").is_err());
}

#[test]
fn a_fence_lets_in_who_is_declared_and_nobody_else() {
    let fence = |endpoints: Value, principals: Value, more: Value| {
        let mut condition = json!({
            "StringNotEquals": { "aws:SourceVpce": endpoints },
            "ArnNotLike": { "aws:PrincipalArn": principals },
            "BoolIfExists": { "aws:PrincipalIsAWSService": "false", "aws:ViaAWSService": "false" },
        });
        for (name, value) in more.as_object().unwrap() {
            condition[name] = value.clone();
        }
        let data = json!(["s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*", "s3:ListBucket*"]);
        deny(&json!({ "Sid": "DenyDataFromOutside", "Action": data, "Condition": condition }))
    };
    let wanted = policy(&fence(json!(["vpce-1", "vpce-2"]), json!(["role/admin"]), json!({})));
    let judge = |found: &Value| denies_outside(&policy(found), &wanted, BUCKET);
    assert!(judge(&fence(json!("vpce-1"), json!("role/admin"), json!({}))).is_ok());
    for (found, why) in [
        (fence(json!(["vpce-1", "vpce-9"]), json!("role/admin"), json!({})), "vpce-9"),
        (fence(json!("vpce-1"), json!(["role/admin", "role/*"]), json!({})), "role/*"),
        (fence(json!("vpce-1"), json!([]), json!({})), "role/admin"),
        (fence(json!("vpce-1"), json!("role/admin"), json!({ "BoolIfExists": {} })), "AWS's services"),
        (
            fence(json!("vpce-1"), json!("role/admin"), json!({ "IpAddress": { "aws:SourceIp": "::/0" } })),
            "further",
        ),
        (deny(&json!({})), "no statement"),
    ] {
        assert!(judge(&found).unwrap_err().contains(why), "{why}");
    }
}

#[test]
fn whatever_widens_a_role_is_found() {
    let allow =
        |field: &str, value: Value| policy(&json!({ "Effect": "Allow", field: value, "Resource": "*" }));
    for actions in [json!("*"), json!("iam:*"), json!(["s3:GetObject", "IAM:Pass?ole"])] {
        assert!(widens(&allow("Action", actions.clone())).is_some(), "{actions}");
    }
    assert!(widens(&allow("NotAction", json!("s3:*"))).is_some());
    assert_eq!(widens(&allow("Action", json!(["s3:*", "kms:Decrypt"]))), None);
    let several = json!({ "a": allow("Action", json!("s3:*")), "b": allow("Action", json!("iam:Put*")) });
    assert_eq!(widens(&several).unwrap(), "iam:PutRolePermissionsBoundary");
}

#[test]
fn deletions_are_recorded_where_nothing_narrows_the_selector() {
    let trail =
        |basic: Vec<Value>, advanced: Vec<Value>| TrailSelectors { trail: "t".into(), basic, advanced };
    let keys = "arn:aws:s3:::b/daily/";
    let basic = |values: Value, kind: &str| {
        trail(vec![json!({ "Type": "AWS::S3::Object", "Values": values, "ReadWriteType": kind })], vec![])
    };
    assert!(records_deletions(&basic(json!(["arn:aws:s3"]), "WriteOnly"), keys));
    assert!(!records_deletions(&basic(json!(["arn:aws:s3:::other/"]), "All"), keys));
    assert!(!records_deletions(&basic(json!(["arn:aws:s3"]), "ReadOnly"), keys));
    let advanced = |more: &[Value]| {
        let mut fields = vec![
            json!({ "Field": "eventCategory", "Equals": ["Data"] }),
            json!({ "Field": "resources.type", "Equals": ["AWS::S3::Object"] }),
        ];
        fields.extend(more.iter().cloned());
        trail(vec![], vec![Value::Array(fields)])
    };
    let both = json!({ "Field": "eventName", "Equals": ["DeleteObject", "DeleteObjects"] });
    let here = json!({ "Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::b/"] });
    assert!(records_deletions(&advanced(&[]), keys));
    assert!(records_deletions(&advanced(&[both, here]), keys));
    for narrow in [
        json!({ "Field": "eventName", "Equals": ["DeleteObject"] }),
        json!({ "Field": "readOnly", "Equals": ["true"] }),
        json!({ "Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::b/other/"] }),
        json!({ "Field": "userIdentity.arn", "Equals": ["x"] }),
    ] {
        assert!(!records_deletions(&advanced(std::slice::from_ref(&narrow)), keys), "{narrow}");
    }
}
