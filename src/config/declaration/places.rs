//! The declaration's cluster, network, access, alerts and account-wide parts.

use super::super::reader::Section;
use super::some_list;
use super::words::{
    BucketPattern, Cidr, ClusterName, Day, Email, EndpointId, InstanceType, Issuer, KubernetesVersion,
    LogGroup, PrincipalArn, Reason, RouteTableId, SourceCidr, TopicArn, VpcId,
};
use crate::spec::{
    Access, AccountWide, Alerts, Cluster, Duty, EndpointMode, Network, NewCluster, NewNetwork, NewNetworkNat,
    RouteTables, TopicChoice, Waiver, Word,
};

pub(super) fn cluster(root: &Section<'_>, deployment: Option<&Word>) -> Option<Cluster> {
    let own_name = || deployment.map(ToString::to_string);
    if root.says("cluster", "create") {
        let name = own_name()?;
        return Some(Cluster { name, issuer: None, region: None, create: Some(NewCluster::default()) });
    }
    let section = root.section("cluster");
    let create = section.part("create").as_ref().map(new_cluster);
    let name = match (&create, section.has("name")) {
        (Some(_), false) => own_name(),
        _ => section.required::<ClusterName>("name", "the EKS cluster's name").map(|name| name.0),
    };
    let issuer = section.optional::<Issuer>("issuer").map(|issuer| issuer.0);
    let region = section.optional("region");
    Some(Cluster { name: name?, issuer, region, create })
}

fn new_cluster(section: &Section<'_>) -> NewCluster {
    let base = NewCluster::default();
    let version = section.optional::<KubernetesVersion>("version").map_or(base.version, |version| version.0);
    let instance_type =
        section.optional::<InstanceType>("instance_type").map_or(base.instance_type, |kind| kind.0);
    let (min_nodes, max_nodes) =
        (section.or("min_nodes", base.min_nodes), section.or("max_nodes", base.max_nodes));
    if min_nodes == 0 || max_nodes < min_nodes || max_nodes > 450 {
        section.problem("max_nodes", "must be at least min_nodes, which is at least 1, and at most 450");
    }
    let from = some_list::<SourceCidr>(section, "public_access_from");
    let public_access_from = from.into_iter().map(|range| range.0).collect();
    NewCluster { version, instance_type, min_nodes, max_nodes, public_access_from }
}

pub(super) fn network(root: &Section<'_>) -> Network {
    if root.says("network", "create") {
        return Network { create: Some(NewNetwork::default()), ..Network::default() };
    }
    let section = root.section("network");
    let modes =
        [("ensure", EndpointMode::Ensure), ("adopt", EndpointMode::Adopt), ("verify", EndpointMode::Verify)];
    let route_tables = if !section.has("route_tables") || section.says("route_tables", "private") {
        RouteTables::Private
    } else {
        let listed = some_list::<RouteTableId>(&section, "route_tables");
        RouteTables::Listed(listed.into_iter().map(|id| id.0).collect())
    };
    let others = some_list::<BucketPattern>(&section, "other_buckets");
    Network {
        vpc: section.optional::<VpcId>("vpc").map(|id| id.0),
        endpoint: section.one_of("endpoint", &modes).unwrap_or(EndpointMode::Ensure),
        route_tables,
        other_buckets: others.into_iter().map(|name| name.0).collect(),
        create: if section.says("create", "true") {
            Some(NewNetwork::default())
        } else {
            section.part("create").as_ref().map(new_network)
        },
    }
}

fn new_network(section: &Section<'_>) -> NewNetwork {
    let base = NewNetwork::default();
    let zones = section.or("zones", base.zones);
    if !(2..=3).contains(&zones) {
        section.problem("zones", "must be 2 or 3: EKS asks for two, and more cost more than they give");
    }
    let gateways = [("single", NewNetworkNat::Single), ("per-zone", NewNetworkNat::PerZone)];
    NewNetwork {
        cidr: section.optional::<Cidr>("cidr").map_or(base.cidr, |range| range.0),
        zones,
        nat: section.one_of("nat", &gateways).unwrap_or(base.nat),
    }
}

pub(super) fn access(section: &Section<'_>) -> Option<Access> {
    let endpoints: Vec<String> = section
        .list::<EndpointId>("vpc_endpoints")
        .map_or_else(|| vec!["auto".to_owned()], |ids| ids.into_iter().map(|id| id.0).collect());
    let (own, others): (Vec<String>, Vec<String>) = endpoints.into_iter().partition(|id| id == "auto");
    let break_glass: Option<PrincipalArn> = section.required(
        "break_glass",
        "a role that is never locked out, such as arn:aws:iam::123456789012:role/admin",
    );
    let principals = some_list::<PrincipalArn>(section, "principals");
    Some(Access {
        vpc_endpoints: others,
        own_endpoint: !own.is_empty(),
        break_glass: break_glass?.0,
        principals: principals.into_iter().map(|arn| arn.0).collect(),
    })
}

pub(super) fn alerts(section: &Section<'_>) -> Alerts {
    let topic = if section.says("sns", "create") || !section.has("sns") {
        TopicChoice::Create
    } else if section.says("sns", "off") {
        TopicChoice::Off
    } else {
        section.optional::<TopicArn>("sns").map_or(TopicChoice::Off, |arn| TopicChoice::Given(arn.0))
    };
    if section.has("on") && !section.says("on", "default") {
        section.problem(
            "on",
            "only 'default' is known: every critical change; alert_deletes of a bucket adds deletions",
        );
    }
    let email = some_list::<Email>(section, "email");
    Alerts {
        topic,
        email: email.into_iter().map(|address| address.0).collect(),
        log_group: section.optional::<LogGroup>("log_group").map(|group| group.0),
    }
}

pub(super) fn account_wide(section: &Section<'_>) -> AccountWide {
    let duties = [("verify", Duty::Verify), ("manage", Duty::Manage)];
    let duty = |key| section.one_of(key, &duties).unwrap_or(Duty::Verify);
    AccountWide {
        public_access_block: duty("public_access_block"),
        trail: duty("trail"),
        oidc_provider: duty("oidc_provider"),
    }
}

pub(super) fn waivers(root: &Section<'_>) -> Vec<Waiver> {
    root.sections("waivers").iter().filter_map(waiver).collect()
}

fn waiver(section: &Section<'_>) -> Option<Waiver> {
    let control: Option<String> = section.required("control", "which control, such as versioning or S3.14");
    let bucket = section.optional("bucket");
    let reason: Option<Reason> = section.required("reason", "why it is set aside");
    let owner: Option<Reason> = section.optional("owner");
    let until: Option<Day> = section.required("until", "the last day on which it counts, such as 2027-06-30");
    let owner = owner.map(|owner| owner.0);
    Some(Waiver { control: control?, bucket, reason: reason?.0, owner, until: until?.0 })
}
