//! The deployment's KMS key. Roles of the account have their right to it from their own policies; the key's names whom
//! those do not reach: other accounts, and services.

use serde_json::{Value, json};

use super::frame::Frame;
use super::roles::via_s3;
use super::statement::{Statement, document};
use crate::spec::declared::{Bucket, Exchange, TopicChoice};
use crate::spec::desired::{DesiredKey, Encryption, KeyRef};
use crate::spec::partition::Service;

pub(super) fn own(frame: &Frame<'_>) -> Option<DesiredKey> {
    frame.uses_own_key().then(|| DesiredKey {
        alias: format!("alias/{}", frame.spec.name),
        description: format!("Data and alerts of {}", frame.spec.name),
        policy: policy(frame),
    })
}

fn policy(frame: &Frame<'_>) -> Value {
    // Without the account itself, a key whose administrators are gone could never be managed again. It also lets policies
    // of roles speak, so the key need not name them, and can be made before them.
    let mut statements =
        vec![Statement::allow("Account").aws(frame.iam("root")).actions("kms:*").on("*").always()];
    statements.extend(exchanged(frame, "ExchangeReads", |exchange| &exchange.readers, json!("kms:Decrypt")));
    let writes = json!(["kms:Decrypt", "kms:GenerateDataKey"]);
    statements.extend(exchanged(frame, "ExchangeWrites", |exchange| &exchange.writers, writes));
    statements.extend(services(frame));
    document(&statements)
}

/// What others need of the key, by way of S3 only. Parts of an upload are read again when they are put together, so writers
/// decrypt too.
fn exchanged(
    frame: &Frame<'_>,
    sid: &str,
    who: impl Fn(&Exchange) -> &Vec<String>,
    actions: Value,
) -> Option<Value> {
    let with_key = frame.spec.buckets.iter().filter(|bucket| own_key(bucket));
    let mut others: Vec<String> =
        with_key.flat_map(|bucket| &bucket.exchange).flat_map(|exchange| who(exchange).clone()).collect();
    others.sort();
    others.dedup();
    (!others.is_empty()).then(|| {
        Statement::allow(sid)
            .aws(others)
            .actions(actions)
            .on("*")
            .when(json!({ "StringEquals": { "kms:ViaService": via_s3(frame) } }))
    })
}

fn own_key(bucket: &Bucket) -> bool {
    Frame::encryption(bucket) == Encryption::SseKms(KeyRef::Own)
}

fn services(frame: &Frame<'_>) -> Vec<Value> {
    let account = frame.spec.account.as_str();
    let mut statements = Vec::new();
    if frame.spec.alerts.topic == TopicChoice::Create {
        // Source: Amazon SNS developer guide, "Enable compatibility between event sources and encrypted topics".
        // The same guide: for EventBridge, conditions on the source are not supported here.
        let use_of = |sid, service| {
            let actions = json!(["kms:Decrypt", "kms:GenerateDataKey"]);
            Statement::allow(sid).service(frame.service(service)).actions(actions).on("*")
        };
        statements.push(use_of("RulesToEncryptedTopic", Service::Events).always());
        let ours = json!({ "StringEquals": { "aws:SourceAccount": account } });
        statements.push(use_of("AlarmsToEncryptedTopic", Service::CloudWatch).when(ours));
    }
    if frame.has_trail() {
        let trail = frame.trail_arn();
        statements.push(
            Statement::allow("Trail")
                .service(frame.service(Service::CloudTrail))
                .actions(json!(["kms:GenerateDataKey*", "kms:DescribeKey"]))
                .on("*")
                .when(json!({ "StringEquals": { "aws:SourceArn": trail } })),
        );
        let logs = format!("logs.{}.{}", frame.spec.region, frame.partition.dns_suffix());
        let group = frame.arn("logs", &format!("log-group:{}", super::trail::log_group(frame)));
        statements.push(
            Statement::allow("TrailLogGroup")
                .service(logs)
                .actions(json!([
                    "kms:Encrypt*",
                    "kms:Decrypt*",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:Describe*"
                ]))
                .on("*")
                .when(json!({ "ArnEquals": { "kms:EncryptionContext:aws:logs:arn": group } })),
        );
    }
    statements
}
