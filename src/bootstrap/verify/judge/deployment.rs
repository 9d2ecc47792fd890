//! The deployment once: who gets the alerts, where nodes run, whether everything is in one region.

use super::Case;
use crate::bootstrap::verify::{Ground, Subscriptions, Way};

impl Case<'_, '_> {
    pub(super) fn topic(&self) -> Vec<Ground> {
        let mut grounds = self.own();
        let (what, source) = ("subscribers of the alerts", "sns:ListSubscriptionsByTopic");
        grounds.push(match &self.seen.surroundings.subscriptions {
            _ if self.desired.topic.is_none() => Ground::fails(what, source, "alerts.sns is off"),
            Err(why) => Ground::unseen(what, source, why),
            Ok(None) => Ground::fails(what, source, "there is no topic"),
            Ok(Some(Subscriptions { confirmed, pending })) => {
                let said = format!("{confirmed} confirmed, {pending} not yet");
                Ground::if_holds(*confirmed > 0, what, source, said)
            }
        });
        grounds
    }

    pub(super) fn nodes(&self) -> Vec<Ground> {
        let (what, source) = ("node groups", "eks:DescribeNodegroup");
        let cluster = &self.desired.cluster.name;
        let groups = match &self.seen.surroundings.nodes {
            Err(why) => return vec![Ground::unseen(what, source, why)],
            Ok(None) => return vec![Ground::fails(what, source, format!("there is no cluster {cluster}"))],
            Ok(Some(groups)) => groups,
        };
        if groups.is_empty() {
            let said = format!("{cluster} has no managed node group; others cannot be seen here");
            return vec![Ground::fails(what, source, said)];
        }
        let judged = groups.iter().map(|group| {
            let what = format!("node group {}", group.name);
            let (min, max) = (group.min, group.max);
            let ways: Vec<&str> = group.ways.iter().map(|way| way_out(*way)).collect();
            let private = group.ways.iter().all(|way| matches!(way, Way::Nat | Way::Private));
            let holds = private && !ways.is_empty() && max > min;
            Ground::if_holds(holds, what, source, format!("{min} to {max} nodes, out by {}", ways.join(", ")))
        });
        judged.collect()
    }

    pub(super) fn regions(&self) -> Vec<Ground> {
        let wanted = self.desired.region.as_str();
        let mut grounds = Vec::new();
        for (name, region) in &self.seen.surroundings.regions {
            let what = format!("bucket {name}");
            grounds.push(match region {
                Err(why) => Ground::unseen(what, "s3:GetBucketLocation", why),
                Ok(region) => Ground::if_holds(region == wanted, what, "s3:GetBucketLocation", region),
            });
        }
        for (name, probed) in &self.probes.buckets {
            if let Some(region) = &probed.region {
                let said = format!("x-amz-bucket-region: {region}");
                grounds.push(Ground::if_holds(region == wanted, format!("bucket {name}"), "HEAD", said));
            }
        }
        let (what, source) = (format!("cluster {}", self.desired.cluster.name), "eks:ListNodegroups");
        grounds.push(match &self.seen.surroundings.nodes {
            Err(why) => Ground::unseen(what, source, why),
            Ok(None) => Ground::fails(what, source, format!("{wanted} has no cluster of this name")),
            Ok(Some(_)) => Ground::holds(what, source, wanted),
        });
        grounds
    }
}

fn way_out(way: Way) -> &'static str {
    match way {
        Way::Internet => "an internet gateway (public)",
        Way::Nat => "a NAT gateway",
        Way::Private => "a private way",
        Way::None => "no way",
    }
}
