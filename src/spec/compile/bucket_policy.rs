//! A bucket's policy: what is denied to everybody, what log delivery needs, what the grants give.
//!
//! Denials are limited to what they are about. A blanket `Deny s3:*` on the endpoint would lock out the operator, and with
//! `aws:PrincipalIsAWSService` left out the delivery of logs too.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::frame::Frame;
use super::statement::{Statement, document};
use crate::s3::LockMode;
use crate::spec::declared::{Bucket, Exchange};
use crate::spec::fact::Fact;
use crate::spec::partition::Service;
use crate::spec::profile::Profile;

/// What reads or changes objects, as opposed to settings.
pub(super) const DATA: [&str; 6] = [
    "s3:GetObject*",
    "s3:PutObject*",
    "s3:DeleteObject*",
    "s3:ListBucket*",
    "s3:AbortMultipartUpload",
    "s3:RestoreObject",
];
const WRITES: [&str; 4] =
    ["s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload", "s3:RestoreObject"];

pub(super) fn policy(frame: &Frame<'_>, bucket: &Bucket, name: &str) -> Value {
    let mut statements = compiled(frame, bucket, name);
    statements.extend(bucket.policy.iter().cloned());
    document(&statements)
}

/// The IDs of the statements that are not the declaration's own.
pub(super) fn statement_ids(frame: &Frame<'_>, bucket: &Bucket, name: &str) -> BTreeSet<String> {
    let ids = compiled(frame, bucket, name).into_iter();
    ids.filter_map(|statement| Some(statement["Sid"].as_str()?.to_owned())).collect()
}

fn compiled(frame: &Frame<'_>, bucket: &Bucket, name: &str) -> Vec<Value> {
    let resources = Resources { bucket: frame.s3(name), keys: frame.s3(&format!("{name}/*")) };
    let mut statements = transit(&resources);
    statements.push(outside(frame, bucket, &resources));
    statements.extend(strangers(frame, bucket, &resources));
    statements.extend(at_rest(bucket, &resources));
    statements.extend(worm(frame, bucket, &resources));
    statements.extend(readers_only(frame, bucket, &resources));
    statements.extend(deliveries(frame, bucket, name, &resources));
    statements.extend(exchanged(bucket, &resources));
    statements.extend(grants(frame, name));
    statements
}

struct Resources {
    bucket: String,
    keys: String,
}

impl Resources {
    fn both(&self) -> Value {
        json!([self.bucket, self.keys])
    }
}

fn transit(resources: &Resources) -> Vec<Value> {
    let deny = |sid| Statement::deny(sid).anybody().actions("s3:*").on(resources.both());
    vec![
        deny("DenyInsecureTransport").when(json!({ "Bool": { "aws:SecureTransport": "false" } })),
        deny("DenyOldTls").when(json!({ "NumericLessThan": { "s3:TlsVersion": "1.2" } })),
    ]
}

/// Who is exempt from where and who: AWS services, their own roles, break-glass. What a service does in somebody's name is not:
/// with forward access sessions `aws:PrincipalArn` is still the caller's.
fn unless_exempt(frame: &Frame<'_>, bucket: &Bucket, others: &[String]) -> Value {
    let mut arns = vec![frame.spec.access.break_glass.clone(), frame.iam("role/aws-service-role/*")];
    if bucket.replication.is_some() {
        arns.push(frame.replication_role(bucket.name.base()));
    }
    arns.extend(others.iter().cloned());
    json!({
        "BoolIfExists": { "aws:PrincipalIsAWSService": "false" },
        "ArnNotLike": { "aws:PrincipalArn": arns },
    })
}

fn outside(frame: &Frame<'_>, bucket: &Bucket, resources: &Resources) -> Value {
    let access = &frame.spec.access;
    let mut endpoints: Vec<String> = Vec::new();
    if access.own_endpoint {
        endpoints.push(Fact::EndpointId.to_string());
    }
    endpoints.extend(access.vpc_endpoints.iter().cloned());
    endpoints.extend(bucket.exchange.iter().flat_map(|exchange| exchange.vpc_endpoints.iter().cloned()));
    let mut condition = unless_exempt(frame, bucket, &[]);
    // A service that acts in somebody's name comes from no endpoint.
    condition["BoolIfExists"]["aws:ViaAWSService"] = "false".into();
    condition["StringNotEquals"] = json!({ "aws:SourceVpce": endpoints });
    Statement::deny("DenyDataFromOutside").anybody().actions(json!(DATA)).on(resources.both()).when(condition)
}

/// Buckets whose data nobody reaches but who is named: the roles of workloads, and further principals.
fn strangers(frame: &Frame<'_>, bucket: &Bucket, resources: &Resources) -> Option<Value> {
    match bucket.profile {
        Profile::ApplicationData | Profile::WormArchive | Profile::DataExchange => {}
        Profile::LogSink | Profile::AnalyticsRead => return None,
    }
    let mut named: Vec<String> =
        frame.spec.workloads.iter().map(|workload| frame.spec.role_arn(workload)).collect();
    named.extend(frame.spec.access.principals.iter().cloned());
    named.extend(bucket.writers.iter().cloned());
    let exchanged =
        bucket.exchange.iter().flat_map(|exchange| exchange.readers.iter().chain(&exchange.writers));
    // An account's root as principal stands for the whole account; as a caller's ARN it is the root alone.
    named.extend(exchanged.map(|arn| match arn.strip_suffix(":root") {
        Some(account) => format!("{account}:*"),
        None => arn.clone(),
    }));
    let condition = unless_exempt(frame, bucket, &named);
    Some(
        Statement::deny("DenyDataToStrangers")
            .anybody()
            .actions(json!(DATA))
            .on(resources.both())
            .when(condition),
    )
}

/// Without the header the bucket's default encrypts; a header that says something else is refused.
fn at_rest(bucket: &Bucket, resources: &Resources) -> Vec<Value> {
    let header = "s3:x-amz-server-side-encryption";
    let key = "s3:x-amz-server-side-encryption-aws-kms-key-id";
    let customer = "s3:x-amz-server-side-encryption-customer-algorithm";
    let deny = |sid| Statement::deny(sid).anybody().actions("s3:PutObject").on(resources.keys.as_str());
    let key_arn = Frame::key_arn(bucket);
    let algorithm = if key_arn.is_some() { "aws:kms" } else { "AES256" };
    let mut statements = vec![deny("DenyCustomerKeys").when(json!({ "Null": { customer: "false" } }))];
    let mut other = json!({ "StringNotEquals": { header: algorithm }, "Null": { header: "false" } });
    if bucket.profile == Profile::LogSink {
        // CloudTrail encrypts its files with the deployment's key, S3's own logs cannot be.
        other["BoolIfExists"] = json!({ "aws:PrincipalIsAWSService": "false" });
    }
    statements.push(deny("DenyOtherEncryption").when(other));
    if let Some(arn) = key_arn {
        // `aws:kms` without a key would mean AWS's own key, so a missing key is another one.
        let other = json!({ "StringNotEquals": { key: arn }, "Null": { header: "false" } });
        statements.push(deny("DenyOtherKeys").when(other));
    }
    statements
}

fn worm(frame: &Frame<'_>, bucket: &Bucket, resources: &Resources) -> Vec<Value> {
    let Some(lock) = bucket.object_lock else { return Vec::new() };
    let deny = |sid| Statement::deny(sid).anybody();
    let bypass = ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"];
    // Even a lifecycle that has run out is the deployment's to decide, not a client's.
    let unless_break_glass = json!({
        "BoolIfExists": { "aws:PrincipalIsAWSService": "false" },
        "ArnNotLike": { "aws:PrincipalArn": [frame.spec.access.break_glass] },
    });
    let mut statements = vec![
        deny("DenyVersionDeletes").actions(json!(bypass)).on(resources.keys.as_str()).when(unless_break_glass),
        deny("DenyShorterRetention")
            .actions(json!(["s3:PutObject", "s3:PutObjectRetention"]))
            .on(resources.keys.as_str())
            .when(json!({ "NumericLessThan": { "s3:object-lock-remaining-retention-days": lock.days.to_string() } })),
    ];
    if lock.mode == LockMode::Compliance {
        let mode = "s3:object-lock-mode";
        statements.push(
            deny("DenyWeakerMode")
                .actions(json!(["s3:PutObject", "s3:PutObjectRetention"]))
                .on(resources.keys.as_str())
                .when(json!({ "StringNotEquals": { mode: "COMPLIANCE" }, "Null": { mode: "false" } })),
        );
    }
    statements
}

/// What is read by many is written by few.
fn readers_only(frame: &Frame<'_>, bucket: &Bucket, resources: &Resources) -> Option<Value> {
    match bucket.profile {
        Profile::LogSink | Profile::AnalyticsRead => {}
        Profile::ApplicationData | Profile::WormArchive | Profile::DataExchange => return None,
    }
    let condition = unless_exempt(frame, bucket, &bucket.writers);
    Some(
        Statement::deny("DenyWritesByReaders")
            .anybody()
            .actions(json!(WRITES))
            .on(resources.keys.as_str())
            .when(condition),
    )
}

/// What S3 and CloudTrail need to deliver into a log sink, each for exactly the buckets that use it.
fn deliveries(frame: &Frame<'_>, bucket: &Bucket, name: &str, resources: &Resources) -> Vec<Value> {
    if bucket.profile != Profile::LogSink {
        return Vec::new();
    }
    let account = frame.spec.account.as_str();
    let mut statements = Vec::new();
    let mut deliver = |sid: &str, service: Service, prefix: &str, sources: Vec<String>| {
        let keys = format!("{}/{prefix}/*", resources.bucket);
        statements.push(
            Statement::allow(sid).service(frame.service(service)).actions("s3:PutObject").on(keys).when(
                json!({
                    "StringEquals": { "aws:SourceAccount": account },
                    "ArnLike": { "aws:SourceArn": sources },
                }),
            ),
        );
    };
    let sources = |uses: &dyn Fn(&Bucket) -> bool| -> Vec<String> {
        frame
            .buckets()
            .filter(|(_, other, _)| uses(other))
            .map(|(_, _, other)| frame.s3(other.name.as_str()))
            .collect()
    };
    let logging = sources(&|other| frame.log_bucket(other).as_deref() == Some(name));
    if !logging.is_empty() {
        deliver("AllowAccessLogs", Service::S3Logging, ACCESS_LOGS, logging);
    }
    let listed = sources(&|other| {
        other.inventory.as_ref().is_some_and(|inventory| {
            frame.sink(inventory.bucket.as_ref()).is_some_and(|(_, sink)| sink.name.as_str() == name)
        })
    });
    if !listed.is_empty() {
        deliver("AllowInventory", Service::S3, INVENTORY, listed);
    }
    if frame.has_trail() && frame.sink(None).is_some_and(|(_, sink)| sink.name.as_str() == name) {
        statements.extend(trail(frame, resources));
    }
    statements
}

/// Source: CloudTrail user guide, "Amazon S3 bucket policy for CloudTrail".
fn trail(frame: &Frame<'_>, resources: &Resources) -> Vec<Value> {
    let service = frame.service(Service::CloudTrail);
    let source = json!({ "StringEquals": { "aws:SourceArn": frame.trail_arn() } });
    let keys = format!("{}/{TRAIL}/AWSLogs/{}/*", resources.bucket, frame.spec.account);
    vec![
        Statement::allow("AllowTrailAcl")
            .service(service.as_str())
            .actions("s3:GetBucketAcl")
            .on(resources.bucket.as_str())
            .when(source.clone()),
        Statement::allow("AllowTrail").service(service).actions("s3:PutObject").on(keys).when(source),
    ]
}

/// Prefixes in a log sink.
pub(super) const ACCESS_LOGS: &str = "access-logs";
/// Likewise.
pub(super) const INVENTORY: &str = "inventory";
/// Likewise.
pub(super) const TRAIL: &str = "cloudtrail";

/// Principals of other accounts need the bucket's consent, as well as their own account's.
fn exchanged(bucket: &Bucket, resources: &Resources) -> Vec<Value> {
    let Some(Exchange { readers, writers, .. }) = &bucket.exchange else { return Vec::new() };
    let mut statements = Vec::new();
    if !readers.is_empty() {
        let reads = json!(["s3:GetObject", "s3:GetObjectTagging"]);
        statements.extend([
            Statement::allow("AllowExchangeList")
                .aws(readers.clone())
                .actions("s3:ListBucket")
                .on(resources.bucket.as_str())
                .always(),
            Statement::allow("AllowExchangeRead")
                .aws(readers.clone())
                .actions(reads)
                .on(resources.keys.as_str())
                .always(),
        ]);
    }
    if !writers.is_empty() {
        let writes = json!(["s3:PutObject", "s3:AbortMultipartUpload"]);
        statements.push(
            Statement::allow("AllowExchangeWrite")
                .aws(writers.clone())
                .actions(writes)
                .on(resources.keys.as_str())
                .always(),
        );
    }
    statements
}

/// What the grants allow each workload in this bucket, said by the bucket too.
fn grants(frame: &Frame<'_>, name: &str) -> Vec<Value> {
    let mut statements = Vec::new();
    for workload in &frame.spec.workloads {
        let role = frame.spec.role_arn(workload);
        for granted in &workload.granted.statements {
            let resources: Vec<&str> = texts(&granted["Resource"])
                .into_iter()
                .filter(|resource| is_of(frame, resource, name))
                .collect();
            if granted["Effect"] != "Allow" || resources.is_empty() {
                continue;
            }
            let sid = format!("AllowWorkload{}", statements.len() + 1);
            let statement = Statement::allow(&sid)
                .aws(role.as_str())
                .actions(granted["Action"].clone())
                .on(json!(resources));
            statements.push(match &granted["Condition"] {
                Value::Null => statement.always(),
                condition => statement.when(condition.clone()),
            });
        }
    }
    statements
}

/// The texts of a field that IAM writes as one or as a list.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of(frame: &Frame<'_>, resource: &str, name: &str) -> bool {
    let rest = resource.strip_prefix(&frame.s3(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
