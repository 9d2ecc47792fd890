//! CloudTrail: the trail of this deployment where it is managed, or any trail that does the work.

use aws_sdk_cloudtrail::types::{AdvancedEventSelector, AdvancedFieldSelector, Tag, Trail};
use serde_json::{Value, json};

use super::Found;
use crate::bootstrap::account::{CallError, built, failed, optional};
use crate::bootstrap::context::Context;
use crate::spec::{DesiredTrail, Fact, LOG_DAYS, OWNER_TAG};

/// What of the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailPart {
    /// The log group that alarms read.
    LogGroup,
    /// The trail.
    Itself,
    /// Which events it records.
    Selectors,
    /// That it is running.
    Logging,
}

const ABSENT: &[&str] = &["TrailNotFoundException", "ResourceNotFoundException"];

fn log_group_arn(cx: &Context<'_>, group: &str) -> String {
    let desired = cx.desired;
    format!("arn:{}:logs:{}:{}:log-group:{group}:*", desired.partition, desired.region, desired.account)
}

pub(super) fn wanted(cx: &Context<'_>, trail: &DesiredTrail, part: TrailPart) -> Value {
    match part {
        TrailPart::LogGroup => json!({ "kept for days": LOG_DAYS }),
        TrailPart::Itself => json!({
            "bucket": trail.bucket,
            "prefix": trail.prefix,
            "every region": true,
            "validation": true,
            "key": trail.encrypted.then(|| Fact::KeyArn.to_string()),
            "log group": log_group_arn(cx, &trail.log_group),
            "log role": trail.log_role,
        }),
        TrailPart::Selectors => json!({ "selectors": sorted(trail.selectors.clone()) }),
        TrailPart::Logging => json!({ "logging": true }),
    }
}

pub(super) async fn read(
    cx: &Context<'_>,
    trail: &DesiredTrail,
    part: TrailPart,
) -> Result<Found, CallError> {
    let (cloudtrail, name) = (&cx.account.cloudtrail, &trail.name);
    match part {
        TrailPart::LogGroup => {
            let group = &trail.log_group;
            let asked = cx.account.logs.describe_log_groups().log_group_name_prefix(group).send().await;
            let answer = asked.map_err(failed("logs:DescribeLogGroups", group))?;
            let all = answer.log_groups.unwrap_or_default();
            let Some(found) = all.into_iter().find(|found| found.log_group_name.as_ref() == Some(group))
            else {
                return Ok(Found::Absent);
            };
            let arn = log_group_arn(cx, group);
            let asked = cx.account.logs.list_tags_for_resource().resource_arn(arn.trim_end_matches(":*"));
            let asked = asked.send().await.map_err(failed("logs:ListTagsForResource", group))?;
            if asked.tags.unwrap_or_default().get(OWNER_TAG).map(String::as_str)
                != Some(cx.desired.name.as_str())
            {
                return Ok(Found::Foreign(super::untagged(cx)));
            }
            Ok(Found::Present(json!({ "kept for days": found.retention_in_days })))
        }
        TrailPart::Itself => {
            let asked = cloudtrail.get_trail().name(name).send().await;
            let answer = optional(asked.map_err(failed("cloudtrail:GetTrail", name)), ABSENT)?;
            let Some(found) = answer.and_then(|answer| answer.trail) else { return Ok(Found::Absent) };
            if !is_ours(cx, &trail.arn).await? {
                return Ok(Found::Foreign(super::untagged(cx)));
            }
            Ok(Found::Present(shown(&found)))
        }
        TrailPart::Selectors => {
            let asked = cloudtrail.get_event_selectors().trail_name(name).send().await;
            let answer = optional(asked.map_err(failed("cloudtrail:GetEventSelectors", name)), ABSENT)?;
            let selectors = answer.and_then(|answer| answer.advanced_event_selectors);
            let selectors = selectors.filter(|selectors| !selectors.is_empty());
            let shown = |all: Vec<AdvancedEventSelector>| all.iter().map(shown_selector).collect::<Value>();
            Ok(selectors.map(|all| json!({ "selectors": sorted(shown(all)) })).into())
        }
        TrailPart::Logging => {
            let asked = cloudtrail.get_trail_status().name(name).send().await;
            let answer = optional(asked.map_err(failed("cloudtrail:GetTrailStatus", name)), ABSENT)?;
            Ok(answer.map(|answer| json!({ "logging": answer.is_logging.unwrap_or(false) })).into())
        }
    }
}

async fn is_ours(cx: &Context<'_>, arn: &str) -> Result<bool, CallError> {
    let asked = cx.account.cloudtrail.list_tags().resource_id_list(arn).send().await;
    let lists = asked.map_err(failed("cloudtrail:ListTags", arn))?.resource_tag_list.unwrap_or_default();
    let mut tags = lists.into_iter().flat_map(|list| list.tags_list.unwrap_or_default());
    Ok(tags.any(|tag| tag.key == OWNER_TAG && tag.value.as_deref() == Some(cx.desired.name.as_str())))
}

fn shown(found: &Trail) -> Value {
    json!({
        "bucket": found.s3_bucket_name,
        "prefix": found.s3_key_prefix.as_deref().unwrap_or(""),
        "every region": found.is_multi_region_trail.unwrap_or(false),
        "validation": found.log_file_validation_enabled.unwrap_or(false),
        "key": found.kms_key_id,
        "log group": found.cloud_watch_logs_log_group_arn,
        "log role": found.cloud_watch_logs_role_arn,
    })
}

fn shown_selector(selector: &AdvancedEventSelector) -> Value {
    let fields = selector.field_selectors.iter().map(|field| {
        let mut shown = json!({ "Field": field.field });
        for (name, values) in [
            ("Equals", &field.equals),
            ("StartsWith", &field.starts_with),
            ("EndsWith", &field.ends_with),
            ("NotEquals", &field.not_equals),
            ("NotStartsWith", &field.not_starts_with),
            ("NotEndsWith", &field.not_ends_with),
        ] {
            if let Some(values) = values.as_ref().filter(|values| !values.is_empty()) {
                shown[name] = json!(values);
            }
        }
        shown
    });
    json!({ "Name": selector.name, "FieldSelectors": fields.collect::<Value>() })
}

/// Selectors, their fields and the fields' values have no order.
fn sorted(mut value: Value) -> Value {
    match &mut value {
        Value::Array(items) => {
            for item in &mut *items {
                *item = sorted(item.take());
            }
            items.sort_by_key(ToString::to_string);
        }
        Value::Object(fields) => {
            for field in fields.values_mut() {
                *field = sorted(field.take());
            }
        }
        _ => {}
    }
    value
}

pub(super) async fn write(
    cx: &Context<'_>,
    trail: &DesiredTrail,
    part: TrailPart,
    wanted: &Value,
    found: &Found,
) -> Result<(), CallError> {
    let (cloudtrail, name) = (&cx.account.cloudtrail, &trail.name);
    match part {
        TrailPart::LogGroup => write_log_group(cx, &trail.log_group, found).await,
        TrailPart::Itself => write_trail(cx, trail, wanted, found).await,
        TrailPart::Selectors => {
            let call = "cloudtrail:PutEventSelectors";
            let sent = cloudtrail.put_event_selectors().trail_name(name);
            let sent = sent.set_advanced_event_selectors(Some(selectors(trail).map_err(built(call, name))?));
            sent.send().await.map(drop).map_err(failed(call, name))
        }
        TrailPart::Logging => {
            let sent = cloudtrail.start_logging().name(name).send().await;
            sent.map(drop).map_err(failed("cloudtrail:StartLogging", name))
        }
    }
}

async fn write_log_group(cx: &Context<'_>, group: &str, found: &Found) -> Result<(), CallError> {
    let logs = &cx.account.logs;
    if matches!(found, Found::Absent) {
        let tags = cx.desired.tags.clone().into_iter().collect();
        let sent = logs.create_log_group().log_group_name(group).set_tags(Some(tags)).send().await;
        let sent = sent.map_err(failed("logs:CreateLogGroup", group));
        // Stopped between these two calls, the group is there and its time is not set.
        if let Err(error) = sent
            && error.code() != "ResourceAlreadyExistsException"
        {
            return Err(error);
        }
    }
    let days = i32::try_from(LOG_DAYS).unwrap_or(i32::MAX);
    let sent = logs.put_retention_policy().log_group_name(group).retention_in_days(days).send().await;
    sent.map(drop).map_err(failed("logs:PutRetentionPolicy", group))
}

async fn write_trail(
    cx: &Context<'_>,
    trail: &DesiredTrail,
    wanted: &Value,
    found: &Found,
) -> Result<(), CallError> {
    let (cloudtrail, name) = (&cx.account.cloudtrail, &trail.name);
    let key = wanted["key"].as_str().map(str::to_owned);
    let group = log_group_arn(cx, &trail.log_group);
    if matches!(found, Found::Absent) {
        let call = "cloudtrail:CreateTrail";
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let tags = cx.desired.tags.iter().map(tag).collect::<Result<_, _>>();
        let sent = cloudtrail
            .create_trail()
            .name(name)
            .s3_bucket_name(&trail.bucket)
            .s3_key_prefix(&trail.prefix)
            .is_multi_region_trail(true)
            .include_global_service_events(true)
            .enable_log_file_validation(true)
            .cloud_watch_logs_log_group_arn(group)
            .cloud_watch_logs_role_arn(&trail.log_role)
            .set_kms_key_id(key)
            .set_tags_list(Some(tags.map_err(built(call, name))?));
        return sent.send().await.map(drop).map_err(failed(call, name));
    }
    let sent = cloudtrail
        .update_trail()
        .name(name)
        .s3_bucket_name(&trail.bucket)
        .s3_key_prefix(&trail.prefix)
        .is_multi_region_trail(true)
        .include_global_service_events(true)
        .enable_log_file_validation(true)
        .cloud_watch_logs_log_group_arn(group)
        .cloud_watch_logs_role_arn(&trail.log_role)
        .set_kms_key_id(key);
    sent.send().await.map(drop).map_err(failed("cloudtrail:UpdateTrail", name))
}

fn selectors(
    trail: &DesiredTrail,
) -> Result<Vec<AdvancedEventSelector>, aws_sdk_cloudtrail::error::BuildError> {
    let texts = |value: &Value| {
        let items = value.as_array()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<_>>())
    };
    let field = |field: &Value| {
        AdvancedFieldSelector::builder()
            .field(field["Field"].as_str().unwrap_or_default())
            .set_equals(texts(&field["Equals"]))
            .set_starts_with(texts(&field["StartsWith"]))
            .set_ends_with(texts(&field["EndsWith"]))
            .set_not_equals(texts(&field["NotEquals"]))
            .build()
    };
    let selector = |selector: &Value| {
        let fields = selector["FieldSelectors"].as_array().into_iter().flatten().map(field);
        AdvancedEventSelector::builder()
            .set_name(selector["Name"].as_str().map(str::to_owned))
            .set_field_selectors(Some(fields.collect::<Result<_, _>>()?))
            .build()
    };
    trail.selectors.as_array().into_iter().flatten().map(selector).collect()
}

/// What any trail that does the work looks like.
pub(super) fn wanted_any() -> Value {
    json!({ "every region": true, "validation": true, "logging": true })
}

/// The first trail that does the work; else the first that is there.
pub(super) async fn read_any(cx: &Context<'_>) -> Result<Found, CallError> {
    let cloudtrail = &cx.account.cloudtrail;
    let asked = cloudtrail.describe_trails().send().await;
    let answer = asked.map_err(failed("cloudtrail:DescribeTrails", "the account"))?;
    let mut first = Found::Absent;
    for trail in answer.trail_list.unwrap_or_default() {
        let arn = trail.trail_arn.clone().unwrap_or_default();
        let asked = cloudtrail.get_trail_status().name(&arn).send().await;
        let status = optional(asked.map_err(failed("cloudtrail:GetTrailStatus", &arn)), ABSENT)?;
        let found = Found::Present(json!({
            "every region": trail.is_multi_region_trail.unwrap_or(false),
            "validation": trail.log_file_validation_enabled.unwrap_or(false),
            "logging": status.and_then(|status| status.is_logging).unwrap_or(false),
        }));
        if found.value() == Some(&wanted_any()) {
            return Ok(found);
        }
        if matches!(first, Found::Absent) {
            first = found;
        }
    }
    Ok(first)
}
