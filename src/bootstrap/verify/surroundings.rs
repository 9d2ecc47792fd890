//! What the controls rest on and no setting of ours says: where buckets lie, where nodes run, who confirmed a
//! subscription, which events any trail records.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, RouteTable};
use serde_json::{Value, json};

use super::read::allowed;
use crate::bootstrap::account::{CallError, failed, optional};
use crate::bootstrap::context::Context;
use crate::bootstrap::settings::bucket_region;

/// Each as it was read, or why it could not be.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The region of each bucket that is there, by the bucket's name.
    pub regions: BTreeMap<String, Result<String, String>>,
    /// The cluster's managed node groups; `None` where there is no such cluster.
    pub nodes: Result<Option<Vec<NodeGroup>>, String>,
    /// Of the alerts' topic; `None` where there is none.
    pub subscriptions: Result<Option<Subscriptions>, String>,
    /// Of every trail; read only where a bucket's deletions are declared as critical.
    pub trails: Result<Vec<TrailSelectors>, String>,
}

/// A managed node group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeGroup {
    /// Its name.
    pub name: String,
    /// Fewest nodes.
    pub min: i32,
    /// Most nodes.
    pub max: i32,
    /// The ways out of its subnets.
    pub ways: BTreeSet<Way>,
}

/// The default route of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// An internet gateway: the subnet is public.
    Internet,
    /// A NAT gateway.
    Nat,
    /// A transit gateway or something else that is private.
    Private,
    /// None.
    None,
}

/// Who gets the alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subscriptions {
    /// Confirmed.
    pub confirmed: usize,
    /// Not yet.
    pub pending: usize,
}

/// The events that a trail records, basic and advanced selectors as the API writes them.
#[derive(Debug, Clone, PartialEq)]
pub struct TrailSelectors {
    /// Its ARN.
    pub trail: String,
    /// `{ "Type", "Values", "ReadWriteType" }` of basic selectors.
    pub basic: Vec<Value>,
    /// Lists of `{ "Field", "Equals", "StartsWith" }` of advanced ones.
    pub advanced: Vec<Value>,
}

pub(super) async fn look(cx: &Context<'_>) -> Result<Surroundings, CallError> {
    let mut regions = BTreeMap::new();
    for bucket in &cx.desired.buckets {
        match bucket_region(cx, &bucket.name).await {
            Err(error) if error.code() == "NoSuchBucket" => {}
            other => {
                regions.insert(bucket.name.clone(), allowed(other)?);
            }
        }
    }
    let is_watched = cx.desired.buckets.iter().any(|bucket| !bucket.alert_deletes.is_empty());
    Ok(Surroundings {
        regions,
        nodes: allowed(nodes(cx).await)?,
        subscriptions: allowed(subscriptions(cx).await)?,
        trails: if is_watched { allowed(trails(cx).await)? } else { Ok(Vec::new()) },
    })
}

async fn nodes(cx: &Context<'_>) -> Result<Option<Vec<NodeGroup>>, CallError> {
    let (eks, cluster) = (&cx.account.eks, &cx.desired.cluster.name);
    let asked = eks.list_nodegroups().cluster_name(cluster).send().await;
    let asked = asked.map_err(failed("eks:ListNodegroups", cluster));
    let Some(answer) = optional(asked, &["ResourceNotFoundException"])? else { return Ok(None) };
    let tables = route_tables(cx).await?;
    let mut groups = Vec::new();
    for name in answer.nodegroups.unwrap_or_default() {
        let asked = eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(&name).send().await;
        let group = asked.map_err(failed("eks:DescribeNodegroup", &name))?.nodegroup;
        let scaling = group.as_ref().and_then(|group| group.scaling_config.as_ref());
        let subnets = group.as_ref().map_or(&[][..], |group| group.subnets());
        groups.push(NodeGroup {
            min: scaling.and_then(|scaling| scaling.min_size).unwrap_or(0),
            max: scaling.and_then(|scaling| scaling.max_size).unwrap_or(0),
            ways: subnets.iter().map(|subnet| way(subnet, &tables)).collect(),
            name,
        });
    }
    Ok(Some(groups))
}

async fn route_tables(cx: &Context<'_>) -> Result<Vec<RouteTable>, CallError> {
    let Some(vpc) = &cx.known.vpc else { return Ok(Vec::new()) };
    let of_vpc = Filter::builder().name("vpc-id").values(vpc).build();
    let asked = cx.account.ec2.describe_route_tables().filters(of_vpc).into_paginator().items().send();
    let all = asked.try_collect().await;
    all.map_err(failed("ec2:DescribeRouteTables", vpc))
}

/// A subnet without a table of its own has the VPC's main one.
fn way(subnet: &str, tables: &[RouteTable]) -> Way {
    let of = |table: &&RouteTable| table.associations().iter().any(|it| it.subnet_id() == Some(subnet));
    let main = |table: &&RouteTable| table.associations().iter().any(|it| it.main == Some(true));
    let table = tables.iter().find(of).or_else(|| tables.iter().find(main));
    let default = table.and_then(|table| {
        let everywhere = |route: &&aws_sdk_ec2::types::Route| {
            route.destination_cidr_block() == Some("0.0.0.0/0")
                || route.destination_ipv6_cidr_block() == Some("::/0") && route.gateway_id().is_some()
        };
        table.routes().iter().find(everywhere)
    });
    match default {
        None => Way::None,
        Some(route) if route.gateway_id().is_some_and(|id| id.starts_with("igw-")) => Way::Internet,
        Some(route) if route.nat_gateway_id().is_some() => Way::Nat,
        Some(_) => Way::Private,
    }
}

async fn subscriptions(cx: &Context<'_>) -> Result<Option<Subscriptions>, CallError> {
    let Some(topic) = &cx.desired.topic else { return Ok(None) };
    let (call, arn) = ("sns:ListSubscriptionsByTopic", topic.arn());
    let mut pages =
        cx.account.sns.list_subscriptions_by_topic().topic_arn(arn).into_paginator().items().send();
    let mut found = Subscriptions::default();
    while let Some(next) = pages.next().await {
        match next.map_err(failed(call, arn)) {
            Ok(subscription)
                if subscription.subscription_arn().is_some_and(|arn| arn.starts_with("arn:")) =>
            {
                found.confirmed += 1;
            }
            Ok(_) => found.pending += 1,
            Err(error) if error.code().starts_with("NotFound") => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(found))
}

async fn trails(cx: &Context<'_>) -> Result<Vec<TrailSelectors>, CallError> {
    let cloudtrail = &cx.account.cloudtrail;
    let asked = cloudtrail.describe_trails().send().await;
    let answer = asked.map_err(failed("cloudtrail:DescribeTrails", "the account"))?;
    let mut all = Vec::new();
    for trail in answer.trail_list.unwrap_or_default().into_iter().filter_map(|trail| trail.trail_arn) {
        let asked = cloudtrail.get_event_selectors().trail_name(&trail).send().await;
        let answer = asked.map_err(failed("cloudtrail:GetEventSelectors", &trail))?;
        let basic = answer.event_selectors().iter().flat_map(|selector| {
            let kind = selector.read_write_type().map(|kind| kind.as_str().to_owned());
            selector.data_resources().iter().map(move |resource| {
                json!({ "Type": resource.r#type(), "Values": resource.values(), "ReadWriteType": kind })
            })
        });
        let advanced = answer.advanced_event_selectors().iter().map(|selector| {
            let field = |field: &aws_sdk_cloudtrail::types::AdvancedFieldSelector| {
                json!({ "Field": field.field(), "Equals": field.equals(), "StartsWith": field.starts_with() })
            };
            selector.field_selectors().iter().map(field).collect::<Value>()
        });
        all.push(TrailSelectors { basic: basic.collect(), advanced: advanced.collect(), trail });
    }
    Ok(all)
}
