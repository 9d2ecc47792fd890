//! Topic, rules, filters, alarms, trail.

use serde_json::{Value, json};

use super::{Template, attribute, logical, policy_of_bucket, reference};
use crate::spec::{DesiredTopic, DesiredTrail, LOG_DAYS};

pub(super) fn write(template: &mut Template<'_>) {
    topic(template);
    for rule in &template.desired.rules {
        let target = json!({ "Id": rule.target_id, "Arn": topic_arn(template, &rule.target) });
        let properties = json!({
            "Name": rule.name,
            "Description": rule.description,
            "EventPattern": rule.pattern,
            "State": "ENABLED",
            "Targets": [target],
            "Tags": template.own_tags(),
        });
        template.resource(&logical("Rule", &rule.name), "Events::Rule", properties);
    }
    if let Some(trail) = &template.desired.trail {
        write_trail(template, trail);
    }
    on_logs(template);
}

fn topic_arn(template: &Template<'_>, arn: &str) -> Value {
    match &template.desired.topic {
        Some(DesiredTopic::Own { .. }) => reference("Topic"),
        Some(DesiredTopic::Given(_)) | None => arn.into(),
    }
}

fn topic(template: &mut Template<'_>) {
    let Some(DesiredTopic::Own { name, policy, encrypted, email, .. }) = &template.desired.topic else {
        return;
    };
    let mut properties = json!({ "TopicName": name, "Tags": template.own_tags() });
    if *encrypted {
        properties["KmsMasterKeyId"] = reference("Key");
    }
    template.resource("Topic", "SNS::Topic", properties);
    let policy = template.references.document(policy);
    template.resource(
        "TopicPolicy",
        "SNS::TopicPolicy",
        json!({ "Topics": [reference("Topic")], "PolicyDocument": policy }),
    );
    for (number, address) in email.iter().enumerate() {
        let properties = json!({ "TopicArn": reference("Topic"), "Protocol": "email", "Endpoint": address });
        template.resource(&format!("Subscription{}", number + 1), "SNS::Subscription", properties);
    }
}

fn on_logs(template: &mut Template<'_>) {
    let own_group = template.desired.trail.as_ref().map(|trail| &trail.log_group);
    for filter in &template.desired.metric_filters {
        let id = logical("Filter", &filter.name);
        let properties = json!({
            "FilterName": filter.name,
            "FilterPattern": filter.pattern,
            "LogGroupName": if own_group == Some(&filter.log_group) { reference("TrailLogGroup") } else { filter.log_group.as_str().into() },
            "MetricTransformations": [
                { "MetricName": filter.metric, "MetricNamespace": filter.namespace, "MetricValue": "1" }
            ],
        });
        template.resource(&id, "Logs::MetricFilter", properties);
    }
    for alarm in &template.desired.alarms {
        let properties = json!({
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AlarmActions": [topic_arn(template, &alarm.topic)],
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "EvaluationPeriods": 1,
            "MetricName": alarm.metric,
            "Namespace": alarm.namespace,
            "Period": 300,
            "Statistic": "Sum",
            "Threshold": 1,
            "TreatMissingData": "notBreaching",
            "Tags": template.own_tags(),
        });
        template.resource(&logical("Alarm", &alarm.name), "CloudWatch::Alarm", properties);
    }
}

fn write_trail(template: &mut Template<'_>, trail: &DesiredTrail) {
    let mut group = json!({
        "LogGroupName": trail.log_group,
        "RetentionInDays": LOG_DAYS,
        "Tags": template.own_tags(),
    });
    let role = trail.log_role.rsplit('/').next().unwrap_or_default();
    let mut properties = json!({
        "TrailName": trail.name,
        "S3BucketName": trail.bucket,
        "S3KeyPrefix": trail.prefix,
        "IsLogging": true,
        "IsMultiRegionTrail": true,
        "IncludeGlobalServiceEvents": true,
        "EnableLogFileValidation": true,
        "CloudWatchLogsLogGroupArn": attribute("TrailLogGroup", "Arn"),
        "CloudWatchLogsRoleArn": attribute(&logical("Role", role), "Arn"),
        "AdvancedEventSelectors": trail.selectors,
        "Tags": template.own_tags(),
    });
    if trail.encrypted {
        group["KmsKeyId"] = attribute("Key", "Arn");
        properties["KMSKeyId"] = attribute("Key", "Arn");
    }
    template.resource("TrailLogGroup", "Logs::LogGroup", group);
    template.keep("TrailLogGroup");
    template.resource("Trail", "CloudTrail::Trail", properties);
    let sink = template.desired.buckets.iter().find(|bucket| bucket.name == trail.bucket);
    let needed = sink.map(|bucket| policy_of_bucket(bucket.base.as_str()));
    template.after("Trail", needed.into_iter().collect());
}
