//! Buckets: what their policies come to, whether logs can be delivered, whether deletions are recorded.

use serde_json::Value;

use super::Case;
use crate::bootstrap::settings::{BucketPart, Setting};
use crate::bootstrap::verify::{Ground, policy};
use crate::spec::DesiredBucket;

impl Case<'_, '_> {
    pub(super) fn policy_says(
        &self,
        bucket: &DesiredBucket,
        says: impl Fn(&Value, &Value, &str) -> Result<String, String>,
    ) -> Vec<Ground> {
        let Some(reading) = self.policy_of(&bucket.name) else { return Vec::new() };
        let (what, source) = (reading.item.id(), reading.item.setting.source());
        let arn = format!("arn:{}:s3:::{}", self.desired.partition, bucket.name);
        let found = match &reading.found {
            Err(why) => return vec![Ground::unseen(what, source, why)],
            Ok(found) => found.value().map_or(&Value::Null, |value| &value["policy"]),
        };
        vec![match says(found, &reading.wanted["policy"], &arn) {
            Ok(said) => Ground::holds(what, source, said),
            Err(said) => Ground::fails(what, source, said),
        }]
    }

    pub(super) fn encryption(&self, bucket: &DesiredBucket, matters: impl Fn(&str) -> bool) -> Vec<Ground> {
        let of = |it: &Setting<'_>| matches!(it, Setting::Bucket(own, BucketPart::Encryption) if own.name == bucket.name);
        let reading = self.reading(of).into_iter();
        let differs = |field: &str| field.is_empty() || matters(field);
        reading.map(|it| it.ground_of(&self.seen.refused, |change| differs(&change.field))).collect()
    }

    /// Whether the target of logs lets S3 deliver there.
    pub(super) fn delivery(&self, target: &str, sid: &str) -> Ground {
        let what = format!("bucket {target}: policy");
        let Some(reading) = self.policy_of(target) else {
            let said =
                "the target is not of this declaration, so its policy is not read: declare it as a log sink";
            return Ground::unseen(what, "s3:GetBucketPolicy", said);
        };
        let source = reading.item.setting.source();
        let wanted = policy::named(&reading.wanted["policy"], sid);
        let has = |found: &Value| wanted.is_some_and(|wanted| policy::has(&found["policy"], wanted));
        match &reading.found {
            Err(why) => Ground::unseen(what, source, why),
            Ok(_) if reading.value().is_some_and(has) => Ground::holds(what, source, "S3 may deliver"),
            Ok(_) => {
                Ground::fails(what, source, format!("it lacks the statement {sid}: S3 delivers nothing"))
            }
        }
    }

    pub(super) fn object_events(&self, bucket: &DesiredBucket) -> Vec<Ground> {
        let source = "cloudtrail:GetEventSelectors";
        let each = bucket.alert_deletes.iter().map(|prefix| {
            let what = format!("bucket {}: deletions below '{prefix}'", bucket.name);
            let keys = format!("arn:{}:s3:::{}/{prefix}", self.desired.partition, bucket.name);
            let trails = match &self.seen.surroundings.trails {
                Err(why) => return Ground::unseen(what, source, why),
                Ok(trails) => trails,
            };
            match trails.iter().find(|trail| policy::records_deletions(trail, &keys)) {
                Some(trail) => Ground::holds(what, source, format!("recorded by {}", trail.trail)),
                None => Ground::fails(what, source, format!("none of {} trails records them", trails.len())),
            }
        });
        each.collect()
    }
}
