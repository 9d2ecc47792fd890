//! Alerts: the topic, the rules that send to it, metric filters and alarms.

use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
use aws_sdk_cloudwatchlogs::types::MetricTransformation;
use aws_sdk_eventbridge::types::{RuleState, Target};
use serde_json::{Value, json};

use super::{Found, Tags};
use crate::bootstrap::account::{CallError, built, failed, optional};
use crate::bootstrap::context::Context;
use crate::bootstrap::document;
use crate::spec::{Alarm, DesiredTopic, EventRule, Fact, MetricFilter, OWNER_TAG};

/// What of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicPart {
    /// That it is there, and ours.
    Itself,
    /// Who may publish.
    Policy,
    /// The key that messages are encrypted with.
    Encryption,
    /// Subscribers; further ones are kept.
    Subscriptions,
}

const ABSENT: &[&str] = &["NotFound", "NotFoundException", "ResourceNotFoundException", "ResourceNotFound"];

/// An alarm's window, in seconds.
const PERIOD: i32 = 300;

pub(super) fn wanted_topic(cx: &Context<'_>, topic: &DesiredTopic, part: TopicPart) -> Value {
    let DesiredTopic::Own { arn, policy, encrypted, email, .. } = topic else {
        return json!({ "arn": topic.arn() });
    };
    match part {
        TopicPart::Itself => json!({ "arn": arn }),
        TopicPart::Policy => json!({ "policy": document::canonical(&cx.resolved(policy)) }),
        TopicPart::Encryption => json!({ "key": encrypted.then(|| Fact::KeyArn.to_string()) }),
        TopicPart::Subscriptions => {
            let mut email = email.clone();
            email.sort_unstable();
            json!({ "email": email })
        }
    }
}

pub(super) async fn read_topic(
    cx: &Context<'_>,
    topic: &DesiredTopic,
    part: TopicPart,
) -> Result<Found, CallError> {
    let (sns, arn) = (&cx.account.sns, topic.arn());
    let asked = sns.get_topic_attributes().topic_arn(arn).send().await;
    let answer = optional(asked.map_err(failed("sns:GetTopicAttributes", arn)), ABSENT)?;
    let Some(answer) = answer else {
        return Ok(match topic {
            DesiredTopic::Own { .. } => Found::Absent,
            DesiredTopic::Given(_) => {
                Found::Foreign("there is no such topic: make it, or let alerts.sns be create".into())
            }
        });
    };
    let attributes = answer.attributes.unwrap_or_default();
    Ok(match part {
        TopicPart::Itself => match topic {
            DesiredTopic::Own { .. } if !is_ours(cx, arn).await? => Found::Foreign(super::untagged(cx)),
            _ => Found::Present(json!({ "arn": arn })),
        },
        TopicPart::Policy => {
            let policy = attributes.get("Policy").map(|text| document::parse(text));
            Found::Present(json!({ "policy": policy }))
        }
        TopicPart::Encryption => {
            let key = attributes.get("KmsMasterKeyId").filter(|key| !key.is_empty());
            Found::Present(json!({ "key": key }))
        }
        TopicPart::Subscriptions => {
            let DesiredTopic::Own { email, .. } = topic else { return Ok(Found::Absent) };
            let subscribed = subscribers(cx, arn).await?;
            let mut email: Vec<&String> = email.iter().filter(|it| subscribed.contains(it)).collect();
            email.sort_unstable();
            Found::Present(json!({ "email": email }))
        }
    })
}

async fn is_ours(cx: &Context<'_>, arn: &str) -> Result<bool, CallError> {
    let asked = cx.account.sns.list_tags_for_resource().resource_arn(arn).send().await;
    let tags = asked.map_err(failed("sns:ListTagsForResource", arn))?.tags.unwrap_or_default();
    Ok(tags.iter().any(|tag| tag.key == OWNER_TAG && tag.value == cx.desired.name.as_str()))
}

async fn subscribers(cx: &Context<'_>, arn: &str) -> Result<Vec<String>, CallError> {
    let mut found = Vec::new();
    let asked = cx.account.sns.list_subscriptions_by_topic().topic_arn(arn);
    let mut pages = asked.into_paginator().items().send();
    while let Some(subscription) = pages.next().await {
        found.extend(subscription.map_err(failed("sns:ListSubscriptionsByTopic", arn))?.endpoint);
    }
    Ok(found)
}

pub(super) async fn write_topic(
    cx: &Context<'_>,
    topic: &DesiredTopic,
    part: TopicPart,
    wanted: &Value,
) -> Result<(), CallError> {
    let DesiredTopic::Own { name, arn, policy, email, .. } = topic else { return Ok(()) };
    let sns = &cx.account.sns;
    let set = |name: &str, value: String| {
        sns.set_topic_attributes().topic_arn(arn).attribute_name(name).attribute_value(value).send()
    };
    match part {
        TopicPart::Itself => {
            let tag = |(key, value): (&String, &String)| {
                aws_sdk_sns::types::Tag::builder().key(key).value(value).build()
            };
            let tags = cx.desired.tags.iter().map(tag).collect::<Result<_, _>>();
            let sent = sns.create_topic().name(name);
            let sent = sent.set_tags(Some(tags.map_err(built("sns:CreateTopic", arn))?)).send().await;
            sent.map(drop).map_err(failed("sns:CreateTopic", arn))
        }
        TopicPart::Policy => set("Policy", cx.resolved(policy).to_string())
            .await
            .map(drop)
            .map_err(failed("sns:SetTopicAttributes", arn)),
        TopicPart::Encryption => set("KmsMasterKeyId", wanted["key"].as_str().unwrap_or_default().to_owned())
            .await
            .map(drop)
            .map_err(failed("sns:SetTopicAttributes", arn)),
        TopicPart::Subscriptions => {
            let subscribed = subscribers(cx, arn).await?;
            for address in email.iter().filter(|it| !subscribed.contains(it)) {
                let sent = sns.subscribe().topic_arn(arn).protocol("email").endpoint(address).send().await;
                sent.map_err(failed("sns:Subscribe", arn))?;
            }
            Ok(())
        }
    }
}

pub(super) fn wanted_rule(rule: &EventRule) -> Value {
    json!({
        "pattern": rule.pattern,
        "state": "ENABLED",
        "targets": { rule.target_id.clone(): rule.target },
    })
}

pub(super) async fn read_rule(cx: &Context<'_>, rule: &EventRule) -> Result<Found, CallError> {
    let (events, name) = (&cx.account.events, &rule.name);
    let asked = events.describe_rule().name(name).send().await;
    let Some(found) = optional(asked.map_err(failed("events:DescribeRule", name)), ABSENT)? else {
        return Ok(Found::Absent);
    };
    let arn = found.arn.unwrap_or_default();
    let asked = events.list_tags_for_resource().resource_arn(&arn).send().await;
    let tags = asked.map_err(failed("events:ListTagsForResource", name))?.tags.unwrap_or_default();
    if !tags.iter().any(|tag| tag.key == OWNER_TAG && tag.value == cx.desired.name.as_str()) {
        return Ok(Found::Foreign(super::untagged(cx)));
    }
    let asked = events.list_targets_by_rule().rule(name).send().await;
    let targets = asked.map_err(failed("events:ListTargetsByRule", name))?.targets.unwrap_or_default();
    let targets: Value = targets.into_iter().map(|target| (target.id, Value::from(target.arn))).collect();
    let pattern = found.event_pattern.unwrap_or_default();
    let pattern: Value = serde_json::from_str(&pattern).unwrap_or(Value::String(pattern));
    let state = found.state.as_ref().map(RuleState::as_str);
    Ok(Found::Present(json!({ "pattern": pattern, "state": state, "targets": targets })))
}

/// The rule where it differs, then its target: a run that was stopped in between goes on with the target.
pub(super) async fn write_rule(
    cx: &Context<'_>,
    rule: &EventRule,
    wanted: &Value,
    found: &Found,
) -> Result<(), CallError> {
    let (events, name) = (&cx.account.events, &rule.name);
    let is_so = |field: &str| found.value().is_some_and(|found| found[field] == wanted[field]);
    if !is_so("pattern") || !is_so("state") {
        put_rule(cx, rule, found).await?;
    }
    let target = Target::builder().id(&rule.target_id).arn(&rule.target).build();
    let sent = events.put_targets().rule(name).targets(target.map_err(built("events:PutTargets", name))?);
    sent.send().await.map_err(failed("events:PutTargets", name))?;
    let others = found.value().and_then(|value| value["targets"].as_object()).into_iter().flatten();
    let others: Vec<String> = others.map(|(id, _)| id.clone()).filter(|id| *id != rule.target_id).collect();
    if others.is_empty() {
        return Ok(());
    }
    let sent = events.remove_targets().rule(name).set_ids(Some(others)).send().await;
    sent.map(drop).map_err(failed("events:RemoveTargets", name))
}

async fn put_rule(cx: &Context<'_>, rule: &EventRule, found: &Found) -> Result<(), CallError> {
    let (call, name) = ("events:PutRule", &rule.name);
    let put = cx.account.events.put_rule().name(name).event_pattern(rule.pattern.to_string());
    let mut put = put.state(RuleState::Enabled).description(&rule.description);
    // Tags of a rule that is there already are not looked at.
    if matches!(found, Found::Absent) {
        let tag = |(key, value): (&String, &String)| {
            aws_sdk_eventbridge::types::Tag::builder().key(key).value(value).build()
        };
        let tags = cx.desired.tags.iter().map(tag).collect::<Result<_, _>>();
        put = put.set_tags(Some(tags.map_err(built(call, name))?));
    }
    put.send().await.map(drop).map_err(failed(call, name))
}

pub(super) fn wanted_filter(filter: &MetricFilter) -> Value {
    json!({ "pattern": filter.pattern, "metric": format!("{}/{}", filter.namespace, filter.metric), "value": "1" })
}

pub(super) async fn read_filter(cx: &Context<'_>, filter: &MetricFilter) -> Result<Found, CallError> {
    let asked = cx.account.logs.describe_metric_filters().log_group_name(&filter.log_group);
    let asked = asked.filter_name_prefix(&filter.name).send().await;
    let answer = optional(asked.map_err(failed("logs:DescribeMetricFilters", &filter.name)), ABSENT)?;
    let all = answer.and_then(|answer| answer.metric_filters).unwrap_or_default();
    let found = all.into_iter().find(|found| found.filter_name.as_ref() == Some(&filter.name));
    Ok(found
        .map(|found| {
            let transformation = found.metric_transformations.unwrap_or_default().into_iter().next();
            json!({
                "pattern": found.filter_pattern,
                "metric": transformation.as_ref().map(|it| format!("{}/{}", it.metric_namespace, it.metric_name)),
                "value": transformation.map(|it| it.metric_value),
            })
        })
        .into())
}

pub(super) async fn write_filter(cx: &Context<'_>, filter: &MetricFilter) -> Result<(), CallError> {
    let call = "logs:PutMetricFilter";
    let transformation = MetricTransformation::builder()
        .metric_name(&filter.metric)
        .metric_namespace(&filter.namespace)
        .metric_value("1")
        .build()
        .map_err(built(call, &filter.name))?;
    let sent =
        cx.account.logs.put_metric_filter().log_group_name(&filter.log_group).filter_name(&filter.name);
    let sent = sent.filter_pattern(&filter.pattern).metric_transformations(transformation).send().await;
    sent.map(drop).map_err(failed(call, &filter.name))
}

pub(super) fn wanted_alarm(alarm: &Alarm) -> Value {
    json!({
        "metric": format!("{}/{}", alarm.namespace, alarm.metric),
        "statistic": "Sum",
        "period": PERIOD,
        "threshold": 1.0,
        "comparison": "GreaterThanOrEqualToThreshold",
        "missing data": "notBreaching",
        "actions": [alarm.topic],
        "enabled": true,
    })
}

pub(super) async fn read_alarm(cx: &Context<'_>, alarm: &Alarm) -> Result<Found, CallError> {
    let asked = cx.account.cloudwatch.describe_alarms().alarm_names(&alarm.name).send().await;
    let answer = asked.map_err(failed("cloudwatch:DescribeAlarms", &alarm.name))?;
    let Some(found) = answer.metric_alarms.unwrap_or_default().into_iter().next() else {
        return Ok(Found::Absent);
    };
    let arn = found.alarm_arn.clone().unwrap_or_default();
    let asked = cx.account.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await;
    let tags = asked.map_err(failed("cloudwatch:ListTagsForResource", &alarm.name))?.tags.unwrap_or_default();
    let is_ours = |tag: &aws_sdk_cloudwatch::types::Tag| {
        tag.key.as_deref() == Some(OWNER_TAG) && tag.value.as_deref() == Some(cx.desired.name.as_str())
    };
    if !tags.iter().any(is_ours) {
        return Ok(Found::Foreign(super::untagged(cx)));
    }
    Ok(Some(found)
        .map(|found| {
            json!({
                "metric": format!(
                    "{}/{}",
                    found.namespace.unwrap_or_default(),
                    found.metric_name.unwrap_or_default()
                ),
                "statistic": found.statistic.as_ref().map(Statistic::as_str),
                "period": found.period,
                "threshold": found.threshold,
                "comparison": found.comparison_operator.as_ref().map(ComparisonOperator::as_str),
                "missing data": found.treat_missing_data,
                "actions": found.alarm_actions,
                "enabled": found.actions_enabled,
            })
        })
        .into())
}

pub(super) async fn write_alarm(cx: &Context<'_>, alarm: &Alarm) -> Result<(), CallError> {
    let call = "cloudwatch:PutMetricAlarm";
    let tags: Tags = cx.desired.tags.clone();
    let tags = tags
        .iter()
        .map(|(key, value)| aws_sdk_cloudwatch::types::Tag::builder().key(key).value(value).build());
    let sent = cx
        .account
        .cloudwatch
        .put_metric_alarm()
        .alarm_name(&alarm.name)
        .alarm_description(&alarm.description)
        .namespace(&alarm.namespace)
        .metric_name(&alarm.metric)
        .statistic(Statistic::Sum)
        .period(PERIOD)
        .evaluation_periods(1)
        .threshold(1.0)
        .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
        .treat_missing_data("notBreaching")
        .actions_enabled(true)
        .alarm_actions(&alarm.topic)
        .set_tags(Some(tags.collect()));
    sent.send().await.map(drop).map_err(failed(call, &alarm.name))
}
