//! How each resource is taken away, and what keeps a bucket or a log group from it: what holds data is never deleted.

use aws_sdk_s3::types::ObjectLockEnabled;

use super::{BucketPart, KeyPart, RolePart, Setting, TopicPart, TrailPart};
use crate::bootstrap::account::{CallError, failed, optional};
use crate::bootstrap::context::Context;
use crate::bootstrap::items::Item;
use crate::bootstrap::settings::{find_endpoint, find_key};
use crate::spec::{DesiredTopic, EndpointPlan, ManagedPolicy, Role};

/// Until a key that is scheduled for deletion is gone: as long as KMS lets one wait.
pub(in crate::bootstrap) const KEY_DAYS: i32 = 30;

/// Why something has to stay: it holds what nobody else has.
pub(in crate::bootstrap) async fn stays(
    cx: &Context<'_>,
    item: &Item<'_>,
) -> Result<Option<&'static str>, CallError> {
    match item.setting {
        Setting::Bucket(bucket, BucketPart::Itself) => match bucket_stays(cx, &bucket.name).await {
            Err(error) if error.code() == "AccessDenied" => {
                Ok(Some("nobody but the break-glass role may look whether it is empty"))
            }
            looked => looked,
        },
        Setting::Trail(trail, TrailPart::LogGroup) => log_group_stays(cx, &trail.log_group).await,
        _ => Ok(None),
    }
}

async fn bucket_stays(cx: &Context<'_>, name: &str) -> Result<Option<&'static str>, CallError> {
    let (s3, owner) = (&cx.account.s3, &cx.account.id);
    let asked = s3.get_object_lock_configuration().bucket(name).expected_bucket_owner(owner).send().await;
    let asked = asked.map_err(failed("s3:GetBucketObjectLockConfiguration", name));
    let lock = optional(asked, &["ObjectLockConfigurationNotFoundError"])?;
    let lock = lock.and_then(|answer| answer.object_lock_configuration);
    if lock.is_some_and(|lock| lock.object_lock_enabled == Some(ObjectLockEnabled::Enabled)) {
        return Ok(Some("it is locked (Object Lock)"));
    }
    let asked = s3.list_object_versions().bucket(name).max_keys(1).expected_bucket_owner(owner).send().await;
    let found = asked.map_err(failed("s3:ListBucketVersions", name))?;
    if !found.versions().is_empty() || !found.delete_markers().is_empty() {
        return Ok(Some("it holds objects or versions of them"));
    }
    let asked =
        s3.list_multipart_uploads().bucket(name).max_uploads(1).expected_bucket_owner(owner).send().await;
    let found = asked.map_err(failed("s3:ListBucketMultipartUploads", name))?;
    Ok((!found.uploads().is_empty()).then_some("it holds parts of uploads that were not completed"))
}

async fn log_group_stays(cx: &Context<'_>, name: &str) -> Result<Option<&'static str>, CallError> {
    let asked = cx.account.logs.describe_log_streams().log_group_name(name).limit(1).send().await;
    let found = asked.map_err(failed("logs:DescribeLogStreams", name))?;
    Ok((!found.log_streams().is_empty()).then_some("it holds events"))
}

/// Deletes a resource.
pub(in crate::bootstrap) async fn remove(cx: &Context<'_>, item: &Item<'_>) -> Result<(), CallError> {
    let account = cx.account;
    match item.setting {
        Setting::Bucket(bucket, BucketPart::Itself) => {
            // S3 itself refuses one that is not empty.
            let name = &bucket.name;
            let sent =
                account.s3.delete_bucket().bucket(name).expected_bucket_owner(&account.id).send().await;
            sent.map(drop).map_err(failed("s3:DeleteBucket", name))
        }
        Setting::Role(role, RolePart::Itself) => remove_role(cx, role).await,
        Setting::Policy(policy) => remove_policy(cx, policy).await,
        Setting::Key(key, KeyPart::Itself) => {
            let Some(found) = find_key(cx, key).await? else { return Ok(()) };
            let sent = account.kms.delete_alias().alias_name(&key.alias).send().await;
            let sent = sent.map_err(failed("kms:DeleteAlias", &key.alias));
            optional(sent, &["NotFoundException"])?;
            let sent = account.kms.schedule_key_deletion().key_id(&found.id).pending_window_in_days(KEY_DAYS);
            sent.send().await.map(drop).map_err(failed("kms:ScheduleKeyDeletion", &found.id))
        }
        Setting::Endpoint(plan, _) => remove_endpoint(cx, plan).await,
        Setting::Topic(DesiredTopic::Own { arn, .. }, TopicPart::Itself) => {
            let sent = account.sns.delete_topic().topic_arn(arn).send().await;
            sent.map(drop).map_err(failed("sns:DeleteTopic", arn))
        }
        Setting::Trail(trail, TrailPart::LogGroup) => {
            let sent = account.logs.delete_log_group().log_group_name(&trail.log_group).send().await;
            sent.map(drop).map_err(failed("logs:DeleteLogGroup", &trail.log_group))
        }
        Setting::Trail(trail, TrailPart::Itself) => {
            let sent = account.cloudtrail.delete_trail().name(&trail.name).send().await;
            sent.map(drop).map_err(failed("cloudtrail:DeleteTrail", &trail.name))
        }
        Setting::Filter(filter) => {
            let sent = account.logs.delete_metric_filter().log_group_name(&filter.log_group);
            let sent = sent.filter_name(&filter.name).send().await;
            sent.map(drop).map_err(failed("logs:DeleteMetricFilter", &filter.name))
        }
        Setting::Alarm(alarm) => {
            let sent = account.cloudwatch.delete_alarms().alarm_names(&alarm.name).send().await;
            sent.map(drop).map_err(failed("cloudwatch:DeleteAlarms", &alarm.name))
        }
        Setting::Rule(rule) => {
            let (events, name) = (&account.events, &rule.name);
            let sent = events.remove_targets().rule(name).ids(&rule.target_id).send().await;
            sent.map_err(failed("events:RemoveTargets", name))?;
            let sent = events.delete_rule().name(name).send().await;
            sent.map(drop).map_err(failed("events:DeleteRule", name))
        }
        Setting::PodIdentity(association) => super::network::remove_pod_identity(cx, association).await,
        // Parts go with their resource; what is account-wide stays.
        Setting::AccountPublicAccess
        | Setting::Oidc(_)
        | Setting::AnyTrail
        | Setting::Key(..)
        | Setting::Role(..)
        | Setting::Topic(..)
        | Setting::Bucket(..)
        | Setting::Rules(..)
        | Setting::Trail(..) => Ok(()),
    }
}

async fn remove_role(cx: &Context<'_>, role: &Role) -> Result<(), CallError> {
    let (iam, name) = (&cx.account.iam, &role.name);
    for policy in super::iam::inline_names(cx, name).await? {
        let sent = iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
        sent.map_err(failed("iam:DeleteRolePolicy", name))?;
    }
    for arn in super::iam::attached(cx, name).await? {
        let sent = iam.detach_role_policy().role_name(name).policy_arn(arn).send().await;
        sent.map_err(failed("iam:DetachRolePolicy", name))?;
    }
    let sent = iam.delete_role().role_name(name).send().await;
    sent.map(drop).map_err(failed("iam:DeleteRole", name))
}

async fn remove_policy(cx: &Context<'_>, policy: &ManagedPolicy) -> Result<(), CallError> {
    let (iam, arn) = (&cx.account.iam, &policy.arn);
    let asked = iam.list_policy_versions().policy_arn(arn).send().await;
    let versions = asked.map_err(failed("iam:ListPolicyVersions", arn))?.versions.unwrap_or_default();
    for version in versions.into_iter().filter(|version| !version.is_default_version) {
        let sent =
            iam.delete_policy_version().policy_arn(arn).set_version_id(version.version_id).send().await;
        sent.map_err(failed("iam:DeletePolicyVersion", arn))?;
    }
    let sent = iam.delete_policy().policy_arn(arn).send().await;
    sent.map(drop).map_err(failed("iam:DeletePolicy", arn))
}

async fn remove_endpoint(cx: &Context<'_>, plan: &EndpointPlan) -> Result<(), CallError> {
    let Some(vpc) = &cx.known.vpc else { return Ok(()) };
    let Some(found) = find_endpoint(cx, vpc, &plan.service).await?.filter(|found| found.ours) else {
        return Ok(());
    };
    let sent = cx.account.ec2.delete_vpc_endpoints().vpc_endpoint_ids(&found.id).send().await;
    sent.map(drop).map_err(failed("ec2:DeleteVpcEndpoints", &found.id))
}
