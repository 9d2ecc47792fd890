//! A bucket's lists of configurations, of which others may have some too: lifecycle rules, inventories, replication,
//! request metrics. Ours are known by their IDs, and others' are kept.

use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, EncryptionConfiguration,
    InventoryConfiguration, InventoryDestination, InventoryEncryption, InventoryFormat, InventoryFrequency,
    InventoryIncludedObjectVersions, InventoryOptionalField, InventoryS3BucketDestination, InventorySchedule,
    Metrics, MetricsConfiguration, MetricsFilter as Filter, MetricsStatus, ReplicationConfiguration,
    ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus, SourceSelectionCriteria,
    SseKmsEncryptedObjects, SseKmsEncryptedObjectsStatus,
};
use serde_json::{Map, Value, json};

use super::{Found, lifecycle};
use crate::bootstrap::account::{CallError, built, failed, optional};
use crate::bootstrap::context::Context;
use crate::spec::{DesiredBucket, Inventory, MetricsFilter, Replication};

/// Which list.
#[derive(Debug, Clone, Copy)]
pub enum RulesPart<'d> {
    /// Our lifecycle rules.
    Lifecycle,
    /// Our inventory.
    Inventory(&'d Inventory),
    /// The replication that is declared.
    Replication(&'d Replication),
    /// Replication that nobody declared: looked at only.
    Replicated,
    /// The request metrics that are declared.
    Metrics,
    /// Request metrics that nobody declared: looked at only.
    Measured,
}

pub(super) fn wanted(bucket: &DesiredBucket, part: RulesPart<'_>) -> Value {
    match part {
        RulesPart::Lifecycle => {
            bucket.lifecycle.iter().map(|rule| (rule.id.clone(), lifecycle::declared(rule))).collect()
        }
        RulesPart::Inventory(inventory) => declared_inventory(inventory),
        RulesPart::Replication(replication) => declared_replication(replication),
        RulesPart::Replicated | RulesPart::Measured => Value::Null,
        RulesPart::Metrics => metrics(bucket.metrics.iter().map(|filter| (&*filter.id, &*filter.prefix))),
    }
}

pub(super) async fn read(
    cx: &Context<'_>,
    bucket: &DesiredBucket,
    part: RulesPart<'_>,
) -> Result<Found, CallError> {
    let (s3, name, owner) = (&cx.account.s3, &bucket.name, &cx.account.id);
    match part {
        RulesPart::Lifecycle => {
            let rules = lifecycle::rules(cx, name).await?;
            let ours: Map<String, Value> = rules
                .iter()
                .filter(|rule| lifecycle::is_ours(rule))
                .map(|rule| (rule.id.clone().unwrap_or_default(), lifecycle::found(rule)))
                .collect();
            Ok((!ours.is_empty()).then_some(Value::Object(ours)).into())
        }
        RulesPart::Inventory(inventory) => {
            let call = "s3:GetInventoryConfiguration";
            let asked = s3.get_bucket_inventory_configuration().bucket(name).id(&inventory.id);
            let asked = asked.expected_bucket_owner(owner).send().await;
            let answer = optional(asked.map_err(failed(call, name)), &["NoSuchConfiguration"])?;
            Ok(answer.and_then(|answer| answer.inventory_configuration).map(|it| found_inventory(&it)).into())
        }
        RulesPart::Replication(_) | RulesPart::Replicated => {
            let call = "s3:GetReplicationConfiguration";
            let asked = s3.get_bucket_replication().bucket(name).expected_bucket_owner(owner).send().await;
            let answer =
                optional(asked.map_err(failed(call, name)), &["ReplicationConfigurationNotFoundError"])?;
            let found = answer.and_then(|answer| answer.replication_configuration);
            Ok(found.map(|found| found_replication(&found)).into())
        }
        RulesPart::Metrics => {
            let all = measured(cx, name).await?;
            let declared = |id: &str| bucket.metrics.iter().any(|filter| filter.id == id);
            let ours: Vec<_> = all.iter().filter(|(id, _)| declared(id)).collect();
            Ok((!ours.is_empty()).then(|| metrics(ours.iter().map(|(id, prefix)| (&**id, &**prefix)))).into())
        }
        RulesPart::Measured => {
            let all = measured(cx, name).await?;
            let declared = |id: &str| bucket.metrics.iter().any(|filter| filter.id == id);
            let more: Vec<_> = all.iter().filter(|(id, _)| !declared(id)).collect();
            Ok((!more.is_empty()).then(|| metrics(more.iter().map(|(id, prefix)| (&**id, &**prefix)))).into())
        }
    }
}

pub(super) async fn write(
    cx: &Context<'_>,
    bucket: &DesiredBucket,
    part: RulesPart<'_>,
) -> Result<(), CallError> {
    match part {
        RulesPart::Lifecycle => lifecycle::put(cx, bucket).await,
        RulesPart::Inventory(inventory) => put_inventory(cx, bucket, inventory).await,
        RulesPart::Replication(replication) => put_replication(cx, bucket, replication).await,
        RulesPart::Metrics => {
            for filter in &bucket.metrics {
                put_metrics(cx, bucket, filter).await?;
            }
            Ok(())
        }
        RulesPart::Replicated | RulesPart::Measured => Ok(()),
    }
}

fn bucket_arn(cx: &Context<'_>, bucket: &str) -> String {
    format!("arn:{}:s3:::{bucket}", cx.desired.partition)
}

fn declared_inventory(inventory: &Inventory) -> Value {
    let mut fields = inventory.fields.clone();
    fields.sort_unstable();
    json!({
        "enabled": true,
        "frequency": inventory.frequency.as_str(),
        "format": inventory.format.as_str(),
        "bucket": inventory.bucket,
        "prefix": inventory.prefix,
        "versions": if inventory.all_versions { "All" } else { "Current" },
        "fields": fields,
    })
}

fn found_inventory(inventory: &InventoryConfiguration) -> Value {
    let target = inventory.destination.as_ref().and_then(|it| it.s3_bucket_destination.as_ref());
    let bucket = target.map_or("", |target| target.bucket.rsplit(':').next().unwrap_or_default());
    let mut fields: Vec<&str> =
        inventory.optional_fields().iter().map(InventoryOptionalField::as_str).collect();
    fields.sort_unstable();
    json!({
        "enabled": inventory.is_enabled,
        "frequency": inventory.schedule.as_ref().map(|schedule| schedule.frequency.as_str()),
        "format": target.map(|target| target.format.as_str()),
        "bucket": bucket,
        "prefix": target.and_then(|target| target.prefix.as_deref()).unwrap_or(""),
        "versions": inventory.included_object_versions.as_str(),
        "fields": fields,
    })
}

async fn put_inventory(
    cx: &Context<'_>,
    bucket: &DesiredBucket,
    inventory: &Inventory,
) -> Result<(), CallError> {
    let (call, name) = ("s3:PutInventoryConfiguration", &bucket.name);
    let incomplete = || built(call, name);
    let target = InventoryS3BucketDestination::builder()
        .account_id(&cx.account.id)
        .bucket(bucket_arn(cx, &inventory.bucket))
        .format(InventoryFormat::from(inventory.format.as_str()))
        .prefix(&inventory.prefix)
        .encryption(
            InventoryEncryption::builder().sses3(aws_sdk_s3::types::Sses3::builder().build()).build(),
        );
    let target = target.build().map_err(incomplete())?;
    let versions = if inventory.all_versions {
        InventoryIncludedObjectVersions::All
    } else {
        InventoryIncludedObjectVersions::Current
    };
    let schedule =
        InventorySchedule::builder().frequency(InventoryFrequency::from(inventory.frequency.as_str()));
    let mut configuration = InventoryConfiguration::builder()
        .id(&inventory.id)
        .is_enabled(true)
        .included_object_versions(versions)
        .schedule(schedule.build().map_err(incomplete())?)
        .destination(InventoryDestination::builder().s3_bucket_destination(target).build());
    for field in &inventory.fields {
        configuration = configuration.optional_fields(InventoryOptionalField::from(*field));
    }
    let configuration = configuration.build().map_err(incomplete())?;
    let sent = cx.account.s3.put_bucket_inventory_configuration().bucket(name).id(&inventory.id);
    let sent = sent.expected_bucket_owner(&cx.account.id).inventory_configuration(configuration).send().await;
    sent.map(drop).map_err(failed(call, name))
}

fn metrics<'a>(filters: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    filters.map(|(id, prefix)| (id.to_owned(), Value::from(prefix))).collect()
}

/// IDs and prefixes; what is filtered by anything else shows as that.
async fn measured(cx: &Context<'_>, name: &str) -> Result<Vec<(String, String)>, CallError> {
    let asked = cx.account.s3.list_bucket_metrics_configurations().bucket(name);
    let asked = asked.expected_bucket_owner(&cx.account.id).send().await;
    let answer = asked.map_err(failed("s3:GetMetricsConfiguration", name))?;
    let prefix = |filter: Option<Filter>| match filter {
        None => String::new(),
        Some(Filter::Prefix(prefix)) => prefix,
        Some(_) => "a filter by tag or access point".to_owned(),
    };
    let all = answer.metrics_configuration_list.unwrap_or_default();
    Ok(all.into_iter().map(|it| (it.id, prefix(it.filter))).collect())
}

async fn put_metrics(
    cx: &Context<'_>,
    bucket: &DesiredBucket,
    filter: &MetricsFilter,
) -> Result<(), CallError> {
    let (call, name) = ("s3:PutMetricsConfiguration", &bucket.name);
    let below = (!filter.prefix.is_empty()).then(|| Filter::Prefix(filter.prefix.clone()));
    let configuration = MetricsConfiguration::builder().id(&filter.id).set_filter(below).build();
    let configuration = configuration.map_err(built(call, name))?;
    let sent = cx.account.s3.put_bucket_metrics_configuration().bucket(name).id(&filter.id);
    let sent = sent.expected_bucket_owner(&cx.account.id).metrics_configuration(configuration).send().await;
    sent.map(drop).map_err(failed(call, name))
}

fn declared_replication(replication: &Replication) -> Value {
    let rules: Map<String, Value> =
        replication.rules.iter().map(|(id, prefix)| (id.clone(), prefix.clone().into())).collect();
    json!({ "role": replication.role, "rules": rules, "bucket": replication.bucket, "key": replication.key })
}

fn found_replication(found: &ReplicationConfiguration) -> Value {
    let prefix = |rule: &ReplicationRule| {
        rule.filter.as_ref().and_then(|filter| filter.prefix.clone()).unwrap_or_default()
    };
    let enabled = found.rules.iter().filter(|rule| rule.status == ReplicationRuleStatus::Enabled);
    let rules: Map<String, Value> =
        enabled.map(|rule| (rule.id.clone().unwrap_or_default(), prefix(rule).into())).collect();
    let target = found.rules.first().and_then(|rule| rule.destination.as_ref());
    json!({
        "role": found.role,
        "rules": rules,
        "bucket": target.map_or("", |target| target.bucket.rsplit(':').next().unwrap_or_default()),
        "key": target
            .and_then(|target| target.encryption_configuration.as_ref())
            .and_then(|encryption| encryption.replica_kms_key_id.as_deref()),
    })
}

async fn put_replication(
    cx: &Context<'_>,
    bucket: &DesiredBucket,
    replication: &Replication,
) -> Result<(), CallError> {
    let (call, name) = ("s3:PutReplicationConfiguration", &bucket.name);
    let mut configuration = ReplicationConfiguration::builder().role(&replication.role);
    for (at, (id, prefix)) in replication.rules.iter().enumerate() {
        let priority = i32::try_from(replication.rules.len() - at).unwrap_or(i32::MAX);
        let rule = replication_rule(cx, replication, id, prefix, priority).map_err(built(call, name))?;
        configuration = configuration.rules(rule);
    }
    let configuration = configuration.build().map_err(built(call, name))?;
    let sent = cx.account.s3.put_bucket_replication().bucket(name).expected_bucket_owner(&cx.account.id);
    sent.replication_configuration(configuration).send().await.map(drop).map_err(failed(call, name))
}

fn replication_rule(
    cx: &Context<'_>,
    replication: &Replication,
    id: &str,
    prefix: &str,
    priority: i32,
) -> Result<ReplicationRule, aws_sdk_s3::error::BuildError> {
    let mut target = Destination::builder()
        .bucket(bucket_arn(cx, &replication.bucket))
        .metrics(Metrics::builder().status(MetricsStatus::Enabled).build()?);
    let mut rule = ReplicationRule::builder();
    if let Some(key) = &replication.key {
        let encrypted =
            SseKmsEncryptedObjects::builder().status(SseKmsEncryptedObjectsStatus::Enabled).build()?;
        let criteria = SourceSelectionCriteria::builder().sse_kms_encrypted_objects(encrypted).build();
        rule = rule.source_selection_criteria(criteria);
        target = target
            .encryption_configuration(EncryptionConfiguration::builder().replica_kms_key_id(key).build());
    }
    rule.id(id)
        .priority(priority)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix(prefix).build())
        .delete_marker_replication(
            DeleteMarkerReplication::builder().status(DeleteMarkerReplicationStatus::Disabled).build(),
        )
        .destination(target.build()?)
        .build()
}
