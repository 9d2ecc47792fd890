//! From the declaration to what it means. Every refusal is made here, before anything is asked of AWS.

mod alerts;
mod bucket;
mod bucket_policy;
mod checks;
mod endpoint;
mod frame;
mod guardrails;
mod key;
mod limits;
mod notes;
mod roles;
mod statement;
mod trail;

use std::collections::BTreeMap;

use super::declared::{IdentityKind, Spec, TopicChoice, Workload};
use super::desired::{
    Desired, DesiredCluster, DesiredNetwork, DesiredTopic, OWNER_TAG, OidcProvider, PodIdentityAssociation,
};
use super::refusal::Refusal;
use frame::Frame;

pub use frame::spiffe_id;
pub use guardrails::{ImpliedGuardrails, guardrails};
pub use roles::settings;

/// What the declaration means, or every reason why it cannot be.
pub fn compile(spec: &Spec) -> Result<Desired, Vec<Refusal>> {
    let frame = Frame::new(spec)?;
    let mut refusals = checks::all(&frame);
    let desired = desired(&frame);
    refusals.extend(limits::all(&frame, &desired));
    if refusals.is_empty() { Ok(desired) } else { Err(refusals) }
}

fn desired(frame: &Frame<'_>) -> Desired {
    let spec = frame.spec;
    let uses = |kind: IdentityKind| spec.workloads.iter().any(move |workload| workload.identity == kind);
    let (rules, metric_filters, alarms) = alerts::all(frame);
    let (roles, mut policies) = roles::all(frame);
    policies.insert(0, roles::boundary(frame));
    Desired {
        name: spec.name.clone(),
        account: spec.account.clone(),
        region: spec.region.clone(),
        partition: frame.partition,
        tags: tags(spec),
        key: key::own(frame),
        policies,
        roles,
        buckets: bucket::all(frame),
        topic: topic(frame),
        rules,
        metric_filters,
        alarms,
        trail: trail::managed(frame),
        endpoint: endpoint::plan(frame),
        oidc: uses(IdentityKind::Irsa).then(|| OidcProvider {
            issuer: frame.issuer(),
            arn: frame.oidc_arn(),
            audiences: vec![roles::AUDIENCE.to_owned()],
        }),
        pod_identities: spec.workloads.iter().filter_map(|workload| association(frame, workload)).collect(),
        network: DesiredNetwork { vpc: spec.network.vpc.clone(), create: spec.network.create.clone() },
        cluster: DesiredCluster { name: spec.cluster.name.clone(), create: spec.cluster.create.clone() },
        account_wide: spec.account_wide,
        waivers: spec.waivers.clone(),
        notes: notes::all(frame),
    }
}

fn tags(spec: &Spec) -> BTreeMap<String, String> {
    BTreeMap::from([
        (OWNER_TAG.to_owned(), spec.name.to_string()),
        ("environment".to_owned(), spec.environment.to_string()),
    ])
}

fn topic(frame: &Frame<'_>) -> Option<DesiredTopic> {
    match &frame.spec.alerts.topic {
        TopicChoice::Off => None,
        TopicChoice::Given(arn) => Some(DesiredTopic::Given(arn.clone())),
        TopicChoice::Create => Some(DesiredTopic::Own {
            name: frame.topic_name(),
            arn: frame.topic_arn(),
            policy: alerts::topic_policy(frame),
            encrypted: true,
            email: frame.spec.alerts.email.clone(),
        }),
    }
}

fn association(frame: &Frame<'_>, workload: &Workload) -> Option<PodIdentityAssociation> {
    (workload.identity == IdentityKind::PodIdentity).then(|| PodIdentityAssociation {
        cluster: frame.spec.cluster.name.clone(),
        namespace: workload.namespace.clone(),
        service_account: workload.service_account.clone(),
        role: frame.spec.role_arn(workload),
    })
}

#[cfg(test)]
mod tests;
