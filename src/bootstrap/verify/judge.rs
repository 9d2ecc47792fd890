//! Control by control. Most are the readings that serve them; the others look into what was read.

mod bucket;
mod deployment;
mod probes;
mod role;

use super::probe::Probes;
use super::{Ground, Judgement, Reading, Seen, Verdict, policy};
use crate::bootstrap::settings::{BucketPart, Setting};
use crate::spec::controls::{self, Control, Subject};
use crate::spec::{Desired, DesiredBucket, Role, RoleKind};

/// For whom a control is judged.
#[derive(Debug, Clone, Copy)]
enum On<'d> {
    Bucket(&'d DesiredBucket),
    Role(&'d Role),
    Deployment,
}

/// Everything that a judgement is made of.
struct Case<'a, 'd> {
    desired: &'d Desired,
    seen: &'a Seen<'d>,
    probes: &'a Probes,
    control: &'static Control,
    on: On<'d>,
}

pub(super) fn all<'d>(desired: &'d Desired, seen: &Seen<'d>, probes: &Probes) -> Vec<Judgement> {
    let mut all = Vec::new();
    for control in controls::ALL {
        let subjects: Vec<On<'d>> = match control.subject {
            Subject::Bucket => desired.buckets.iter().map(On::Bucket).collect(),
            Subject::Role => desired.roles.iter().filter(|role| is_workload(role)).map(On::Role).collect(),
            Subject::Deployment => vec![On::Deployment],
        };
        all.extend(subjects.into_iter().map(|on| Case { desired, seen, probes, control, on }.judge()));
    }
    all
}

fn is_workload(role: &Role) -> bool {
    matches!(role.kind, RoleKind::Workload { .. })
}

impl<'d> Case<'_, 'd> {
    fn judge(&self) -> Judgement {
        let subject = match self.on {
            On::Bucket(bucket) => format!("bucket {}", bucket.name),
            On::Role(role) => format!("role {}", role.name),
            On::Deployment => format!("deployment {}", self.desired.name),
        };
        let (grounds, verdict) = match self.grounds() {
            Ok(grounds) if grounds.is_empty() => (vec![not_declared()], Verdict::NotApplicable),
            Ok(grounds) if grounds.iter().all(|ground| ground.holds == Some(true)) => {
                (grounds, Verdict::Pass)
            }
            Ok(grounds) => (grounds, Verdict::Fail),
            Err(not_asked) => (vec![not_asked], Verdict::NotApplicable),
        };
        let unknown = verdict == Verdict::Fail && grounds.iter().all(|ground| ground.holds != Some(false));
        Judgement { control: self.control, subject, verdict, unknown, grounds, waiver: None }
    }

    /// What it rests on: nothing where nothing of the kind is declared, an error where it was left out on request.
    fn grounds(&self) -> Result<Vec<Ground>, Ground> {
        Ok(match (self.control, self.on) {
            (control, On::Bucket(bucket)) => return self.of_bucket(control, bucket),
            (control, On::Role(role)) if *control == controls::BOUNDARY_SELF => self.widening(role),
            (control, On::Deployment) if *control == controls::ALERT_TOPIC => self.topic(),
            (control, On::Deployment) if *control == controls::NETWORK_LAYOUT => self.nodes(),
            (control, On::Deployment) if *control == controls::ONE_REGION => self.regions(),
            _ => self.own(),
        })
    }

    fn of_bucket(&self, control: &Control, bucket: &DesiredBucket) -> Result<Vec<Ground>, Ground> {
        let own = self.own();
        Ok(match control.id {
            id if id == controls::TLS_ONLY.id => self.policy_says(bucket, policy::denies_plain),
            id if id == controls::TLS_VERSION.id => self.policy_says(bucket, policy::denies_old_tls),
            id if id == controls::VPC_ONLY.id => self.policy_says(bucket, policy::denies_outside),
            id if id == controls::ENCRYPTION.id => self.encryption(bucket, |field| field != "blocked"),
            id if id == controls::CUSTOMER_KEYS.id => self.encryption(bucket, |field| field == "blocked"),
            id if id == controls::ACCESS_LOGS.id => {
                let target = bucket.logs.as_ref().map(|logs| logs.bucket.as_str());
                own.into_iter().chain(target.map(|it| self.delivery(it, "AllowAccessLogs"))).collect()
            }
            id if id == controls::INVENTORY.id => {
                let target = bucket.inventory.as_ref().map(|inventory| inventory.bucket.as_str());
                own.into_iter().chain(target.map(|it| self.delivery(it, "AllowInventory"))).collect()
            }
            id if id == controls::OBJECT_EVENTS.id => self.object_events(bucket),
            id if id == controls::ANONYMOUS_REFUSED.id => return self.anonymous(bucket),
            id if id == controls::PLAIN_HTTP_REFUSED.id => return self.plain(bucket),
            _ => own,
        })
    }

    /// The readings that serve the control.
    fn own(&self) -> Vec<Ground> {
        let serving = self.seen.readings.iter().filter(|reading| self.serves(reading));
        serving.map(|reading| reading.ground(&self.seen.refused)).collect()
    }

    fn serves(&self, reading: &Reading<'_>) -> bool {
        let same = *reading.item.control == *self.control;
        match (reading.item.setting, self.on) {
            (Setting::Bucket(bucket, _) | Setting::Rules(bucket, _), On::Bucket(own)) => {
                same && bucket.name == own.name
            }
            (Setting::Role(role, _), On::Bucket(own)) => {
                same && matches!(&role.kind, RoleKind::Replication { bucket } if *bucket == own.base)
            }
            (Setting::Role(role, _), On::Role(own)) => same && role.name == own.name,
            (Setting::PodIdentity(association), On::Role(own)) => same && association.role == own.arn,
            (Setting::Policy(policy), On::Role(own)) => {
                let boundary = own.boundary.as_ref() == Some(&policy.arn);
                boundary && *self.control == controls::BOUNDARY
                    || own.attached.contains(&policy.arn) && *self.control == controls::LEAST_PRIVILEGE
            }
            (_, On::Deployment) => same,
            _ => false,
        }
    }

    fn reading(&self, is_it: impl Fn(&Setting<'_>) -> bool) -> Option<&Reading<'d>> {
        self.seen.readings.iter().find(|reading| is_it(&reading.item.setting))
    }

    fn policy_of(&self, name: &str) -> Option<&Reading<'d>> {
        self.reading(|it| matches!(it, Setting::Bucket(bucket, BucketPart::Policy) if bucket.name == name))
    }
}

fn not_declared() -> Ground {
    Ground::unseen("the declaration", "declaration", "nothing of the kind is declared")
}
