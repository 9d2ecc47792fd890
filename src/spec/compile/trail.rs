//! The trail, where it is managed: every region's management events, and deletions that are declared as critical.

use serde_json::{Value, json};

use super::bucket_policy::TRAIL;
use super::frame::Frame;
use super::statement::{Statement, document};
use crate::spec::declared::Deletes;
use crate::spec::desired::{DesiredTrail, InlinePolicy, Role, RoleKind};
use crate::spec::partition::Service;

/// Calls that delete objects.
pub(super) const DELETES: [&str; 2] = ["DeleteObject", "DeleteObjects"];

pub(super) fn managed(frame: &Frame<'_>) -> Option<DesiredTrail> {
    let (_, sink) = frame.sink(None).filter(|_| frame.has_trail())?;
    Some(DesiredTrail {
        name: frame.trail_name(),
        arn: frame.trail_arn(),
        bucket: sink.name.to_string(),
        prefix: TRAIL.to_owned(),
        encrypted: true,
        log_group: log_group(frame),
        log_role: frame.trail_role(),
        selectors: selectors(frame),
    })
}

pub(super) fn log_group(frame: &Frame<'_>) -> String {
    format!("/aws/cloudtrail/{}", frame.spec.name)
}

fn selectors(frame: &Frame<'_>) -> Value {
    let field = |name: &str, values: Value| json!({ "Field": name, "Equals": values });
    let mut selectors = vec![json!({
        "Name": "Management",
        "FieldSelectors": [field("eventCategory", json!(["Management"]))],
    })];
    let prefixes: Vec<String> = frame
        .buckets()
        .flat_map(|(_, bucket, named)| match &bucket.alert_deletes {
            Deletes::Silent => Vec::new(),
            Deletes::Below(prefixes) => {
                prefixes.iter().map(|prefix| frame.s3(&format!("{}/{prefix}", named.name))).collect()
            }
        })
        .collect();
    if !prefixes.is_empty() {
        selectors.push(json!({
            "Name": "Deletions",
            "FieldSelectors": [
                field("eventCategory", json!(["Data"])),
                field("resources.type", json!(["AWS::S3::Object"])),
                field("eventName", json!(DELETES)),
                { "Field": "resources.ARN", "StartsWith": prefixes },
            ],
        }));
    }
    Value::Array(selectors)
}

/// Source: CloudTrail user guide, "Role policy document for CloudTrail to use CloudWatch Logs".
pub(super) fn log_role(frame: &Frame<'_>) -> Option<Role> {
    frame.has_trail().then(|| {
        let arn = frame.trail_role();
        let streams = frame.arn("logs", &format!("log-group:{}:log-stream:*", log_group(frame)));
        let write = Statement::allow("Write")
            .actions(json!(["logs:CreateLogStream", "logs:PutLogEvents"]))
            .on(streams);
        let trust = Statement::allow("CloudTrail")
            .service(frame.service(Service::CloudTrail))
            .actions("sts:AssumeRole")
            .when(json!({ "StringEquals": { "aws:SourceArn": frame.trail_arn() } }));
        Role {
            name: arn.rsplit('/').next().unwrap_or_default().to_owned(),
            kind: RoleKind::TrailLogs,
            description: format!("The trail of {} writes to its log group", frame.spec.name),
            trust: document(&[trust]),
            inline: vec![InlinePolicy { name: "write".to_owned(), document: document(&[write.always()]) }],
            attached: Vec::new(),
            boundary: None,
            arn,
        }
    })
}
