//! A bucket and each of its settings, one call to read and one to write. Every call says whose bucket it has to be.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    BlockedEncryptionTypes, BucketLocationConstraint, BucketLoggingStatus, BucketNamespace,
    BucketVersioningStatus, CreateBucketConfiguration, DefaultRetention, EncryptionType, LoggingEnabled,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, PartitionDateSource, PartitionedPrefix,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, TargetObjectKeyFormat,
    VersioningConfiguration,
};
use serde_json::{Value, json};

use super::{Found, Tags, all_public_access_blocked, owned};
use crate::bootstrap::account::{CallError, built, failed, optional};
use crate::bootstrap::context::Context;
use crate::bootstrap::document;
use crate::spec::{DesiredBucket, Encryption, KeyRef, OWNER_TAG, Versioning};

/// What of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketPart {
    /// That it is there, in its region, ours.
    Itself,
    /// Our tags on it; others' are kept.
    Tags,
    /// `BucketOwnerEnforced`.
    Ownership,
    /// All four.
    PublicAccess,
    /// Whether versions are kept.
    Versioning,
    /// Default encryption.
    Encryption,
    /// Object Lock and the default retention.
    ObjectLock,
    /// The bucket policy.
    Policy,
    /// Where its access logs go.
    Logging,
}

/// All tags that a bucket of a deployment has.
pub(super) fn tags(cx: &Context<'_>, bucket: &DesiredBucket) -> BTreeMap<String, String> {
    cx.desired.tags.iter().chain(&bucket.tags).map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub(super) fn wanted(cx: &Context<'_>, bucket: &DesiredBucket, part: BucketPart) -> Value {
    match part {
        BucketPart::Itself => json!({ "region": cx.desired.region.as_str() }),
        BucketPart::Tags => json!(tags(cx, bucket)),
        BucketPart::Ownership => json!({ "ownership": "BucketOwnerEnforced" }),
        BucketPart::PublicAccess => all_public_access_blocked(),
        BucketPart::Versioning => match bucket.versioning {
            Versioning::On(_) => json!({ "status": "Enabled" }),
            Versioning::Off => json!({ "status": "Off" }),
        },
        BucketPart::Encryption => {
            let (algorithm, key) = match &bucket.encryption {
                Encryption::SseS3 => ("AES256", None),
                Encryption::SseKms(KeyRef::Own) => ("aws:kms", Some(crate::spec::Fact::KeyArn.to_string())),
                Encryption::SseKms(KeyRef::Given(arn)) => ("aws:kms", Some(arn.clone())),
            };
            encryption(algorithm, key.as_deref(), key.is_some(), &["SSE-C"])
        }
        BucketPart::ObjectLock => bucket
            .object_lock
            .map_or(Value::Null, |lock| json!({ "mode": lock.mode.as_str(), "days": lock.days })),
        BucketPart::Policy => json!({ "policy": document::canonical(&cx.resolved(&bucket.policy)) }),
        BucketPart::Logging => bucket.logs.as_ref().map_or(
            Value::Null,
            |logs| json!({ "bucket": logs.bucket, "prefix": logs.prefix, "partitioned by": "EventTime" }),
        ),
    }
}

fn encryption(algorithm: &str, key: Option<&str>, bucket_key: bool, blocked: &[&str]) -> Value {
    json!({ "algorithm": algorithm, "key": key, "bucket key": bucket_key, "blocked": blocked })
}

pub(super) async fn read(
    cx: &Context<'_>,
    bucket: &DesiredBucket,
    part: BucketPart,
) -> Result<Found, CallError> {
    let (s3, name, owner) = (&cx.account.s3, &bucket.name, &cx.account.id);
    match part {
        BucketPart::Itself => itself(cx, bucket).await,
        BucketPart::Tags => Ok(Found::Present(owned(&existing_tags(cx, name).await?, &tags(cx, bucket)))),
        BucketPart::Ownership => {
            let call = "s3:GetBucketOwnershipControls";
            let asked =
                s3.get_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner).send().await;
            let answer = optional(asked.map_err(failed(call, name)), &["OwnershipControlsNotFoundError"])?;
            let rules = answer.and_then(|answer| answer.ownership_controls).map(|controls| controls.rules);
            Ok(rules
                .and_then(|rules| Some(json!({ "ownership": rules.first()?.object_ownership.as_str() })))
                .into())
        }
        BucketPart::PublicAccess => {
            let call = "s3:GetBucketPublicAccessBlock";
            let asked = s3.get_public_access_block().bucket(name).expected_bucket_owner(owner).send().await;
            let answer =
                optional(asked.map_err(failed(call, name)), &["NoSuchPublicAccessBlockConfiguration"])?;
            let block = answer.and_then(|answer| answer.public_access_block_configuration);
            Ok(block
                .map(|block| {
                    super::public_access_block(
                        block.block_public_acls,
                        block.ignore_public_acls,
                        block.block_public_policy,
                        block.restrict_public_buckets,
                    )
                })
                .into())
        }
        BucketPart::Versioning => {
            let asked = s3.get_bucket_versioning().bucket(name).expected_bucket_owner(owner).send().await;
            let answer = asked.map_err(failed("s3:GetBucketVersioning", name))?;
            let on = answer.status == Some(BucketVersioningStatus::Enabled);
            Ok(Found::Present(json!({ "status": if on { "Enabled" } else { "Off" } })))
        }
        BucketPart::Encryption => {
            let call = "s3:GetEncryptionConfiguration";
            let asked = s3.get_bucket_encryption().bucket(name).expected_bucket_owner(owner).send().await;
            let answer = optional(
                asked.map_err(failed(call, name)),
                &["ServerSideEncryptionConfigurationNotFoundError"],
            )?;
            let rules = answer
                .and_then(|answer| answer.server_side_encryption_configuration)
                .map(|configuration| configuration.rules);
            Ok(rules.and_then(|rules| rules.into_iter().next()).map(|rule| encryption_rule(&rule)).into())
        }
        BucketPart::ObjectLock => object_lock(cx, name).await,
        BucketPart::Policy => {
            let asked = s3.get_bucket_policy().bucket(name).expected_bucket_owner(owner).send().await;
            let answer =
                optional(asked.map_err(failed("s3:GetBucketPolicy", name)), &["NoSuchBucketPolicy"])?;
            let text = answer.and_then(|answer| answer.policy);
            Ok(text.map(|text| json!({ "policy": document::parse(&text) })).into())
        }
        BucketPart::Logging => {
            let asked = s3.get_bucket_logging().bucket(name).expected_bucket_owner(owner).send().await;
            let answer = asked.map_err(failed("s3:GetBucketLogging", name))?;
            Ok(answer.logging_enabled.map(|logging| logging_target(&logging)).into())
        }
    }
}

/// Looks before anything else: in us-east-1 creating a bucket that one owns succeeds, and resets its ACLs. By its location and
/// not by `HeadBucket`, which is `s3:ListBucket` and denied to whoever is no client: an operator needs no data.
async fn itself(cx: &Context<'_>, bucket: &DesiredBucket) -> Result<Found, CallError> {
    let name = &bucket.name;
    let region = match region(cx, name).await {
        Ok(region) => region,
        Err(error) if error.code() == "NoSuchBucket" => return Ok(Found::Absent),
        Err(error) if ELSEWHERE.contains(&error.code()) => "another region".to_owned(),
        Err(error) if error.code() == "AccessDenied" => {
            return Ok(Found::Foreign(format!(
                "the name is taken by another account, or {} may not look at it: choose another name, or allow \
                 s3:GetBucketLocation on it",
                cx.account.caller
            )));
        }
        Err(error) => return Err(error),
    };
    if region != cx.desired.region.as_str() {
        return Ok(Found::Foreign(format!(
            "a bucket of this name lies in {region} and not in {}: from there every byte is paid for, and the gateway \
             endpoint does not lead there",
            cx.desired.region
        )));
    }
    let tags = existing_tags(cx, name).await?;
    if tags.get(OWNER_TAG).map(String::as_str) != Some(cx.desired.name.as_str()) {
        return Ok(Found::Foreign(super::untagged(cx)));
    }
    Ok(Found::Present(json!({ "region": region })))
}

/// What S3 says of a bucket that is not in the region which was asked.
const ELSEWHERE: [&str; 5] = [
    "301",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "MovedPermanently",
    "PermanentRedirect",
];

/// The region that a bucket of this account lies in.
pub(in crate::bootstrap) async fn region(cx: &Context<'_>, name: &str) -> Result<String, CallError> {
    let asked = cx.account.s3.get_bucket_location().bucket(name);
    let asked = asked.expected_bucket_owner(&cx.account.id).send().await;
    let answer = asked.map_err(failed("s3:GetBucketLocation", name))?;
    Ok(location(answer.location_constraint.as_ref()).to_owned())
}

/// S3's oldest regions go by other names. Source: Amazon S3 API reference, `GetBucketLocation`.
fn location(constraint: Option<&BucketLocationConstraint>) -> &str {
    match constraint.map(BucketLocationConstraint::as_str) {
        None | Some("") => "us-east-1",
        Some("EU") => "eu-west-1",
        Some(region) => region,
    }
}

async fn existing_tags(cx: &Context<'_>, name: &str) -> Result<Tags, CallError> {
    let asked =
        cx.account.s3.get_bucket_tagging().bucket(name).expected_bucket_owner(&cx.account.id).send().await;
    let answer = optional(asked.map_err(failed("s3:GetBucketTagging", name)), &["NoSuchTagSet"])?;
    Ok(answer.into_iter().flat_map(|answer| answer.tag_set).map(|tag| (tag.key, tag.value)).collect())
}

fn encryption_rule(rule: &ServerSideEncryptionRule) -> Value {
    let default = rule.apply_server_side_encryption_by_default.as_ref();
    let algorithm = default.map_or("", |default| default.sse_algorithm.as_str());
    let key = default.and_then(|default| default.kms_master_key_id.as_deref());
    let blocked = rule.blocked_encryption_types.as_ref().map_or(&[][..], |blocked| blocked.encryption_type());
    let mut blocked: Vec<&str> =
        blocked.iter().map(EncryptionType::as_str).filter(|kind| *kind != "NONE").collect();
    blocked.sort_unstable();
    encryption(algorithm, key, rule.bucket_key_enabled.unwrap_or(false), &blocked)
}

async fn object_lock(cx: &Context<'_>, name: &str) -> Result<Found, CallError> {
    let call = "s3:GetBucketObjectLockConfiguration";
    let asked = cx.account.s3.get_object_lock_configuration().bucket(name);
    let asked = asked.expected_bucket_owner(&cx.account.id).send().await;
    let answer = optional(asked.map_err(failed(call, name)), &["ObjectLockConfigurationNotFoundError"])?;
    let configuration = answer.and_then(|answer| answer.object_lock_configuration);
    let Some(configuration) = configuration.filter(|found| found.object_lock_enabled.is_some()) else {
        return Ok(Found::Absent);
    };
    let default = configuration.rule.and_then(|rule| rule.default_retention);
    let mode =
        default.as_ref().and_then(|default| default.mode.as_ref()).map(ObjectLockRetentionMode::as_str);
    let days = default.as_ref().and_then(|default| default.days.or(default.years.map(|years| years * 365)));
    Ok(Found::Present(json!({ "mode": mode, "days": days })))
}

fn logging_target(logging: &LoggingEnabled) -> Value {
    let format = logging.target_object_key_format.as_ref();
    let partitioned = format.and_then(|format| format.partitioned_prefix.as_ref());
    let source = partitioned.and_then(|prefix| prefix.partition_date_source.as_ref());
    json!({
        "bucket": logging.target_bucket,
        "prefix": logging.target_prefix,
        "partitioned by": source.map(PartitionDateSource::as_str),
    })
}

/// Writes a part as it is wanted, facts filled in.
pub(super) async fn write(
    cx: &Context<'_>,
    bucket: &DesiredBucket,
    part: BucketPart,
    wanted: &Value,
) -> Result<(), CallError> {
    let (s3, name, owner) = (&cx.account.s3, &bucket.name, &cx.account.id);
    match part {
        BucketPart::Itself => create(cx, bucket).await,
        BucketPart::Tags => {
            let call = "s3:PutBucketTagging";
            let mut all = existing_tags(cx, name).await?;
            all.extend(tags(cx, bucket));
            let tagging = Tagging::builder().set_tag_set(Some(tag_set(&all, name)?));
            let tagging = tagging.build().map_err(built(call, name))?;
            let sent =
                s3.put_bucket_tagging().bucket(name).expected_bucket_owner(owner).tagging(tagging).send();
            sent.await.map(drop).map_err(failed(call, name))
        }
        BucketPart::Ownership => {
            let call = "s3:PutBucketOwnershipControls";
            let rule =
                OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced);
            let controls = OwnershipControls::builder().rules(rule.build().map_err(built(call, name))?);
            let controls = controls.build().map_err(built(call, name))?;
            let sent = s3.put_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner);
            sent.ownership_controls(controls).send().await.map(drop).map_err(failed(call, name))
        }
        BucketPart::PublicAccess => {
            let block = PublicAccessBlockConfiguration::builder()
                .block_public_acls(true)
                .ignore_public_acls(true)
                .block_public_policy(true)
                .restrict_public_buckets(true)
                .build();
            let sent = s3.put_public_access_block().bucket(name).expected_bucket_owner(owner);
            let sent = sent.public_access_block_configuration(block).send().await;
            sent.map(drop).map_err(failed("s3:PutBucketPublicAccessBlock", name))
        }
        BucketPart::Versioning => {
            let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let sent = s3.put_bucket_versioning().bucket(name).expected_bucket_owner(owner);
            let sent = sent.versioning_configuration(on).send().await;
            sent.map(drop).map_err(failed("s3:PutBucketVersioning", name))
        }
        BucketPart::Encryption => {
            let call = "s3:PutEncryptionConfiguration";
            let configuration = encryption_configuration(wanted).map_err(built(call, name))?;
            let sent = s3.put_bucket_encryption().bucket(name).expected_bucket_owner(owner);
            let sent = sent.server_side_encryption_configuration(configuration).send().await;
            sent.map(drop).map_err(failed(call, name))
        }
        BucketPart::ObjectLock => lock(cx, bucket).await,
        BucketPart::Policy => {
            let sent = s3.put_bucket_policy().bucket(name).expected_bucket_owner(owner);
            let sent = sent.policy(cx.resolved(&bucket.policy).to_string()).send().await;
            sent.map(drop).map_err(failed("s3:PutBucketPolicy", name))
        }
        BucketPart::Logging => {
            let call = "s3:PutBucketLogging";
            let Some(logs) = &bucket.logs else { return Ok(()) };
            let prefix = PartitionedPrefix::builder().partition_date_source(PartitionDateSource::EventTime);
            let format = TargetObjectKeyFormat::builder().partitioned_prefix(prefix.build()).build();
            let enabled = LoggingEnabled::builder()
                .target_bucket(&logs.bucket)
                .target_prefix(&logs.prefix)
                .target_object_key_format(format);
            let enabled = enabled.build().map_err(built(call, name))?;
            let status = BucketLoggingStatus::builder().logging_enabled(enabled).build();
            let sent = s3.put_bucket_logging().bucket(name).expected_bucket_owner(owner);
            sent.bucket_logging_status(status).send().await.map(drop).map_err(failed(call, name))
        }
    }
}

/// Everything that CreateBucket can say is said there: between two calls a bucket would be somebody's without being
/// marked as ours.
async fn create(cx: &Context<'_>, bucket: &DesiredBucket) -> Result<(), CallError> {
    let (call, name) = ("s3:CreateBucket", &bucket.name);
    let mut configuration =
        CreateBucketConfiguration::builder().set_tags(Some(tag_set(&tags(cx, bucket), name)?));
    // us-east-1 is said by saying nothing.
    if cx.desired.region.as_str() != "us-east-1" {
        let region = BucketLocationConstraint::from(cx.desired.region.as_str());
        configuration = configuration.location_constraint(region);
    }
    let mut sent = cx
        .account
        .s3
        .create_bucket()
        .bucket(name)
        .object_ownership(ObjectOwnership::BucketOwnerEnforced)
        .create_bucket_configuration(configuration.build());
    if bucket.object_lock.is_some() {
        sent = sent.object_lock_enabled_for_bucket(true);
    }
    if bucket.account_regional {
        sent = sent.bucket_namespace(BucketNamespace::AccountRegional);
    }
    sent.send().await.map(drop).map_err(failed(call, name))
}

fn tag_set(tags: &BTreeMap<String, String>, name: &str) -> Result<Vec<Tag>, CallError> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect::<Result<_, _>>().map_err(built("s3:PutBucketTagging", name))
}

fn encryption_configuration(
    wanted: &Value,
) -> Result<ServerSideEncryptionConfiguration, aws_sdk_s3::error::BuildError> {
    let algorithm = ServerSideEncryption::from(wanted["algorithm"].as_str().unwrap_or_default());
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(algorithm)
        .set_kms_master_key_id(wanted["key"].as_str().map(str::to_owned));
    let blocked = BlockedEncryptionTypes::builder().encryption_type(EncryptionType::SseC).build();
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default.build()?)
        .bucket_key_enabled(wanted["bucket key"].as_bool().unwrap_or(false))
        .blocked_encryption_types(blocked);
    ServerSideEncryptionConfiguration::builder().rules(rule.build()).build()
}

async fn lock(cx: &Context<'_>, bucket: &DesiredBucket) -> Result<(), CallError> {
    let (call, name) = ("s3:PutBucketObjectLockConfiguration", &bucket.name);
    let Some(wanted) = bucket.object_lock else { return Ok(()) };
    let retention = DefaultRetention::builder()
        .mode(ObjectLockRetentionMode::from(wanted.mode.as_str()))
        .days(i32::try_from(wanted.days).unwrap_or(i32::MAX))
        .build();
    let configuration = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build())
        .build();
    let sent = cx.account.s3.put_object_lock_configuration().bucket(name);
    let sent =
        sent.expected_bucket_owner(&cx.account.id).object_lock_configuration(configuration).send().await;
    sent.map(drop).map_err(failed(call, name))
}
