//! The `buckets` of a declaration.

use super::super::reader::Section;
use super::words::{KeyArn, Prefix, PrincipalArn, Reason, Salt};
use super::{MODES, some_list};
use crate::s3::BucketName;
use crate::spec::{
    Bucket, Deletes, EncryptionChoice, Exchange, InventoryChoice, InventoryFormat, InventoryFrequency,
    KeyChoice, LifecycleRule, LogsChoice, MetricsChoice, NameChoice, Profile, ReplicationChoice,
    RetentionChoice, StorageClass, Transition, VersioningChoice, Word,
};

/// Above this a retention has to be allowed by name: nobody can take it back.
const DEFAULT_CEILING: u32 = 3_650;
/// Amazon S3 user guide, "Managing Object Lock": the longest retention is 100 years.
const MAX_DAYS: u32 = 36_500;

pub(super) fn read(root: &Section<'_>) -> Vec<Bucket> {
    let sections = root.sections("buckets");
    if sections.is_empty() {
        root.problem("buckets", "missing: at least one bucket");
    }
    sections.iter().filter_map(bucket).collect()
}

fn bucket(section: &Section<'_>) -> Option<Bucket> {
    let profile = section.one_of("profile", &Profile::ALL);
    if !section.has("profile") {
        section.problem("profile", "missing: what the bucket is for, such as application-data");
    }
    let name = name(&section.section("name"));
    section.only_off("mfa_delete", "not offered: S3 refuses it together with lifecycle rules, and only the account's root can turn it on; use object_lock");
    let read = Bucket {
        // Replaced below; a bucket without one is reported and left out.
        profile: profile.unwrap_or(Profile::ApplicationData),
        name: name?,
        encryption: section.part("encryption").as_ref().and_then(encryption),
        object_lock: section.part("object_lock").as_ref().and_then(retention),
        versioning: versioning(section),
        lifecycle: section.has("lifecycle").then(|| lifecycle(section)),
        inventory: section.part("inventory").as_ref().map(inventory),
        replication: section.part("replication").as_ref().and_then(replication),
        metrics: section.part("metrics").as_ref().and_then(metrics),
        access_logs: section.part("access_logs").as_ref().and_then(access_logs),
        writers: some_list::<PrincipalArn>(section, "writers").into_iter().map(|arn| arn.0).collect(),
        exchange: section.part("exchange").as_ref().map(exchange),
        policy: section.documents("policy"),
        alert_deletes: match prefixes(section, "alert_deletes") {
            Some(prefixes) => Deletes::Below(prefixes),
            None => Deletes::Silent,
        },
    };
    profile.map(|profile| Bucket { profile, ..read })
}

#[derive(Clone, Copy)]
enum Strategy {
    Explicit,
    Derived,
    Generated,
}

fn name(section: &Section<'_>) -> Option<NameChoice> {
    let strategies = [
        ("explicit", Strategy::Explicit),
        ("derived", Strategy::Derived),
        ("generated", Strategy::Generated),
    ];
    let strategy = section.one_of("strategy", &strategies);
    if !section.has("strategy") {
        section.problem("strategy", "missing: explicit, derived or generated; docs/bootstrap.md weighs them");
    }
    let base: Option<Word> =
        section.required("base", "what the declaration calls the bucket, such as archive");
    match strategy? {
        Strategy::Explicit => {
            let name: Option<BucketName> = section.required("name", "the bucket's whole name");
            Some(NameChoice::Explicit { base: base?, name: name? })
        }
        Strategy::Derived => {
            let namespaces = [("global", false), ("account-regional", true)];
            let account_regional = section.one_of("namespace", &namespaces).unwrap_or(true);
            Some(NameChoice::Derived { base: base?, account_regional })
        }
        Strategy::Generated => {
            let salt: Option<Salt> =
                section.required("salt", "anything that others do not know; it makes up the suffix");
            Some(NameChoice::Generated { base: base?, salt: salt?.0 })
        }
    }
}

fn encryption(section: &Section<'_>) -> Option<EncryptionChoice> {
    let kms = section.one_of("type", &[("AES256", false), ("aws:kms", true)]);
    if !section.has("type") {
        section.problem("type", "missing: AES256 or aws:kms");
    }
    let created = section.says("key", "create");
    let given: Option<KeyArn> = if created { None } else { section.optional("key") };
    if kms == Some(false) && (created || given.is_some()) {
        section.problem("key", "SSE-S3 (AES256) has no key to choose; leave it out or use aws:kms");
    }
    Some(match (kms?, given) {
        (false, _) => EncryptionChoice::SseS3,
        (true, Some(key)) => EncryptionChoice::SseKms(KeyChoice::Given(key.0)),
        (true, None) => EncryptionChoice::SseKms(KeyChoice::Create),
    })
}

fn retention(section: &Section<'_>) -> Option<RetentionChoice> {
    let mode = section.one_of("mode", &MODES);
    if !section.has("mode") {
        section.problem("mode", "missing: COMPLIANCE or GOVERNANCE");
    }
    let days: Option<u32> = section.required("days", "how long an object is kept, from its creation");
    let ceiling: u32 = section.or("ceiling_days", DEFAULT_CEILING);
    if days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        section.problem("days", format!("must be from 1 to {MAX_DAYS}"));
    } else if days.is_some_and(|days| days > ceiling) {
        section.problem("days", format!("is above the ceiling of {ceiling} days, and nobody can shorten it afterwards; if that is meant, set ceiling_days"));
    }
    Some(RetentionChoice { mode: mode?, days: days? })
}

fn versioning(section: &Section<'_>) -> VersioningChoice {
    if section.says("versioning", "off") || section.says("versioning", "false") {
        return VersioningChoice::Off;
    }
    match section.part("versioning") {
        None => VersioningChoice::IfRequired,
        Some(part) => {
            let reason: Option<Reason> =
                part.required("reason", "why versions are kept: each is paid for like an object");
            reason.map_or(VersioningChoice::IfRequired, |reason| VersioningChoice::On(reason.0))
        }
    }
}

fn lifecycle(section: &Section<'_>) -> Vec<LifecycleRule> {
    section.sections("lifecycle").iter().map(lifecycle_rule).collect()
}

fn lifecycle_rule(section: &Section<'_>) -> LifecycleRule {
    let id: Option<Word> = section.optional("id");
    LifecycleRule {
        id: id.map(|id| id.to_string()).unwrap_or_default(),
        prefix: section.optional::<Prefix>("prefix").map(|prefix| prefix.0).unwrap_or_default(),
        transitions: transitions(section, "transitions"),
        expire_after_days: section.optional("expire_after_days"),
        noncurrent_transitions: transitions(section, "noncurrent_transitions"),
        noncurrent_expire_after_days: section.optional("noncurrent_expire_after_days"),
        abort_multipart_after_days: section.optional("abort_multipart_after_days"),
        expired_delete_markers: section.or("expired_delete_markers", false),
    }
}

fn transitions(section: &Section<'_>, key: &'static str) -> Vec<Transition> {
    let transition = |section: &Section<'_>| {
        let after_days = section.required("after_days", "days until the transition");
        let class = section.one_of("class", &StorageClass::ALL);
        if !section.has("class") {
            section.problem("class", "missing: such as STANDARD_IA");
        }
        Some(Transition { after_days: after_days?, class: class? })
    };
    section.sections(key).iter().filter_map(transition).collect()
}

fn inventory(section: &Section<'_>) -> InventoryChoice {
    let frequencies = [("Daily", InventoryFrequency::Daily), ("Weekly", InventoryFrequency::Weekly)];
    let formats =
        [("CSV", InventoryFormat::Csv), ("ORC", InventoryFormat::Orc), ("Parquet", InventoryFormat::Parquet)];
    InventoryChoice {
        frequency: section.one_of("frequency", &frequencies).unwrap_or(InventoryFrequency::Weekly),
        format: section.one_of("format", &formats).unwrap_or(InventoryFormat::Parquet),
        bucket: section.optional("bucket"),
    }
}

fn replication(section: &Section<'_>) -> Option<ReplicationChoice> {
    let region = section.required("region", "where the replica is");
    let bucket: Option<BucketName> =
        section.required("bucket", "the replica's bucket, which has to be there");
    let key: Option<KeyArn> = section.optional("key");
    let prefixes = prefixes(section, "prefixes");
    if prefixes.is_none() {
        section.problem("prefixes", "missing: what is worth replicating; [\"\"] is everything");
    }
    let reason: Option<Reason> =
        section.required("reason", "why it is worth its price: storage twice, and transfer between regions");
    Some(ReplicationChoice {
        region: region?,
        bucket: bucket?.to_string(),
        key: key.map(|key| key.0),
        prefixes: prefixes?,
        reason: reason?.0,
    })
}

fn metrics(section: &Section<'_>) -> Option<MetricsChoice> {
    let prefixes = prefixes(section, "prefixes");
    if prefixes.is_none() {
        section.problem("prefixes", "missing: a set of metrics for each; [\"\"] is the whole bucket");
    }
    let reason: Option<Reason> =
        section.required("reason", "why they are worth their price: each metric is paid for");
    Some(MetricsChoice { prefixes: prefixes?, reason: reason?.0 })
}

fn access_logs(section: &Section<'_>) -> Option<LogsChoice> {
    if section.has("other_bucket") {
        let other: BucketName = section.optional("other_bucket")?;
        return Some(LogsChoice::Other(other.to_string()));
    }
    if section.says("bucket", "auto") {
        return Some(LogsChoice::Auto);
    }
    section.required("bucket", "auto, or the base of a log-sink bucket").map(LogsChoice::Base)
}

fn exchange(section: &Section<'_>) -> Exchange {
    let arns = |key| some_list::<PrincipalArn>(section, key).into_iter().map(|arn| arn.0).collect();
    let endpoints = some_list::<super::words::EndpointId>(section, "vpc_endpoints");
    Exchange {
        readers: arns("readers"),
        writers: arns("writers"),
        vpc_endpoints: endpoints.into_iter().map(|id| id.0).filter(|id| id != "auto").collect(),
    }
}

/// A list of prefixes; `None` where it is not there or empty.
fn prefixes(section: &Section<'_>, key: &'static str) -> Option<Vec<String>> {
    let prefixes: Vec<String> = section.list::<Prefix>(key)?.into_iter().map(|prefix| prefix.0).collect();
    (!prefixes.is_empty()).then_some(prefixes)
}
