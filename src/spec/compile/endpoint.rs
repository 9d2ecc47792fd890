//! The S3 gateway endpoint and its policy, which holds for everything in the VPC and not only for our workloads.

use serde_json::json;

use super::frame::Frame;
use super::statement::{Statement, document};
use crate::spec::desired::EndpointPlan;
use crate::spec::partition::{Partition, Region};

pub(super) fn plan(frame: &Frame<'_>) -> EndpointPlan {
    let network = &frame.spec.network;
    let both = |name: &str| [frame.s3(name), frame.s3(&format!("{name}/*"))];
    let declared: Vec<String> = frame.buckets().flat_map(|(_, _, named)| both(named.name.as_str())).collect();
    let mut statements =
        vec![Statement::allow("DeclaredBuckets").anybody().actions("s3:*").on(declared).always()];
    let others: Vec<String> = network.other_buckets.iter().flat_map(|name| both(name)).collect();
    if !others.is_empty() {
        statements.push(Statement::allow("OtherBuckets").anybody().actions("s3:*").on(others).always());
    }
    statements
        .push(Statement::allow("ListBuckets").anybody().actions("s3:ListAllMyBuckets").on("*").always());
    let of_aws: Vec<String> =
        needed_by_aws(&frame.spec.region).iter().map(|name| frame.s3(&format!("{name}/*"))).collect();
    statements
        .push(Statement::allow("BucketsOfAws").anybody().actions("s3:GetObject").on(json!(of_aws)).always());
    EndpointPlan {
        service: Partition::endpoint_service(&frame.spec.region),
        mode: network.endpoint,
        route_tables: network.route_tables.clone(),
        policy: document(&statements),
    }
}

/// Buckets of AWS's own that nodes read: image layers, packages, the agent's documents. Without them a node of EKS cannot
/// pull an image.
///
/// Sources: Amazon ECR user guide, "Create the Amazon S3 gateway endpoint"; Systems Manager user guide, "SSM Agent
/// communications with AWS managed S3 buckets"; Amazon Linux user guides.
fn needed_by_aws(region: &Region) -> Vec<String> {
    vec![
        format!("prod-{region}-starport-layer-bucket"),
        format!("al2023-repos-{region}-*"),
        format!("amazonlinux-2-repos-{region}"),
        format!("amazon-ssm-{region}"),
        format!("amazon-ssm-packages-{region}"),
        format!("aws-ssm-{region}"),
        format!("aws-ssm-document-attachments-{region}"),
        format!("aws-patch-manager-{region}-*"),
        format!("patch-baseline-snapshot-{region}"),
        format!("{region}-birdwatcher-prod"),
    ]
}
