//! A bucket's settings: the declared ones, the profile's defaults, and what follows from either.

use std::collections::BTreeMap;

use super::bucket_policy::{self, ACCESS_LOGS, INVENTORY};
use super::frame::Frame;
use crate::spec::declared::{Bucket, Deletes, VersioningChoice};
use crate::spec::desired::{DesiredBucket, Inventory, LogTarget, MetricsFilter, Replication, Versioning};
use crate::spec::naming::Named;
use crate::spec::profile::Profile;
use crate::spec::storage::LifecycleRule;

/// IDs of rules that are ours start with this.
pub(super) const OURS: &str = "s3ap-";
/// Days after which parts of an upload that was never completed are deleted, unless a rule says otherwise.
const ABANDONED: u32 = 7;
/// Days that logs are kept, unless declared otherwise.
const LOGS_KEPT: u32 = 400;
/// Days that exchanged data is kept, unless declared otherwise.
const EXCHANGED_KEPT: u32 = 30;

/// Log sinks first: others refer to them.
pub(super) fn all(frame: &Frame<'_>) -> Vec<DesiredBucket> {
    let mut buckets: Vec<DesiredBucket> =
        frame.buckets().map(|(path, bucket, named)| desired(frame, path, bucket, named)).collect();
    buckets.sort_by_key(|bucket| bucket.profile != Profile::LogSink);
    buckets
}

fn desired(frame: &Frame<'_>, path: String, bucket: &Bucket, named: &Named) -> DesiredBucket {
    let base = bucket.name.base();
    let versioning = versioning(bucket);
    let versioned = versioning != Versioning::Off;
    let name = named.name.to_string();
    DesiredBucket {
        base: base.clone(),
        path,
        account_regional: named.account_regional,
        profile: bucket.profile,
        encryption: Frame::encryption(bucket),
        object_lock: bucket.object_lock,
        lifecycle: lifecycle(bucket, versioned),
        inventory: inventory(frame, bucket, versioned),
        replication: replication(frame, bucket),
        metrics: metrics(bucket),
        logs: frame
            .log_bucket(bucket)
            .map(|target| LogTarget { bucket: target, prefix: format!("{ACCESS_LOGS}/{base}/") }),
        alert_deletes: match &bucket.alert_deletes {
            Deletes::Silent => Vec::new(),
            Deletes::Below(prefixes) => prefixes.clone(),
        },
        policy: bucket_policy::policy(frame, bucket, &name),
        tags: BTreeMap::from([("s3-access-proxy/profile".to_owned(), bucket.profile.to_string())]),
        versioning,
        name,
    }
}

pub(super) fn versioning(bucket: &Bucket) -> Versioning {
    match (&bucket.object_lock, &bucket.replication, &bucket.versioning) {
        (Some(_), _, _) => Versioning::On("Object Lock keeps versions".to_owned()),
        (None, Some(_), _) => Versioning::On("replication copies versions".to_owned()),
        (None, None, VersioningChoice::On(reason)) => Versioning::On(reason.clone()),
        (None, None, VersioningChoice::IfRequired | VersioningChoice::Off) => Versioning::Off,
    }
}

/// The declared rules, numbered, and one that clears up what uploads and versions leave behind.
fn lifecycle(bucket: &Bucket, versioned: bool) -> Vec<LifecycleRule> {
    let mut rules = bucket.lifecycle.clone().unwrap_or_else(|| defaults(bucket.profile));
    for (number, rule) in rules.iter_mut().enumerate() {
        let id = if rule.id.is_empty() { format!("rule-{}", number + 1) } else { rule.id.clone() };
        rule.id = format!("{OURS}{id}");
    }
    let whole = |rule: &&LifecycleRule| rule.prefix.is_empty();
    let aborts = rules.iter().filter(whole).any(|rule| rule.abort_multipart_after_days.is_some());
    let clears = rules
        .iter()
        .filter(whole)
        .any(|rule| rule.expired_delete_markers || rule.expire_after_days.is_some());
    if !aborts || versioned && !clears {
        rules.push(LifecycleRule {
            id: format!("{OURS}leftovers"),
            abort_multipart_after_days: (!aborts).then_some(ABANDONED),
            expired_delete_markers: versioned && !clears,
            ..LifecycleRule::default()
        });
    }
    rules
}

fn defaults(profile: Profile) -> Vec<LifecycleRule> {
    let expire = |days| vec![LifecycleRule { expire_after_days: Some(days), ..LifecycleRule::default() }];
    match profile {
        Profile::LogSink => expire(LOGS_KEPT),
        Profile::DataExchange => expire(EXCHANGED_KEPT),
        Profile::ApplicationData | Profile::WormArchive | Profile::AnalyticsRead => Vec::new(),
    }
}

fn inventory(frame: &Frame<'_>, bucket: &Bucket, versioned: bool) -> Option<Inventory> {
    let choice = bucket.inventory.as_ref()?;
    let (_, sink) = frame.sink(choice.bucket.as_ref())?;
    let mut fields = vec![
        "Size",
        "LastModifiedDate",
        "StorageClass",
        "ETag",
        "IsMultipartUploaded",
        "EncryptionStatus",
        "BucketKeyStatus",
        "ObjectOwner",
        "ChecksumAlgorithm",
    ];
    if bucket.object_lock.is_some() {
        fields.extend(["ObjectLockRetainUntilDate", "ObjectLockMode", "ObjectLockLegalHoldStatus"]);
    }
    if bucket.replication.is_some() {
        fields.push("ReplicationStatus");
    }
    Some(Inventory {
        id: format!("{OURS}inventory"),
        frequency: choice.frequency,
        format: choice.format,
        bucket: sink.name.to_string(),
        prefix: INVENTORY.to_owned(),
        all_versions: versioned,
        fields,
    })
}

fn replication(frame: &Frame<'_>, bucket: &Bucket) -> Option<Replication> {
    let choice = bucket.replication.as_ref()?;
    let rule =
        |(number, prefix): (usize, &String)| (format!("{OURS}replicate-{}", number + 1), prefix.clone());
    Some(Replication {
        role: frame.replication_role(bucket.name.base()),
        rules: choice.prefixes.iter().enumerate().map(rule).collect(),
        bucket: choice.bucket.clone(),
        region: choice.region.clone(),
        key: choice.key.clone(),
        reason: choice.reason.clone(),
    })
}

fn metrics(bucket: &Bucket) -> Vec<MetricsFilter> {
    let prefixes = bucket.metrics.iter().flat_map(|metrics| &metrics.prefixes);
    let filter = |(number, prefix): (usize, &String)| MetricsFilter {
        id: format!("{OURS}metrics-{}", number + 1),
        prefix: prefix.clone(),
    };
    prefixes.enumerate().map(filter).collect()
}
