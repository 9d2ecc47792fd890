//! The network as it is: the cluster, its VPC, the route tables of its private subnets, the S3 gateway endpoint.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    Filter, ResourceType, RouteTable, Tag, TagSpecification, VpcEndpoint, VpcEndpointType,
};
use serde_json::{Value, json};

use super::Found;
use crate::bootstrap::account::{CallError, failed, optional};
use crate::bootstrap::context::{ClusterFound, Context, EndpointFound};
use crate::bootstrap::document;
use crate::spec::{
    DesiredNetwork, EndpointMode, EndpointPlan, OWNER_TAG, PodIdentityAssociation, RouteTables,
};

/// What of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointPart {
    /// That it is there.
    Itself,
    /// Its policy.
    Policy,
    /// That it is tied to the route tables; further ones are kept.
    RouteTables,
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

pub(in crate::bootstrap) async fn find_cluster(
    cx: &Context<'_>,
    name: &str,
) -> Result<Option<ClusterFound>, CallError> {
    let asked = cx.account.eks.describe_cluster().name(name).send().await;
    let answer =
        optional(asked.map_err(failed("eks:DescribeCluster", name)), &["ResourceNotFoundException"])?;
    Ok(answer.and_then(|answer| answer.cluster).map(|cluster| {
        let network = cluster.resources_vpc_config;
        let issuer = cluster.identity.and_then(|identity| identity.oidc).and_then(|oidc| oidc.issuer);
        ClusterFound {
            vpc: network.as_ref().and_then(|network| network.vpc_id.clone()),
            subnets: network.and_then(|network| network.subnet_ids).unwrap_or_default(),
            issuer: issuer.map(|issuer| issuer.trim_start_matches("https://").to_owned()),
        }
    }))
}

/// The VPC that is declared, or the cluster's.
pub(in crate::bootstrap) fn vpc(network: &DesiredNetwork, cluster: Option<&ClusterFound>) -> Option<String> {
    network.vpc.clone().or_else(|| cluster.and_then(|cluster| cluster.vpc.clone()))
}

/// Route tables of the cluster's subnets (or all of the VPC's, where there is no cluster to ask) that have no route to an
/// internet gateway. A subnet without a table of its own has the VPC's main one.
pub(in crate::bootstrap) async fn private_route_tables(
    cx: &Context<'_>,
    vpc: &str,
    cluster: Option<&ClusterFound>,
) -> Result<Vec<String>, CallError> {
    let mut tables: Vec<RouteTable> = Vec::new();
    let mut pages =
        cx.account.ec2.describe_route_tables().filters(filter("vpc-id", vpc)).into_paginator().items().send();
    while let Some(table) = pages.next().await {
        tables.push(table.map_err(failed("ec2:DescribeRouteTables", vpc))?);
    }
    let of = |table: &RouteTable, subnet: &str| {
        table.associations().iter().any(|association| association.subnet_id() == Some(subnet))
    };
    let is_main =
        |table: &RouteTable| table.associations().iter().any(|association| association.main == Some(true));
    let used = |table: &RouteTable| {
        let Some(cluster) = cluster else { return true };
        let left_to_main = |subnet: &String| !tables.iter().any(|table| of(table, subnet));
        cluster.subnets.iter().any(|subnet| of(table, subnet))
            || is_main(table) && cluster.subnets.iter().any(left_to_main)
    };
    let is_public = |table: &RouteTable| {
        table.routes().iter().any(|route| route.gateway_id().is_some_and(|id| id.starts_with("igw-")))
    };
    let private = tables.iter().filter(|table| used(table) && !is_public(table));
    let ids: BTreeSet<String> = private.filter_map(|table| table.route_table_id.clone()).collect();
    Ok(ids.into_iter().collect())
}

pub(in crate::bootstrap) async fn find_endpoint(
    cx: &Context<'_>,
    vpc: &str,
    service: &str,
) -> Result<Option<EndpointFound>, CallError> {
    let asked = cx
        .account
        .ec2
        .describe_vpc_endpoints()
        .filters(filter("vpc-id", vpc))
        .filters(filter("service-name", service))
        .send()
        .await;
    let all = asked.map_err(failed("ec2:DescribeVpcEndpoints", vpc))?.vpc_endpoints.unwrap_or_default();
    let alive = |endpoint: &VpcEndpoint| {
        let state = endpoint.state.as_ref().map_or("", |state| state.as_str()).to_ascii_lowercase();
        let gateway =
            endpoint.vpc_endpoint_type.as_ref().is_none_or(|kind| *kind == VpcEndpointType::Gateway);
        gateway && !["deleted", "deleting", "failed"].contains(&state.as_str())
    };
    let is_ours = |endpoint: &VpcEndpoint| {
        endpoint
            .tags()
            .iter()
            .any(|tag| tag.key() == Some(OWNER_TAG) && tag.value() == Some(cx.desired.name.as_str()))
    };
    Ok(all.into_iter().find(alive).map(|endpoint| EndpointFound {
        ours: is_ours(&endpoint),
        id: endpoint.vpc_endpoint_id.unwrap_or_default(),
        policy: endpoint.policy_document,
        route_tables: endpoint.route_table_ids.unwrap_or_default(),
    }))
}

fn route_tables(cx: &Context<'_>, plan: &EndpointPlan) -> Vec<String> {
    let mut tables = match &plan.route_tables {
        RouteTables::Private => cx.known.route_tables.clone(),
        RouteTables::Listed(tables) => tables.clone(),
    };
    tables.sort_unstable();
    tables
}

pub(super) fn wanted(cx: &Context<'_>, plan: &EndpointPlan, part: EndpointPart) -> Value {
    match part {
        EndpointPart::Itself => json!({ "service": plan.service, "vpc": cx.known.vpc }),
        EndpointPart::Policy => json!({ "policy": document::canonical(&cx.resolved(&plan.policy)) }),
        EndpointPart::RouteTables => json!({ "route tables": route_tables(cx, plan) }),
    }
}

pub(super) async fn read(
    cx: &Context<'_>,
    plan: &EndpointPlan,
    part: EndpointPart,
) -> Result<Found, CallError> {
    let Some(vpc) = &cx.known.vpc else {
        return Ok(Found::Foreign(
            "neither network.vpc nor a cluster that can be asked for its VPC: declare one, or make the cluster first"
                .to_owned(),
        ));
    };
    let found = find_endpoint(cx, vpc, &plan.service).await?;
    Ok(match (part, found) {
        (EndpointPart::Itself, None) if plan.mode == EndpointMode::Adopt => Found::Foreign(format!(
            "{vpc} has no S3 gateway endpoint to adopt: set network.endpoint to ensure, and one is made"
        )),
        (_, None) => Found::Absent,
        (EndpointPart::Itself, Some(found)) if plan.mode == EndpointMode::Ensure && !found.ours => {
            Found::Foreign(format!(
                "{vpc} already has the S3 gateway endpoint {}, which is not ours: set network.endpoint to adopt or verify",
                found.id
            ))
        }
        (EndpointPart::Itself, Some(_)) => Found::Present(wanted(cx, plan, EndpointPart::Itself)),
        (EndpointPart::Policy, Some(found)) => {
            let policy = found.policy.as_deref().map(document::parse);
            Found::Present(json!({ "policy": policy }))
        }
        (EndpointPart::RouteTables, Some(found)) => {
            let mut tied = route_tables(cx, plan);
            tied.retain(|table| found.route_tables.contains(table));
            Found::Present(json!({ "route tables": tied }))
        }
    })
}

pub(super) async fn write(
    cx: &Context<'_>,
    plan: &EndpointPlan,
    part: EndpointPart,
) -> Result<(), CallError> {
    let Some(vpc) = &cx.known.vpc else { return Ok(()) };
    let ec2 = &cx.account.ec2;
    let policy = cx.resolved(&plan.policy).to_string();
    let Some(found) = find_endpoint(cx, vpc, &plan.service).await? else {
        let tags = cx.desired.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::VpcEndpoint)
            .set_tags(Some(tags.collect()));
        let sent = ec2
            .create_vpc_endpoint()
            .vpc_id(vpc)
            .service_name(&plan.service)
            .vpc_endpoint_type(VpcEndpointType::Gateway)
            .policy_document(policy)
            .set_route_table_ids(Some(route_tables(cx, plan)))
            .tag_specifications(tags.build());
        return sent.send().await.map(drop).map_err(failed("ec2:CreateVpcEndpoint", vpc));
    };
    let sent = ec2.modify_vpc_endpoint().vpc_endpoint_id(&found.id);
    let sent = match part {
        EndpointPart::Itself => return Ok(()),
        EndpointPart::Policy => sent.policy_document(policy),
        EndpointPart::RouteTables => {
            let mut missing = route_tables(cx, plan);
            missing.retain(|table| !found.route_tables.contains(table));
            sent.set_add_route_table_ids(Some(missing))
        }
    };
    sent.send().await.map(drop).map_err(failed("ec2:ModifyVpcEndpoint", &found.id))
}

pub(super) fn wanted_pod_identity(association: &PodIdentityAssociation) -> Value {
    json!({ "role": association.role })
}

async fn association(
    cx: &Context<'_>,
    wanted: &PodIdentityAssociation,
) -> Result<Option<(String, aws_sdk_eks::types::PodIdentityAssociation)>, CallError> {
    let (eks, cluster) = (&cx.account.eks, &wanted.cluster);
    let asked = eks.list_pod_identity_associations().cluster_name(cluster);
    let asked = asked.namespace(&wanted.namespace).service_account(&wanted.service_account).send().await;
    let answer = optional(
        asked.map_err(failed("eks:ListPodIdentityAssociations", cluster)),
        &["ResourceNotFoundException"],
    )?;
    let first = answer.and_then(|answer| answer.associations).and_then(|all| all.into_iter().next());
    let Some(id) = first.and_then(|association| association.association_id) else { return Ok(None) };
    let asked =
        eks.describe_pod_identity_association().cluster_name(cluster).association_id(&id).send().await;
    let answer = asked.map_err(failed("eks:DescribePodIdentityAssociation", &id))?;
    Ok(answer.association.map(|association| (id, association)))
}

pub(super) async fn read_pod_identity(
    cx: &Context<'_>,
    wanted: &PodIdentityAssociation,
) -> Result<Found, CallError> {
    let Some((_, found)) = association(cx, wanted).await? else { return Ok(Found::Absent) };
    if found.tags.unwrap_or_default().get(OWNER_TAG).map(String::as_str) != Some(cx.desired.name.as_str()) {
        return Ok(Found::Foreign(super::untagged(cx)));
    }
    Ok(Found::Present(json!({ "role": found.role_arn })))
}

pub(super) async fn write_pod_identity(
    cx: &Context<'_>,
    wanted: &PodIdentityAssociation,
) -> Result<(), CallError> {
    let (eks, cluster) = (&cx.account.eks, &wanted.cluster);
    if let Some((id, _)) = association(cx, wanted).await? {
        let sent = eks.update_pod_identity_association().cluster_name(cluster).association_id(&id);
        let sent = sent.role_arn(&wanted.role).send().await;
        return sent.map(drop).map_err(failed("eks:UpdatePodIdentityAssociation", id));
    }
    let tags = cx.desired.tags.clone().into_iter().collect();
    let sent = eks
        .create_pod_identity_association()
        .cluster_name(cluster)
        .namespace(&wanted.namespace)
        .service_account(&wanted.service_account)
        .role_arn(&wanted.role)
        .set_tags(Some(tags));
    sent.send().await.map(drop).map_err(failed("eks:CreatePodIdentityAssociation", cluster))
}

pub(super) async fn remove_pod_identity(
    cx: &Context<'_>,
    wanted: &PodIdentityAssociation,
) -> Result<(), CallError> {
    let Some((id, _)) = association(cx, wanted).await? else { return Ok(()) };
    let sent = cx.account.eks.delete_pod_identity_association().cluster_name(&wanted.cluster);
    let sent = sent.association_id(&id).send().await;
    sent.map(drop).map_err(failed("eks:DeletePodIdentityAssociation", id))
}
