//! A bucket's lifecycle rules: one document, of which those with our IDs are ours, and the others are kept as they are.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration,
    LifecycleRule as Rule, LifecycleRuleFilter, NoncurrentVersionExpiration, NoncurrentVersionTransition,
    Transition as Step, TransitionStorageClass,
};
use serde_json::{Value, json};

use crate::bootstrap::account::{CallError, built, failed, optional};
use crate::bootstrap::context::Context;
use crate::spec::{DesiredBucket, LifecycleRule, Transition};

/// What our rules' IDs start with.
const OURS: &str = "s3ap-";

pub(super) fn is_ours(rule: &Rule) -> bool {
    rule.id.as_deref().is_some_and(|id| id.starts_with(OURS))
}

pub(super) async fn rules(cx: &Context<'_>, name: &str) -> Result<Vec<Rule>, CallError> {
    let asked = cx.account.s3.get_bucket_lifecycle_configuration().bucket(name);
    let asked = asked.expected_bucket_owner(&cx.account.id).send().await;
    let asked = asked.map_err(failed("s3:GetLifecycleConfiguration", name));
    let answer = optional(asked, &["NoSuchLifecycleConfiguration"])?;
    Ok(answer.and_then(|answer| answer.rules).unwrap_or_default())
}

pub(super) fn declared(rule: &LifecycleRule) -> Value {
    let steps = |steps: &[Transition]| -> Vec<Value> {
        let mut steps = steps.to_vec();
        steps.sort_by_key(|step| step.after_days);
        steps.iter().map(|step| json!({ "days": step.after_days, "class": step.class.as_str() })).collect()
    };
    json!({
        "status": "Enabled",
        "prefix": rule.prefix,
        "transitions": steps(&rule.transitions),
        "expire after days": rule.expire_after_days,
        "noncurrent transitions": steps(&rule.noncurrent_transitions),
        "noncurrent expire after days": rule.noncurrent_expire_after_days,
        "abort multipart after days": rule.abort_multipart_after_days,
        "expired delete markers": rule.expired_delete_markers,
    })
}

pub(super) fn found(rule: &Rule) -> Value {
    let filter = rule.filter.as_ref();
    let narrower = filter.is_some_and(|filter| filter.and.is_some() || filter.tag.is_some());
    let mut transitions: Vec<_> =
        rule.transitions().iter().map(|step| (step.days, &step.storage_class)).collect();
    transitions.sort_by_key(|(days, _)| *days);
    let mut noncurrent: Vec<_> = rule
        .noncurrent_version_transitions()
        .iter()
        .map(|step| (step.noncurrent_days, &step.storage_class))
        .collect();
    noncurrent.sort_by_key(|(days, _)| *days);
    let steps = |steps: Vec<(Option<i32>, &Option<TransitionStorageClass>)>| -> Vec<Value> {
        let class = |class: &Option<TransitionStorageClass>| class.as_ref().map(|c| c.as_str().to_owned());
        steps.into_iter().map(|(days, it)| json!({ "days": days, "class": class(it) })).collect()
    };
    let expiration = rule.expiration.as_ref();
    let mut found = json!({
        "status": rule.status.as_str(),
        "prefix": filter.and_then(|filter| filter.prefix.as_deref()).unwrap_or(""),
        "transitions": steps(transitions),
        "expire after days": expiration.and_then(|expiration| expiration.days),
        "noncurrent transitions": steps(noncurrent),
        "noncurrent expire after days": rule.noncurrent_version_expiration.as_ref().and_then(|it| it.noncurrent_days),
        "abort multipart after days":
            rule.abort_incomplete_multipart_upload.as_ref().and_then(|it| it.days_after_initiation),
        "expired delete markers":
            expiration.and_then(|expiration| expiration.expired_object_delete_marker).unwrap_or(false),
    });
    if narrower {
        found["narrowed by tags or sizes"] = true.into();
    }
    found
}

/// The configuration is one document: ours are replaced in it, whatever else it holds stays.
pub(super) async fn put(cx: &Context<'_>, bucket: &DesiredBucket) -> Result<(), CallError> {
    let (call, name) = ("s3:PutLifecycleConfiguration", &bucket.name);
    let mut all = rules(cx, name).await?;
    all.retain(|rule| !is_ours(rule));
    for rule in &bucket.lifecycle {
        all.push(sdk_rule(rule).map_err(built(call, name))?);
    }
    let owner = &cx.account.id;
    if all.is_empty() {
        let sent =
            cx.account.s3.delete_bucket_lifecycle().bucket(name).expected_bucket_owner(owner).send().await;
        return sent.map(drop).map_err(failed(call, name));
    }
    let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(all)).build();
    let configuration = configuration.map_err(built(call, name))?;
    let sent = cx.account.s3.put_bucket_lifecycle_configuration().bucket(name).expected_bucket_owner(owner);
    sent.lifecycle_configuration(configuration).send().await.map(drop).map_err(failed(call, name))
}

/// Days are small; AWS refuses what is not.
fn days(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

fn sdk_rule(rule: &LifecycleRule) -> Result<Rule, aws_sdk_s3::error::BuildError> {
    let class = |step: &Transition| TransitionStorageClass::from(step.class.as_str());
    let mut sdk = Rule::builder()
        .id(&rule.id)
        .status(ExpirationStatus::Enabled)
        // Without a filter the API falls back to a form that it no longer documents.
        .filter(LifecycleRuleFilter::builder().prefix(&rule.prefix).build());
    for step in &rule.transitions {
        sdk = sdk.transitions(Step::builder().days(days(step.after_days)).storage_class(class(step)).build());
    }
    for step in &rule.noncurrent_transitions {
        let moved = NoncurrentVersionTransition::builder().noncurrent_days(days(step.after_days));
        sdk = sdk.noncurrent_version_transitions(moved.storage_class(class(step)).build());
    }
    if rule.expire_after_days.is_some() || rule.expired_delete_markers {
        let marker = rule.expired_delete_markers.then_some(true);
        let expiration = LifecycleExpiration::builder()
            .set_days(rule.expire_after_days.map(days))
            .set_expired_object_delete_marker(marker);
        sdk = sdk.expiration(expiration.build());
    }
    if let Some(after) = rule.noncurrent_expire_after_days {
        sdk = sdk.noncurrent_version_expiration(
            NoncurrentVersionExpiration::builder().noncurrent_days(days(after)).build(),
        );
    }
    if let Some(after) = rule.abort_multipart_after_days {
        sdk = sdk.abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder().days_after_initiation(days(after)).build(),
        );
    }
    sdk.build()
}
