//! Key and buckets.

use serde_json::{Value, json};

use super::{Template, attribute, logical, policy_of_bucket, reference};
use crate::spec::{
    DesiredBucket, Encryption, Inventory, KeyRef, LifecycleRule, Profile, Replication, RoleKind, Transition,
    Versioning,
};

pub(super) fn write(template: &mut Template<'_>) {
    if let Some(key) = &template.desired.key {
        let properties = json!({
            "Description": key.description,
            "EnableKeyRotation": true,
            "KeyPolicy": template.references.document(&key.policy),
            "Tags": template.own_tags(),
        });
        template.resource("Key", "KMS::Key", properties);
        template.keep("Key");
        template.resource(
            "KeyAlias",
            "KMS::Alias",
            json!({ "AliasName": key.alias, "TargetKeyId": reference("Key") }),
        );
        template.output("KeyArn", "The deployment's KMS key", attribute("Key", "Arn"));
    }
    for bucket in &template.desired.buckets {
        write_bucket(template, bucket);
    }
}

fn write_bucket(template: &mut Template<'_>, bucket: &DesiredBucket) {
    let id = logical("Bucket", bucket.base.as_str());
    let properties = properties(template, bucket);
    template.resource(&id, "S3::Bucket", properties);
    template.keep(&id);
    let needed = needed(template, bucket);
    template.after(&id, needed);
    let policy = policy_of_bucket(bucket.base.as_str());
    let document = template.references.document(&bucket.policy);
    template.resource(
        &policy,
        "S3::BucketPolicy",
        json!({ "Bucket": reference(&id), "PolicyDocument": document }),
    );
    // A role that is not there yet is an invalid principal.
    let roles = template
        .desired
        .roles
        .iter()
        .filter(|role| bucket.policy.to_string().contains(&format!("\"{}\"", role.arn)));
    let roles = roles.map(|role| logical("Role", &role.name)).collect();
    template.after(&policy, roles);
    template.output(&id, &format!("The {} bucket", bucket.profile), reference(&id));
}

/// Resources whose names the bucket's settings hold as text.
fn needed(template: &Template<'_>, bucket: &DesiredBucket) -> Vec<String> {
    let targets = [
        bucket.logs.as_ref().map(|logs| &logs.bucket),
        bucket.inventory.as_ref().map(|inventory| &inventory.bucket),
    ];
    let sinks = template.desired.buckets.iter().filter(|other| targets.contains(&Some(&other.name)));
    let mut needed: Vec<String> = sinks.map(|other| policy_of_bucket(other.base.as_str())).collect();
    let replicates =
        |kind: &RoleKind| matches!(kind, RoleKind::Replication { bucket: base } if *base == bucket.base);
    needed.extend(
        template
            .desired
            .roles
            .iter()
            .filter(|role| replicates(&role.kind))
            .map(|role| logical("Role", &role.name)),
    );
    needed
}

fn properties(template: &Template<'_>, bucket: &DesiredBucket) -> Value {
    let on = json!({
        "BlockPublicAcls": true,
        "BlockPublicPolicy": true,
        "IgnorePublicAcls": true,
        "RestrictPublicBuckets": true,
    });
    let mut properties = json!({
        "BucketName": bucket.name,
        "BucketEncryption": { "ServerSideEncryptionConfiguration": [encryption(&bucket.encryption)] },
        "OwnershipControls": { "Rules": [{ "ObjectOwnership": "BucketOwnerEnforced" }] },
        "PublicAccessBlockConfiguration": on,
        "LifecycleConfiguration": { "Rules": bucket.lifecycle.iter().map(lifecycle).collect::<Value>() },
        "Tags": template.tags(&bucket.tags),
    });
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            properties[key] = value;
        }
    };
    set("BucketNamespace", bucket.account_regional.then(|| "account-regional".into()));
    set(
        "VersioningConfiguration",
        (bucket.versioning != Versioning::Off).then(|| json!({ "Status": "Enabled" })),
    );
    set("ObjectLockEnabled", bucket.object_lock.map(|_| true.into()));
    set(
        "ObjectLockConfiguration",
        bucket.object_lock.map(|lock| {
            json!({
                "ObjectLockEnabled": "Enabled",
                "Rule": { "DefaultRetention": { "Mode": lock.mode.to_string(), "Days": lock.days } },
            })
        }),
    );
    set(
        "InventoryConfigurations",
        bucket.inventory.as_ref().map(|wanted| json!([inventory(template, wanted)])),
    );
    set("ReplicationConfiguration", bucket.replication.as_ref().map(|wanted| replication(template, wanted)));
    let metrics: Vec<Value> = bucket
        .metrics
        .iter()
        .map(|filter| {
            let mut metrics = json!({ "Id": filter.id });
            if !filter.prefix.is_empty() {
                metrics["Prefix"] = filter.prefix.as_str().into();
            }
            metrics
        })
        .collect();
    set("MetricsConfigurations", (!metrics.is_empty()).then(|| metrics.into()));
    set(
        "LoggingConfiguration",
        bucket.logs.as_ref().map(|logs| {
            json!({
                "DestinationBucketName": logs.bucket,
                "LogFilePrefix": logs.prefix,
                "TargetObjectKeyFormat": { "PartitionedPrefix": { "PartitionDateSource": "EventTime" } },
            })
        }),
    );
    debug_assert!(bucket.profile != Profile::LogSink || bucket.encryption == Encryption::SseS3);
    properties
}

fn encryption(encryption: &Encryption) -> Value {
    let blocked = json!({ "EncryptionType": ["SSE-C"] });
    let kms = |key: Value| {
        json!({
            "BlockedEncryptionTypes": blocked,
            "BucketKeyEnabled": true,
            "ServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key },
        })
    };
    match encryption {
        Encryption::SseS3 => {
            json!({ "BlockedEncryptionTypes": blocked, "ServerSideEncryptionByDefault": { "SSEAlgorithm": "AES256" } })
        }
        Encryption::SseKms(KeyRef::Own) => kms(attribute("Key", "Arn")),
        Encryption::SseKms(KeyRef::Given(arn)) => kms(arn.as_str().into()),
    }
}

fn lifecycle(rule: &LifecycleRule) -> Value {
    let mut value = json!({ "Id": rule.id, "Status": "Enabled", "Prefix": rule.prefix });
    let mut set = |key: &str, new: Option<Value>| {
        if let Some(new) = new {
            value[key] = new;
        }
    };
    let moves = |transitions: &[Transition]| -> Option<Value> {
        let moved = |step: &Transition| json!({ "StorageClass": step.class.as_str(), "TransitionInDays": step.after_days });
        (!transitions.is_empty()).then(|| transitions.iter().map(moved).collect())
    };
    set("Transitions", moves(&rule.transitions));
    set("NoncurrentVersionTransitions", moves(&rule.noncurrent_transitions));
    set("ExpirationInDays", rule.expire_after_days.map(Into::into));
    set("ExpiredObjectDeleteMarker", rule.expired_delete_markers.then(|| true.into()));
    set(
        "NoncurrentVersionExpiration",
        rule.noncurrent_expire_after_days.map(|days| json!({ "NoncurrentDays": days })),
    );
    set(
        "AbortIncompleteMultipartUpload",
        rule.abort_multipart_after_days.map(|days| json!({ "DaysAfterInitiation": days })),
    );
    value
}

fn s3(template: &Template<'_>, name: &str) -> String {
    format!("arn:{}:s3:::{name}", template.desired.partition)
}

fn inventory(template: &Template<'_>, inventory: &Inventory) -> Value {
    json!({
        "Id": inventory.id,
        "Enabled": true,
        "ScheduleFrequency": inventory.frequency.as_str(),
        "IncludedObjectVersions": if inventory.all_versions { "All" } else { "Current" },
        "OptionalFields": inventory.fields,
        "Destination": {
            "BucketArn": s3(template, &inventory.bucket),
            "BucketAccountId": template.desired.account.as_str(),
            "Format": inventory.format.as_str(),
            "Prefix": inventory.prefix,
        },
    })
}

fn replication(template: &Template<'_>, replication: &Replication) -> Value {
    let last = replication.rules.len();
    let rule = |(at, (id, prefix)): (usize, &(String, String))| {
        let mut rule = json!({
            "Id": id,
            "Status": "Enabled",
            "Priority": last - at,
            "Filter": { "Prefix": prefix },
            "DeleteMarkerReplication": { "Status": "Disabled" },
            "Destination": { "Bucket": s3(template, &replication.bucket), "Metrics": { "Status": "Enabled" } },
        });
        if let Some(key) = &replication.key {
            rule["Destination"]["EncryptionConfiguration"] = json!({ "ReplicaKmsKeyID": key });
            rule["SourceSelectionCriteria"] = json!({ "SseKmsEncryptedObjects": { "Status": "Enabled" } });
        }
        rule
    };
    let rules: Value = replication.rules.iter().enumerate().map(rule).collect();
    json!({ "Role": replication.role, "Rules": rules })
}
