//! Critical operations, told: rules on what CloudTrail records, filters and alarms on its log group, the topic.

use serde_json::{Value, json};

use super::frame::Frame;
use super::statement::{Statement, document};
use super::trail::{self, DELETES};
use crate::spec::declared::{Deletes, TopicChoice};
use crate::spec::desired::{Alarm, EventRule, MetricFilter};
use crate::spec::partition::{Partition, Service};

/// Changes of a bucket that somebody has to know of.
///
/// Source: Amazon S3 user guide, "Amazon S3 CloudTrail events", bucket-level actions.
const BUCKET_CHANGES: [&str; 21] = [
    "DeleteBucket",
    "DeleteBucketEncryption",
    "DeleteBucketLifecycle",
    "DeleteBucketOwnershipControls",
    "DeleteBucketPolicy",
    "DeleteBucketPublicAccessBlock",
    "DeleteBucketReplication",
    "PutBucketAcl",
    "PutBucketCors",
    "PutBucketEncryption",
    "PutBucketLifecycle",
    "PutBucketLifecycleConfiguration",
    "PutBucketLogging",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketReplication",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutObjectLockConfiguration",
];

const ACCOUNT_CHANGES: [&str; 2] = ["DeleteAccountPublicAccessBlock", "PutAccountPublicAccessBlock"];
const KEY_CHANGES: [&str; 5] =
    ["DeleteAlias", "DisableKey", "DisableKeyRotation", "PutKeyPolicy", "ScheduleKeyDeletion"];
const TRAIL_CHANGES: [&str; 4] = ["DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail"];
const ENDPOINT_CHANGES: [&str; 2] = ["DeleteVpcEndpoints", "ModifyVpcEndpoint"];
/// IAM's events are told in one region of a partition only, and rules see those of their own.
const IAM_CHANGES: [&str; 9] = [
    "AttachRolePolicy",
    "CreatePolicyVersion",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "SetDefaultPolicyVersion",
    "UpdateAssumeRolePolicy",
];

const NAMESPACE: &str = "S3AccessProxy";

pub(super) fn all(frame: &Frame<'_>) -> (Vec<EventRule>, Vec<MetricFilter>, Vec<Alarm>) {
    if frame.spec.alerts.topic == TopicChoice::Off {
        return (Vec::new(), Vec::new(), Vec::new());
    }
    let (filters, alarms) = on_logs(frame);
    (rules(frame), filters, alarms)
}

fn rules(frame: &Frame<'_>) -> Vec<EventRule> {
    let buckets: Vec<&str> = frame.buckets().map(|(_, _, named)| named.name.as_str()).collect();
    let of_buckets = json!({ "bucketName": buckets });
    let mut rules = vec![
        rule(
            frame,
            "bucket-changes",
            "Settings of a declared bucket change",
            "s3",
            &BUCKET_CHANGES,
            Some(of_buckets),
        ),
        rule(
            frame,
            "account-changes",
            "The account's public-access block changes",
            "s3",
            &ACCOUNT_CHANGES,
            None,
        ),
        rule(frame, "key-changes", "A KMS key is disabled, deleted or opened", "kms", &KEY_CHANGES, None),
        rule(frame, "trail-changes", "A trail stops or records less", "cloudtrail", &TRAIL_CHANGES, None),
        rule(frame, "endpoint-changes", "A VPC endpoint changes", "ec2", &ENDPOINT_CHANGES, None),
    ];
    if frame.spec.region.as_str() == iam_region(frame.partition) {
        rules.push(rule(frame, "role-changes", "Roles or their policies change", "iam", &IAM_CHANGES, None));
    }
    if let Some(parameters) = deletions(frame) {
        rules.push(rule(
            frame,
            "deletions",
            "Objects that are declared as critical are deleted",
            "s3",
            &DELETES,
            Some(parameters),
        ));
    }
    rules
}

/// Where IAM's events are told.
pub(super) fn iam_region(partition: Partition) -> &'static str {
    match partition {
        Partition::Aws => "us-east-1",
        Partition::China => "cn-north-1",
        Partition::GovCloud => "us-gov-west-1",
    }
}

/// Deletions below the declared prefixes. `DeleteObjects` names no key in its parameters, so it is told by bucket.
fn deletions(frame: &Frame<'_>) -> Option<Value> {
    let mut watched = Vec::new();
    for (_, bucket, named) in frame.buckets() {
        let Deletes::Below(prefixes) = &bucket.alert_deletes else { continue };
        let keys: Vec<Value> = prefixes.iter().map(|prefix| json!({ "prefix": prefix })).collect();
        let name = named.name.as_str();
        watched.push(json!({ "bucketName": [name], "key": keys }));
        watched.push(json!({ "bucketName": [name], "key": [{ "exists": false }] }));
    }
    (!watched.is_empty()).then(|| json!({ "$or": watched }))
}

fn rule(
    frame: &Frame<'_>,
    what: &str,
    description: &str,
    service: &str,
    events: &[&str],
    parameters: Option<Value>,
) -> EventRule {
    let mut detail = json!({ "eventSource": [format!("{service}.amazonaws.com")], "eventName": events });
    if let Some(Value::Object(mut fields)) = parameters {
        // An alternative of parameters is one of whole details: EventBridge takes `$or` beside fields only.
        match fields.remove("$or") {
            Some(Value::Array(any)) => {
                detail["$or"] = any.into_iter().map(|one| json!({ "requestParameters": one })).collect();
            }
            _ => detail["requestParameters"] = Value::Object(fields),
        }
    }
    EventRule {
        name: rule_name(frame, what),
        description: description.to_owned(),
        pattern: json!({
            "source": [format!("aws.{service}")],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": detail,
        }),
        target_id: "alerts".to_owned(),
        target: frame.topic_arn(),
    }
}

fn rule_name(frame: &Frame<'_>, what: &str) -> String {
    format!("{}-{what}", frame.spec.name)
}

/// Filters of CIS that do not depend on the region, where there is a log group to filter.
fn on_logs(frame: &Frame<'_>) -> (Vec<MetricFilter>, Vec<Alarm>) {
    let group = match &frame.spec.alerts.log_group {
        Some(group) => group.clone(),
        None if frame.has_trail() => trail::log_group(frame),
        None => return (Vec::new(), Vec::new()),
    };
    let any = |events: &[&str]| {
        events.iter().map(|event| format!("($.eventName = {event})")).collect::<Vec<_>>().join(" || ")
    };
    let of = |service: &str, events: &[&str]| {
        format!("{{ ($.eventSource = {service}.amazonaws.com) && ({}) }}", any(events))
    };
    let watched = [
        ("s3-changes", "Settings of buckets change", of("s3", &BUCKET_CHANGES)),
        ("role-changes", "Roles or their policies change", of("iam", &IAM_CHANGES)),
        ("key-changes", "KMS keys are disabled or deleted", of("kms", &KEY_CHANGES)),
    ];
    let metric = |what: &str| format!("{}-{what}", frame.spec.name);
    let filter = |(what, _, pattern): &(&str, &str, String)| MetricFilter {
        name: rule_name(frame, what),
        log_group: group.clone(),
        pattern: pattern.clone(),
        namespace: NAMESPACE.to_owned(),
        metric: metric(what),
    };
    let alarm = |(what, description, _): &(&str, &str, String)| Alarm {
        name: rule_name(frame, what),
        description: (*description).to_owned(),
        namespace: NAMESPACE.to_owned(),
        metric: metric(what),
        topic: frame.topic_arn(),
    };
    (watched.iter().map(filter).collect(), watched.iter().map(alarm).collect())
}

/// Our rules and alarms publish, nobody in the clear.
pub(super) fn topic_policy(frame: &Frame<'_>) -> Value {
    let arn = frame.topic_arn();
    let publish = |sid, service| {
        Statement::allow(sid).service(frame.service(service)).actions("sns:Publish").on(arn.as_str())
    };
    let alarms = frame.arn("cloudwatch", &format!("alarm:{}-*", frame.spec.name));
    document(&[
        // EventBridge does not fill in the condition keys of the source for a topic: with a condition it could not publish.
        publish("Rules", Service::Events).always(),
        publish("Alarms", Service::CloudWatch).when(json!({
            "StringEquals": { "aws:SourceAccount": frame.spec.account.as_str() },
            "ArnLike": { "aws:SourceArn": alarms },
        })),
        Statement::deny("DenyInsecureTransport")
            .anybody()
            .actions("sns:Publish")
            .on(arn.as_str())
            .when(json!({ "Bool": { "aws:SecureTransport": "false" } })),
    ])
}
