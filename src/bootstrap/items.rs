//! The list of a deployment's settings, in the order in which they are made: what others refer to comes first.

use super::settings::{
    BucketPart, EndpointPart, KeyPart, RolePart, RulesPart, Setting, TopicPart, TrailPart,
};
use crate::spec::controls::{self, Control};
use crate::spec::{Desired, DesiredBucket, DesiredTopic, Duty, EndpointMode, Role, RoleKind, Versioning};

/// One setting, with its name and what it is there for.
#[derive(Debug, Clone, Copy)]
pub struct Item<'d> {
    /// The setting.
    pub setting: Setting<'d>,
    /// The resource: its kind and its name.
    pub resource: (&'static str, &'d str),
    /// What of it; empty is the resource itself.
    pub part: &'static str,
    /// The control that it serves.
    pub control: &'static Control,
    /// Whether it is made so, or has to be so.
    pub duty: Duty,
    /// Whether it comes into being with the resource itself, in the same call.
    pub made_along: bool,
}

impl Item<'_> {
    /// Its name in plans and journals.
    pub fn id(&self) -> String {
        let (kind, name) = self.resource;
        if self.part.is_empty() { format!("{kind} {name}") } else { format!("{kind} {name}: {}", self.part) }
    }

    /// Whether it is the resource itself.
    pub fn is_resource(&self) -> bool {
        self.part.is_empty()
    }
}

/// Everything that is wanted, in order.
pub(super) fn items(desired: &Desired) -> Vec<Item<'_>> {
    let mut all = vec![Item {
        duty: desired.account_wide.public_access_block,
        ..item(
            Setting::AccountPublicAccess,
            ("account", desired.account.as_str()),
            "public access",
            &controls::ACCOUNT_PUBLIC_ACCESS,
        )
    }];
    if let Some(provider) = &desired.oidc {
        let duty = desired.account_wide.oidc_provider;
        let setting = Setting::Oidc(provider);
        all.push(Item {
            duty,
            ..item(setting, ("OIDC provider", &provider.issuer), "", &controls::OIDC_PROVIDER)
        });
    }
    key(desired, &mut all);
    endpoint(desired, &mut all);
    for policy in &desired.policies {
        all.push(item(Setting::Policy(policy), ("policy", &policy.name), "", &controls::BOUNDARY));
    }
    for one in &desired.roles {
        role(one, &mut all);
    }
    topic(desired, &mut all);
    for one in &desired.buckets {
        bucket(one, &mut all);
    }
    trail(desired, &mut all);
    for filter in &desired.metric_filters {
        all.push(item(Setting::Filter(filter), ("metric filter", &filter.name), "", &controls::ALERT_ALARMS));
    }
    for alarm in &desired.alarms {
        all.push(item(Setting::Alarm(alarm), ("alarm", &alarm.name), "", &controls::ALERT_ALARMS));
    }
    for rule in &desired.rules {
        all.push(item(Setting::Rule(rule), ("rule", &rule.name), "", &controls::ALERT_RULES));
    }
    for association in &desired.pod_identities {
        let name = association.role.rsplit('/').next().unwrap_or_default();
        let setting = Setting::PodIdentity(association);
        all.push(item(setting, ("pod identity", name), "", &controls::POD_IDENTITY));
    }
    all
}

fn item<'d>(
    setting: Setting<'d>,
    resource: (&'static str, &'d str),
    part: &'static str,
    control: &'static Control,
) -> Item<'d> {
    Item { setting, resource, part, control, duty: Duty::Manage, made_along: false }
}

fn key<'d>(desired: &'d Desired, all: &mut Vec<Item<'d>>) {
    let Some(key) = &desired.key else { return };
    for (part, name, made_along) in [
        (KeyPart::Itself, "", false),
        (KeyPart::Alias, "alias", false),
        (KeyPart::Policy, "policy", true),
        (KeyPart::Rotation, "rotation", false),
    ] {
        let row = item(Setting::Key(key, part), ("key", &key.alias), name, &controls::KEY_ROTATION);
        all.push(Item { made_along, ..row });
    }
}

fn endpoint<'d>(desired: &'d Desired, all: &mut Vec<Item<'d>>) {
    let plan = &desired.endpoint;
    let duty = if plan.mode == EndpointMode::Verify { Duty::Verify } else { Duty::Manage };
    for (part, name, control) in [
        (EndpointPart::Itself, "", &controls::ENDPOINT),
        (EndpointPart::Policy, "policy", &controls::ENDPOINT_POLICY),
        (EndpointPart::RouteTables, "route tables", &controls::ENDPOINT),
    ] {
        let row = item(Setting::Endpoint(plan, part), ("endpoint", &plan.service), name, control);
        all.push(Item { duty, made_along: part != EndpointPart::Itself, ..row });
    }
}

fn role<'d>(role: &'d Role, all: &mut Vec<Item<'d>>) {
    let is_workload = matches!(role.kind, RoleKind::Workload { .. });
    let own = match role.kind {
        RoleKind::Workload { .. } => &controls::LEAST_PRIVILEGE,
        RoleKind::Replication { .. } => &controls::REPLICATION,
        RoleKind::TrailLogs => &controls::TRAIL,
    };
    let workload = |control: &'static Control| if is_workload { control } else { own };
    for (part, name, control, made_along) in [
        (RolePart::Itself, "", workload(&controls::ROLE_TRUST), false),
        (RolePart::Trust, "trust", workload(&controls::ROLE_TRUST), true),
        (RolePart::Boundary, "boundary", workload(&controls::BOUNDARY), true),
        (RolePart::Inline, "inline policies", own, false),
        (RolePart::Attached, "attached policies", own, false),
    ] {
        let row = item(Setting::Role(role, part), ("role", &role.name), name, control);
        all.push(Item { made_along, ..row });
    }
}

fn topic<'d>(desired: &'d Desired, all: &mut Vec<Item<'d>>) {
    let Some(topic) = &desired.topic else { return };
    let name = topic.arn().rsplit(':').next().unwrap_or_default();
    let mut push = |part, part_name, duty| {
        let row = item(Setting::Topic(topic, part), ("topic", name), part_name, &controls::ALERT_TOPIC);
        all.push(Item { duty, ..row });
    };
    if matches!(topic, DesiredTopic::Given(_)) {
        return push(TopicPart::Itself, "", Duty::Verify);
    }
    push(TopicPart::Itself, "", Duty::Manage);
    push(TopicPart::Encryption, "encryption", Duty::Manage);
    push(TopicPart::Policy, "policy", Duty::Manage);
    push(TopicPart::Subscriptions, "subscriptions", Duty::Manage);
}

fn bucket<'d>(bucket: &'d DesiredBucket, all: &mut Vec<Item<'d>>) {
    let resource = ("bucket", bucket.name.as_str());
    let versioning_duty =
        if matches!(bucket.versioning, Versioning::On(_)) { Duty::Manage } else { Duty::Verify };
    let mut push = |part, name, control, duty, made_along| {
        let row = item(Setting::Bucket(bucket, part), resource, name, control);
        all.push(Item { duty, made_along, ..row });
    };
    push(BucketPart::Itself, "", &controls::NAMING, Duty::Manage, false);
    push(BucketPart::Tags, "tags", &controls::NAMING, Duty::Manage, true);
    push(BucketPart::Ownership, "ownership", &controls::ACLS_OFF, Duty::Manage, true);
    push(BucketPart::PublicAccess, "public access", &controls::BUCKET_PUBLIC_ACCESS, Duty::Manage, false);
    push(BucketPart::Policy, "policy", &controls::BUCKET_POLICY, Duty::Manage, false);
    push(BucketPart::Encryption, "encryption", &controls::ENCRYPTION, Duty::Manage, false);
    // Object Lock turns versions on when the bucket is made.
    let along = bucket.object_lock.is_some();
    push(BucketPart::Versioning, "versioning", &controls::VERSIONING, versioning_duty, along);
    if bucket.object_lock.is_some() {
        push(BucketPart::ObjectLock, "object lock", &controls::OBJECT_LOCK, Duty::Manage, false);
    }
    if bucket.logs.is_some() {
        push(BucketPart::Logging, "access logs", &controls::ACCESS_LOGS, Duty::Manage, false);
    }
    let mut push = |part, name, control, duty| {
        all.push(Item { duty, ..item(Setting::Rules(bucket, part), resource, name, control) });
    };
    if !bucket.lifecycle.is_empty() {
        push(RulesPart::Lifecycle, "lifecycle", &controls::LIFECYCLE, Duty::Manage);
    }
    if let Some(inventory) = &bucket.inventory {
        push(RulesPart::Inventory(inventory), "inventory", &controls::INVENTORY, Duty::Manage);
    }
    match &bucket.replication {
        Some(declared) => {
            push(RulesPart::Replication(declared), "replication", &controls::REPLICATION, Duty::Manage);
        }
        None => push(RulesPart::Replicated, "replication", &controls::REPLICATION, Duty::Verify),
    }
    if !bucket.metrics.is_empty() {
        push(RulesPart::Metrics, "metrics", &controls::METRICS, Duty::Manage);
    }
    push(RulesPart::Measured, "further metrics", &controls::METRICS, Duty::Verify);
}

fn trail<'d>(desired: &'d Desired, all: &mut Vec<Item<'d>>) {
    let Some(trail) = &desired.trail else {
        let resource = ("account", desired.account.as_str());
        all.push(Item { duty: Duty::Verify, ..item(Setting::AnyTrail, resource, "trail", &controls::TRAIL) });
        return;
    };
    let group = item(
        Setting::Trail(trail, TrailPart::LogGroup),
        ("log group", &trail.log_group),
        "",
        &controls::ALERT_ALARMS,
    );
    all.push(group);
    for (part, name) in
        [(TrailPart::Itself, ""), (TrailPart::Selectors, "event selectors"), (TrailPart::Logging, "logging")]
    {
        all.push(item(Setting::Trail(trail, part), ("trail", &trail.name), name, &controls::TRAIL));
    }
}
