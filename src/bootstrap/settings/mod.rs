//! Everything that can be read, compared and written by itself, one call each where AWS lets it. A closed list: what
//! `plan` shows, `apply` writes and `verify` judges are the same settings.

mod account_wide;
mod alerts;
mod bucket;
mod bucket_rules;
mod iam;
mod key;
mod lifecycle;
mod network;
pub(super) mod removal;
mod source;
mod trail;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::account::CallError;
use super::context::Context;
use crate::spec::{
    Alarm, DesiredBucket, DesiredKey, DesiredTopic, DesiredTrail, EndpointPlan, EventRule, ManagedPolicy,
    MetricFilter, OWNER_TAG, OidcProvider, PodIdentityAssociation, Role,
};

pub(super) use alerts::TopicPart;
pub(super) use bucket::{BucketPart, region as bucket_region};
pub(super) use bucket_rules::RulesPart;
pub(super) use iam::RolePart;
pub(super) use key::KeyPart;
pub(super) use network::EndpointPart;
pub(super) use trail::TrailPart;

pub(super) use key::find as find_key;
pub(super) use network::{find_cluster, find_endpoint, private_route_tables, vpc};

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

/// What a fresh read says of a setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It is not there.
    Absent,
    /// The fields that the declaration owns.
    Present(Value),
    /// It is there, and not ours to change; why, and what to do.
    Foreign(String),
}

impl Found {
    /// The fields, where they could be read.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Foreign(_) => None,
        }
    }
}

impl From<Option<Value>> for Found {
    fn from(value: Option<Value>) -> Self {
        value.map_or(Self::Absent, Self::Present)
    }
}

/// One setting of one resource.
#[derive(Debug, Clone, Copy)]
pub enum Setting<'d> {
    /// The account's public-access block.
    AccountPublicAccess,
    /// The OIDC provider.
    Oidc(&'d OidcProvider),
    /// The KMS key.
    Key(&'d DesiredKey, KeyPart),
    /// The S3 gateway endpoint.
    Endpoint(&'d EndpointPlan, EndpointPart),
    /// A managed policy.
    Policy(&'d ManagedPolicy),
    /// A role.
    Role(&'d Role, RolePart),
    /// The topic.
    Topic(&'d DesiredTopic, TopicPart),
    /// A bucket.
    Bucket(&'d DesiredBucket, BucketPart),
    /// A list of a bucket's configurations.
    Rules(&'d DesiredBucket, RulesPart<'d>),
    /// Our trail.
    Trail(&'d DesiredTrail, TrailPart),
    /// Any trail.
    AnyTrail,
    /// A metric filter.
    Filter(&'d MetricFilter),
    /// An alarm.
    Alarm(&'d Alarm),
    /// An EventBridge rule.
    Rule(&'d EventRule),
    /// An association of EKS Pod Identity.
    PodIdentity(&'d PodIdentityAssociation),
}

impl Setting<'_> {
    /// What it should be. Facts that are not known yet are marks in it.
    pub fn wanted(&self, cx: &Context<'_>) -> Value {
        let wanted = match *self {
            Self::AccountPublicAccess => all_public_access_blocked(),
            Self::Oidc(provider) => iam::wanted_oidc(provider),
            Self::Key(key, part) => key::wanted(cx, key, part),
            Self::Endpoint(plan, part) => network::wanted(cx, plan, part),
            Self::Policy(policy) => iam::wanted_policy(cx, policy),
            Self::Role(role, part) => iam::wanted_role(cx, role, part),
            Self::Topic(topic, part) => alerts::wanted_topic(cx, topic, part),
            Self::Bucket(bucket, part) => bucket::wanted(cx, bucket, part),
            Self::Rules(bucket, part) => bucket_rules::wanted(bucket, part),
            Self::Trail(trail, part) => trail::wanted(cx, trail, part),
            Self::AnyTrail => trail::wanted_any(),
            Self::Filter(filter) => alerts::wanted_filter(filter),
            Self::Alarm(alarm) => alerts::wanted_alarm(alarm),
            Self::Rule(rule) => alerts::wanted_rule(rule),
            Self::PodIdentity(association) => network::wanted_pod_identity(association),
        };
        cx.resolved(&wanted)
    }

    /// What it is.
    pub async fn read(&self, cx: &Context<'_>) -> Result<Found, CallError> {
        match *self {
            Self::AccountPublicAccess => account_wide::read(cx).await,
            Self::Oidc(provider) => iam::read_oidc(cx, provider).await,
            Self::Key(key, part) => key::read(cx, key, part).await,
            Self::Endpoint(plan, part) => network::read(cx, plan, part).await,
            Self::Policy(policy) => iam::read_policy(cx, policy).await,
            Self::Role(role, part) => iam::read_role(cx, role, part).await,
            Self::Topic(topic, part) => alerts::read_topic(cx, topic, part).await,
            Self::Bucket(bucket, part) => bucket::read(cx, bucket, part).await,
            Self::Rules(bucket, part) => bucket_rules::read(cx, bucket, part).await,
            Self::Trail(trail, part) => trail::read(cx, trail, part).await,
            Self::AnyTrail => trail::read_any(cx).await,
            Self::Filter(filter) => alerts::read_filter(cx, filter).await,
            Self::Alarm(alarm) => alerts::read_alarm(cx, alarm).await,
            Self::Rule(rule) => alerts::read_rule(cx, rule).await,
            Self::PodIdentity(association) => network::read_pod_identity(cx, association).await,
        }
    }

    /// Makes it what it should be, from what it was found to be.
    pub(super) async fn write(
        &self,
        cx: &Context<'_>,
        wanted: &Value,
        found: &Found,
    ) -> Result<(), CallError> {
        match *self {
            Self::AccountPublicAccess => account_wide::write(cx).await,
            Self::Oidc(provider) => iam::write_oidc(cx, provider, found).await,
            Self::Key(key, part) => key::write(cx, key, part).await,
            Self::Endpoint(plan, part) => network::write(cx, plan, part).await,
            Self::Policy(policy) => iam::write_policy(cx, policy).await,
            Self::Role(role, part) => iam::write_role(cx, role, part, found).await,
            Self::Topic(topic, part) => alerts::write_topic(cx, topic, part, wanted).await,
            Self::Bucket(bucket, part) => bucket::write(cx, bucket, part, wanted).await,
            Self::Rules(bucket, part) => bucket_rules::write(cx, bucket, part).await,
            Self::Trail(trail, part) => trail::write(cx, trail, part, wanted, found).await,
            Self::AnyTrail => Ok(()),
            Self::Filter(filter) => alerts::write_filter(cx, filter).await,
            Self::Alarm(alarm) => alerts::write_alarm(cx, alarm).await,
            Self::Rule(rule) => alerts::write_rule(cx, rule, wanted, found).await,
            Self::PodIdentity(association) => network::write_pod_identity(cx, association).await,
        }
    }
}

/// The tag that makes a thing ours, for messages.
fn untagged(cx: &Context<'_>) -> String {
    format!(
        "it is there without the tag {OWNER_TAG}={}, so it is somebody else's; if it is yours, put the tag on it by hand \
         and it is taken over as it is",
        cx.desired.name
    )
}

/// Of tags, those that are wanted.
fn owned(found: &Tags, wanted: &Tags) -> Value {
    let ours = found.iter().filter(|(key, _)| wanted.contains_key(*key));
    ours.map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect()
}

fn public_access_block(
    acls: Option<bool>,
    ignored: Option<bool>,
    policy: Option<bool>,
    restricted: Option<bool>,
) -> Value {
    json!({
        "BlockPublicAcls": acls.unwrap_or(false),
        "IgnorePublicAcls": ignored.unwrap_or(false),
        "BlockPublicPolicy": policy.unwrap_or(false),
        "RestrictPublicBuckets": restricted.unwrap_or(false),
    })
}

fn all_public_access_blocked() -> Value {
    public_access_block(Some(true), Some(true), Some(true), Some(true))
}
