//! One bucket's settings against each other, against its profile, and against the buckets that it refers to.

use std::collections::BTreeSet;

use super::Notebook;
use crate::spec::compile::bucket;
use crate::spec::compile::frame::Frame;
use crate::spec::declared::{
    Bucket, EncryptionChoice, KeyChoice, LogsChoice, ReplicationChoice, VersioningChoice,
};
use crate::spec::desired::{Encryption, Versioning};
use crate::spec::naming::Named;
use crate::spec::partition::Region;
use crate::spec::profile::Profile;
use crate::spec::storage::{LifecycleRule, StorageClass};

/// Whether nobody writes but who is named.
pub(super) fn only_read(profile: Profile) -> bool {
    match profile {
        Profile::LogSink | Profile::AnalyticsRead => true,
        Profile::ApplicationData | Profile::WormArchive | Profile::DataExchange => false,
    }
}

/// No two buckets of one name.
pub(super) fn names(frame: &Frame<'_>, notebook: &mut Notebook) {
    let (mut bases, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (path, bucket, named) in frame.buckets() {
        let base = bucket.name.base();
        if !bases.insert(base) {
            notebook.refuse(format!("{path}.name.base"), format!("another bucket has the base '{base}' too"));
        }
        if !names.insert(&named.name) {
            notebook.refuse(format!("{path}.name"), format!("another bucket is called '{}' too", named.name));
        }
    }
}

pub(super) fn check(frame: &Frame<'_>, path: &str, bucket: &Bucket, named: &Named, notebook: &mut Notebook) {
    profile(path, bucket, notebook);
    versions(path, bucket, notebook);
    keys(&frame.spec.region, path, bucket, notebook);
    logs(frame, path, bucket, named, notebook);
    inventory(frame, path, bucket, notebook);
    if let Some(replication) = &bucket.replication {
        replicate(frame, path, bucket, replication, notebook);
    }
    let versioned = bucket::versioning(bucket) != Versioning::Off;
    let mut ids = BTreeSet::new();
    for (at, rule) in bucket.lifecycle.iter().flatten().enumerate() {
        let path = format!("{path}.lifecycle[{at}]");
        if !rule.id.is_empty() && !ids.insert(&rule.id) {
            notebook.refuse(format!("{path}.id"), "another rule of the bucket has this ID too");
        }
        lifecycle(&path, rule, versioned, notebook);
    }
}

fn profile(path: &str, bucket: &Bucket, notebook: &mut Notebook) {
    let locked = bucket.object_lock.is_some();
    match bucket.profile {
        Profile::WormArchive if !locked => notebook.refuse(
            format!("{path}.object_lock"),
            "missing: an archive is kept for how long? { mode: COMPLIANCE, days: 30 }",
        ),
        Profile::LogSink if locked => notebook.refuse(
            format!("{path}.object_lock"),
            "S3 delivers no access logs into a bucket with a default retention: leave it out, and copy logs that must stay \
             into a worm-archive",
        ),
        Profile::DataExchange if bucket.exchange.is_none() => notebook.refuse(
            format!("{path}.exchange"),
            "missing: with whom? { readers: [arn:aws:iam::…:role/…], writers: [] }",
        ),
        Profile::ApplicationData | Profile::WormArchive | Profile::LogSink | Profile::AnalyticsRead | Profile::DataExchange => {}
    }
    if bucket.exchange.is_some() && bucket.profile != Profile::DataExchange {
        notebook.refuse(
            format!("{path}.exchange"),
            "other accounts share buckets of the profile data-exchange only",
        );
    }
    if let Some(exchange) = &bucket.exchange {
        let principals = exchange.readers.iter().chain(&exchange.writers);
        if principals.clone().next().is_none() {
            notebook.refuse(format!("{path}.exchange"), "names nobody: at least one of readers and writers");
        }
        if principals.clone().any(|arn| arn.contains('*')) {
            notebook.refuse(
                format!("{path}.exchange"),
                "S3 takes no '*' in a principal: name each role, or the account's root",
            );
        }
        if exchange.vpc_endpoints.is_empty() {
            notebook.refuse(format!("{path}.exchange.vpc_endpoints"), "missing: the others come from their own VPCs, and the bucket is closed to every endpoint that is not named");
        }
    }
}

fn versions(path: &str, bucket: &Bucket, notebook: &mut Notebook) {
    if bucket.versioning == VersioningChoice::Off {
        for (key, needs) in
            [("object_lock", bucket.object_lock.is_some()), ("replication", bucket.replication.is_some())]
        {
            if needs {
                notebook.refuse(
                    format!("{path}.versioning"),
                    format!("{key} needs versions: leave 'versioning: off' out, or {key}"),
                );
            }
        }
    }
}

fn keys(region: &Region, path: &str, bucket: &Bucket, notebook: &mut Notebook) {
    if bucket.profile == Profile::LogSink && Frame::encryption(bucket) != Encryption::SseS3 {
        notebook.refuse(format!("{path}.encryption"), "S3 delivers access logs only into buckets that are encrypted with SSE-S3: leave it out, or { type: AES256 }");
    }
    if let Some(EncryptionChoice::SseKms(KeyChoice::Given(arn))) = &bucket.encryption
        && arn.split(':').nth(3) != Some(region.as_str())
    {
        notebook.refuse(
            format!("{path}.encryption.key"),
            format!("a bucket's key has to be in the bucket's region, {region}"),
        );
    }
}

fn logs(frame: &Frame<'_>, path: &str, bucket: &Bucket, named: &Named, notebook: &mut Notebook) {
    let path = format!("{path}.access_logs");
    match &bucket.access_logs {
        Some(LogsChoice::Auto) if frame.sink(None).is_none() => {
            notebook
                .refuse(&path, "'auto' is the declaration's one log-sink bucket: declare one, or name which");
        }
        None | Some(LogsChoice::Auto | LogsChoice::Other(_)) => {}
        Some(LogsChoice::Base(base)) => match frame.bucket(base) {
            None => notebook.refuse(&path, format!("no bucket has the base '{base}'")),
            Some((target, _)) if target.profile != Profile::LogSink => {
                let message = format!(
                    "'{base}' is {} and no log-sink, so its policy lets S3 deliver nothing",
                    target.profile
                );
                notebook.refuse(&path, message);
            }
            Some(_) => {}
        },
    }
    if frame.log_bucket(bucket).as_deref() == Some(named.name.as_str()) {
        notebook
            .refuse(&path, "a bucket that logs into itself logs its own logs, without an end: leave it out");
    }
}

fn inventory(frame: &Frame<'_>, path: &str, bucket: &Bucket, notebook: &mut Notebook) {
    let Some(choice) = &bucket.inventory else { return };
    let path = format!("{path}.inventory");
    match frame.sink(choice.bucket.as_ref()) {
        None => notebook
            .refuse(path, "reports go into a log-sink bucket: declare one, or say which with 'bucket'"),
        Some((sink, _)) if sink.profile != Profile::LogSink => {
            notebook.refuse(
                path,
                format!(
                    "'{}' is {} and no log-sink, so its policy lets S3 deliver nothing",
                    sink.name.base(),
                    sink.profile
                ),
            );
        }
        Some(_) => {}
    }
}

fn replicate(
    frame: &Frame<'_>,
    path: &str,
    bucket: &Bucket,
    choice: &ReplicationChoice,
    notebook: &mut Notebook,
) {
    let path = format!("{path}.replication");
    if choice.region == frame.spec.region {
        notebook.refuse(
            format!("{path}.region"),
            "is the bucket's own: a copy in the same region saves nothing that versions would not",
        );
    }
    if choice.region.partition() != frame.partition {
        notebook.refuse(
            format!("{path}.region"),
            format!("is of another partition than {}: S3 does not replicate across", frame.spec.region),
        );
    }
    let encrypted = Frame::encryption(bucket) != Encryption::SseS3;
    if encrypted && choice.key.is_none() {
        notebook.refuse(
            format!("{path}.key"),
            "missing: what is encrypted with KMS here needs a KMS key there, in the replica's region",
        );
    }
    if let Some(key) = &choice.key
        && key.split(':').nth(3) != Some(choice.region.as_str())
    {
        notebook.refuse(
            format!("{path}.key"),
            format!("the replica's key has to be in the replica's region, {}", choice.region),
        );
    }
    if bucket.profile == Profile::LogSink {
        notebook.refuse(path, "logs are not replicated: they are many, and kept for a time only");
    }
}

/// Amazon S3 user guide, "Lifecycle configuration": from S3 Standard into an infrequent-access class.
const DAYS_BEFORE_IA: u32 = 30;

fn lifecycle(path: &str, rule: &LifecycleRule, versioned: bool, notebook: &mut Notebook) {
    let of_versions = rule.noncurrent_expire_after_days.is_some()
        || !rule.noncurrent_transitions.is_empty()
        || rule.expired_delete_markers;
    if of_versions && !versioned {
        notebook.refuse(path, "the bucket keeps no versions, so rules on noncurrent ones would wait for ever: leave them out, or declare why versions are kept");
    }
    let ages = [rule.expire_after_days, rule.noncurrent_expire_after_days, rule.abort_multipart_after_days];
    if ages.contains(&Some(0)) {
        notebook.refuse(path, "a rule's age is at least 1 day");
    }
    if rule.expired_delete_markers && rule.expire_after_days.is_some() {
        notebook.refuse(path, "S3 takes either expire_after_days or expired_delete_markers in a rule: the first removes markers too");
    }
    for (transitions, expiry) in [
        (&rule.transitions, rule.expire_after_days),
        (&rule.noncurrent_transitions, rule.noncurrent_expire_after_days),
    ] {
        for transition in transitions {
            let infrequent = matches!(transition.class, StorageClass::StandardIa | StorageClass::OnezoneIa);
            if infrequent && transition.after_days < DAYS_BEFORE_IA {
                notebook.refuse(
                    path,
                    format!(
                        "S3 moves objects into {} after {DAYS_BEFORE_IA} days at the earliest",
                        transition.class
                    ),
                );
            }
            if expiry.is_some_and(|days| days <= transition.after_days) {
                notebook.refuse(
                    path,
                    format!("objects are to move into {} when they are gone already", transition.class),
                );
            }
        }
        if transitions
            .windows(2)
            .any(|pair| pair[0].after_days >= pair[1].after_days || pair[0].class >= pair[1].class)
        {
            notebook.refuse(path, "transitions go from warm to cold, each later than the one before");
        }
    }
    if rule.transitions.is_empty() && ages == [None; 3] && !of_versions {
        notebook
            .refuse(path, "the rule does nothing: give it transitions, expire_after_days or another action");
    }
}
