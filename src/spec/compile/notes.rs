//! What a reader of a plan or a template should know: why something is on, what it costs, what a name trades off.

use super::alerts::iam_region;
use super::bucket;
use super::frame::Frame;
use crate::s3::LockMode;
use crate::spec::declared::{Bucket, IdentityKind, Serves};
use crate::spec::desired::{Note, Versioning};
use crate::spec::naming::trade_off;

pub(super) fn all(frame: &Frame<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    for (path, bucket, named) in frame.buckets() {
        let mut note = |key: &str, text: String| notes.push(Note { path: format!("{path}.{key}"), text });
        note("name", format!("{}: {}", named.name, trade_off(&bucket.name)));
        of_bucket(bucket, &mut note);
    }
    for (at, workload) in frame.spec.workloads.iter().enumerate() {
        if workload.serves == Serves::Everyone {
            let way_out = match workload.identity {
                IdentityKind::Irsa => {
                    "set credentials.sessions to per_identity, so that IAM confines each client too"
                }
                IdentityKind::PodIdentity => {
                    "only the proxy confines each client; with 'identity: irsa' IAM can too"
                }
            };
            notes.push(Note {
                path: format!("workloads[{at}].serves"),
                text: format!(
                    "a gateway's role has what any client has, without what is denied to single ones: {way_out}"
                ),
            });
        }
    }
    let region = iam_region(frame.partition);
    if frame.spec.region.as_str() != region {
        notes.push(Note {
            path: "alerts".to_owned(),
            text: format!(
                "IAM tells its events in {region} only: changes of roles are seen here by the alarm on the trail's log group, \
                 where there is one"
            ),
        });
    }
    notes
}

fn of_bucket(bucket: &Bucket, note: &mut impl FnMut(&str, String)) {
    if let Versioning::On(why) = bucket::versioning(bucket) {
        note("versioning", format!("on because {why}; each noncurrent version is paid for like an object"));
    }
    if let Some(lock) = bucket.object_lock.filter(|lock| lock.mode == LockMode::Compliance) {
        note(
            "object_lock",
            format!(
                "cannot be undone: nobody, not even the account's root, can delete an object within {} days",
                lock.days
            ),
        );
        let shorter = bucket.lifecycle.iter().flatten().filter_map(|rule| rule.expire_after_days).min();
        if shorter.is_some_and(|days| days < lock.days) {
            note(
                "lifecycle",
                "objects that expire before their retention ends leave a version that stays and is paid for"
                    .to_owned(),
            );
        }
    }
    if let Some(replication) = &bucket.replication {
        note(
            "replication",
            format!(
                "on because {}; storage twice, and every byte is paid for on its way to {}",
                replication.reason, replication.region
            ),
        );
    }
    if let Some(metrics) = &bucket.metrics {
        note(
            "metrics",
            format!(
                "on because {}; 16 metrics for each of {} filter(s) are paid for by the month",
                metrics.reason,
                metrics.prefixes.len()
            ),
        );
    }
}
