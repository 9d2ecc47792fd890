//! The EKS cluster, where it is made: nodes in private subnets, in a group that scales between bounds.
//!
//! The group's bounds are for the cluster autoscaler, whose role is here too; the autoscaler itself is installed with
//! Helm, as everything inside of the cluster.

use serde_json::{Value, json};

use super::{Template, attribute, reference};
use crate::spec::{NewCluster, Service};

pub(super) fn write(template: &mut Template<'_>) {
    let Some(cluster) = template.desired.cluster.create.clone() else { return };
    roles(template);
    let zones = template.desired.network.create.as_ref().map_or(0, |network| network.zones);
    let private: Vec<Value> = (0..zones).map(|zone| reference(&format!("PrivateSubnet{zone}"))).collect();
    control_plane(template, &cluster, &private);
    nodes(template, &cluster, &private);
    for addon in ["coredns", "eks-pod-identity-agent", "kube-proxy", "vpc-cni"] {
        let properties =
            json!({ "ClusterName": reference("Cluster"), "AddonName": addon, "Tags": template.own_tags() });
        let id = super::logical("Addon", addon);
        template.resource(&id, "EKS::Addon", properties);
        // Pods of an add-on need a node to run on; the network's own is needed by the nodes.
        if addon == "coredns" {
            template.after(&id, vec!["Nodes".to_owned()]);
        }
    }
    autoscaler(template);
    template.output("ClusterName", "The EKS cluster", reference("Cluster"));
}

fn control_plane(template: &mut Template<'_>, cluster: &NewCluster, private: &[Value]) {
    let public = !cluster.public_access_from.is_empty();
    let mut network = json!({
        "SubnetIds": private,
        "EndpointPrivateAccess": true,
        "EndpointPublicAccess": public,
    });
    if public {
        network["PublicAccessCidrs"] = cluster.public_access_from.clone().into();
    }
    let logs = ["api", "audit", "authenticator", "controllerManager", "scheduler"];
    let logs: Vec<Value> = logs.iter().map(|kind| json!({ "Type": kind })).collect();
    let mut properties = json!({
        "Name": template.desired.cluster.name,
        "Version": cluster.version,
        "RoleArn": attribute("ClusterRole", "Arn"),
        "ResourcesVpcConfig": network,
        "AccessConfig": { "AuthenticationMode": "API", "BootstrapClusterCreatorAdminPermissions": true },
        "Logging": { "ClusterLogging": { "EnabledTypes": logs } },
        "Tags": template.own_tags(),
    });
    secrets_key(template);
    let provider = json!({ "KeyArn": attribute("ClusterKey", "Arn") });
    properties["EncryptionConfig"] = json!([{ "Provider": provider, "Resources": ["secrets"] }]);
    template.resource("Cluster", "EKS::Cluster", properties);
}

/// A key of the cluster's own: its secrets must outlive the deployment's data, and be read by nobody who reads that.
fn secrets_key(template: &mut Template<'_>) {
    let desired = template.desired;
    let root = format!("arn:{}:iam::{}:root", desired.partition, desired.account);
    let account = json!({ "Sid": "Account", "Effect": "Allow", "Principal": { "AWS": root }, "Action": "kms:*", "Resource": "*" });
    let properties = json!({
        "Description": format!("Secrets of the cluster {}", desired.cluster.name),
        "EnableKeyRotation": true,
        "KeyPolicy": { "Version": "2012-10-17", "Statement": [account] },
        // Without the deployment's tag, by which it would be taken for the key of the data.
        "Tags": [{ "Key": "Name", "Value": format!("{}-secrets", desired.cluster.name) }],
    });
    template.resource("ClusterKey", "KMS::Key", properties);
    template.keep("ClusterKey");
}

fn nodes(template: &mut Template<'_>, cluster: &NewCluster, private: &[Value]) {
    let image =
        if is_arm(&cluster.instance_type) { "AL2023_ARM_64_STANDARD" } else { "AL2023_x86_64_STANDARD" };
    // One hop: the node's own role stays out of the reach of pods.
    let launch = json!({ "LaunchTemplateData": {
        "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 1 },
        "BlockDeviceMappings": [
            { "DeviceName": "/dev/xvda", "Ebs": { "Encrypted": true, "VolumeType": "gp3", "VolumeSize": 50 } }
        ],
    }});
    template.resource("NodeTemplate", "EC2::LaunchTemplate", launch);
    let discovery = format!("k8s.io/cluster-autoscaler/{}", template.desired.cluster.name);
    let mut tags = json!({ "k8s.io/cluster-autoscaler/enabled": "true", discovery: "owned" });
    for (key, value) in &template.desired.tags {
        tags[key] = value.as_str().into();
    }
    let properties = json!({
        "ClusterName": reference("Cluster"),
        "NodeRole": attribute("NodeRole", "Arn"),
        "Subnets": private,
        "InstanceTypes": [cluster.instance_type],
        "AmiType": image,
        "LaunchTemplate": { "Id": reference("NodeTemplate"), "Version": attribute("NodeTemplate", "LatestVersionNumber") },
        "ScalingConfig": { "MinSize": cluster.min_nodes, "DesiredSize": cluster.min_nodes, "MaxSize": cluster.max_nodes },
        "UpdateConfig": { "MaxUnavailable": 1 },
        "Tags": tags,
    });
    template.resource("Nodes", "EKS::Nodegroup", properties);
    let zones = private.len();
    let mut needed: Vec<String> = (0..zones).map(|zone| format!("PrivateRoute{zone}")).collect();
    needed.extend(["AddonVpcCni".to_owned(), "S3Endpoint".to_owned()]);
    template.after("Nodes", needed);
}

/// Graviton families have a `g` behind their generation.
fn is_arm(instance_type: &str) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    let behind = family
        .trim_start_matches(|c: char| c.is_ascii_lowercase())
        .trim_start_matches(|c: char| c.is_ascii_digit());
    behind.starts_with('g')
}

fn roles(template: &mut Template<'_>) {
    let partition = template.desired.partition;
    let managed = |name: &str| format!("arn:{partition}:iam::aws:policy/{name}");
    let trust = |service: Service, actions: Value| {
        json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "Service": service.principal(partition) }, "Action": actions }
        ]})
    };
    let cluster = json!({
        "AssumeRolePolicyDocument": trust(Service::Eks, "sts:AssumeRole".into()),
        "ManagedPolicyArns": [managed("AmazonEKSClusterPolicy")],
        "Tags": template.own_tags(),
    });
    let node_policies =
        ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy"]
            .map(managed);
    let node = json!({
        "AssumeRolePolicyDocument": trust(Service::Ec2, "sts:AssumeRole".into()),
        "ManagedPolicyArns": node_policies,
        "Tags": template.own_tags(),
    });
    template.resource("ClusterRole", "IAM::Role", cluster);
    template.resource("NodeRole", "IAM::Role", node);
}

/// Source: the cluster autoscaler's documentation, "Full Cluster Autoscaler Features Policy", confined by its tag.
fn autoscaler(template: &mut Template<'_>) {
    let cluster = &template.desired.cluster.name;
    let tag = format!("aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}");
    let looks = [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeLaunchConfigurations",
        "autoscaling:DescribeScalingActivities",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:GetInstanceTypesFromInstanceRequirements",
        "eks:DescribeNodegroup",
    ];
    let document = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": looks, "Resource": "*" },
        {
            "Effect": "Allow",
            "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
            "Resource": "*",
            "Condition": { "StringEquals": { tag: "owned" } },
        },
    ]});
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": Service::EksPods.principal(template.desired.partition) },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": { "StringEquals": {
            "aws:SourceAccount": template.desired.account.as_str(),
            "aws:RequestTag/kubernetes-namespace": "kube-system",
            "aws:RequestTag/kubernetes-service-account": "cluster-autoscaler",
        }},
    }]});
    let role = json!({
        "AssumeRolePolicyDocument": trust,
        "Policies": [{ "PolicyName": "scale", "PolicyDocument": document }],
        "Tags": template.own_tags(),
    });
    let association = json!({
        "ClusterName": reference("Cluster"),
        "Namespace": "kube-system",
        "ServiceAccount": "cluster-autoscaler",
        "RoleArn": attribute("AutoscalerRole", "Arn"),
    });
    template.resource("AutoscalerRole", "IAM::Role", role);
    template.resource("AutoscalerPodIdentity", "EKS::PodIdentityAssociation", association);
}
