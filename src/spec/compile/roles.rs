//! Roles: what a service account may, who may become it, and the boundary above them all.

use serde_json::{Value, json};

use super::frame::Frame;
use super::limits::{self, MAX_INLINE};
use super::statement::{Statement, document};
use super::trail;
use crate::s3::{Action, ActionSet, Resource};
use crate::spec::declared::{Bucket, IdentityKind, Workload};
use crate::spec::desired::{InlinePolicy, ManagedPolicy, Role, RoleKind};
use crate::spec::partition::Service;

/// Whom tokens of service accounts are for, in every partition.
pub(super) const AUDIENCE: &str = "sts.amazonaws.com";

/// What only `bootstrap` does: settings of buckets and of the account, ACLs, replication, and the ways around a lock.
pub fn settings() -> ActionSet {
    use Action::{
        BypassGovernanceRetention, InitiateReplication, ObjectOwnerOverrideToBucketOwner, PutObjectAcl,
        PutObjectVersionAcl, ReplicateDelete, ReplicateObject, ReplicateObjectAnnotation, ReplicateTags,
        UpdateObjectEncryption,
    };
    let changes = |action: Action| {
        let verb = action.as_str().trim_start_matches("s3:");
        let reads = verb.starts_with("Get") || verb.starts_with("List");
        action.resource() != Resource::Object && !reads
    };
    ActionSet::filter(changes).union(ActionSet::of(&[
        BypassGovernanceRetention,
        InitiateReplication,
        ObjectOwnerOverrideToBucketOwner,
        PutObjectAcl,
        PutObjectVersionAcl,
        ReplicateDelete,
        ReplicateObject,
        ReplicateObjectAnnotation,
        ReplicateTags,
        UpdateObjectEncryption,
    ]))
}

/// The same, as short as IAM can write it: a policy has a limit. A test compares the two.
pub(super) const SETTINGS: [&str; 20] = [
    "s3:AllowVended*",
    "s3:BypassGovernanceRetention",
    "s3:CreateBucket*",
    "s3:DeleteBucket*",
    "s3:InitiateReplication",
    "s3:ObjectOwnerOverride*",
    "s3:PauseReplication",
    "s3:Put*Configuration",
    "s3:PutAccount*",
    "s3:PutBucket*",
    "s3:PutObject*Acl",
    "s3:Replicate*",
    "s3:TagResource",
    "s3:UntagResource",
    "s3:UpdateBucket*",
    "s3:UpdateObjectEncryption",
    "s3:DeleteAccessPoint*",
    "s3:PutAccessPoint*",
    "s3:CreateAccessPoint*",
    "s3:PutAccelerate*",
];

/// Workloads' roles, replication's, the trail's; and managed policies for what is too long to be inline.
pub(super) fn all(frame: &Frame<'_>) -> (Vec<Role>, Vec<ManagedPolicy>) {
    let (mut roles, mut policies) = (Vec::new(), Vec::new());
    for workload in &frame.spec.workloads {
        let (role, split) = of_workload(frame, workload);
        roles.push(role);
        policies.extend(split);
    }
    let replicated = frame.buckets().filter(|(_, bucket, _)| bucket.replication.is_some());
    roles.extend(replicated.map(|(_, bucket, named)| of_replication(frame, bucket, named.name.as_str())));
    roles.extend(trail::log_role(frame));
    (roles, policies)
}

fn of_workload(frame: &Frame<'_>, workload: &Workload) -> (Role, Vec<ManagedPolicy>) {
    let name = frame.spec.role_name(workload);
    let mut statements = workload.granted.statements.clone();
    statements.extend(keys(frame, workload));
    let whole = document(&statements);
    let (mut inline, mut policies) = (Vec::new(), Vec::new());
    if limits::length(&whole) <= MAX_INLINE {
        inline.push(InlinePolicy { name: "grants".to_owned(), document: whole });
    } else {
        for (number, document) in limits::split(statements).into_iter().enumerate() {
            let name = format!("{name}-{}", number + 1);
            policies.push(ManagedPolicy {
                arn: frame.iam(&format!("policy/{name}")),
                description: format!("Grants of {}, part {}", frame.spec.role_name(workload), number + 1),
                name,
                document,
            });
        }
    }
    let role = Role {
        arn: frame.spec.role_arn(workload),
        kind: RoleKind::Workload {
            namespace: workload.namespace.clone(),
            service_account: workload.service_account.clone(),
        },
        description: format!("S3 access of {}/{}", workload.namespace, workload.service_account),
        trust: document(&trust(frame, workload)),
        inline,
        attached: policies.iter().map(|policy: &ManagedPolicy| policy.arn.clone()).collect(),
        boundary: Some(frame.iam(&format!("policy/{}", frame.boundary_name()))),
        name,
    };
    (role, policies)
}

/// Keys of the buckets that the grants reach, and those only by way of S3.
fn keys(frame: &Frame<'_>, workload: &Workload) -> Option<Value> {
    let reached = frame
        .buckets()
        .filter(|(_, _, named)| workload.granted.buckets.iter().any(|name| name == named.name.as_str()));
    let mut arns: Vec<String> = reached.filter_map(|(_, bucket, _)| Frame::key_arn(bucket)).collect();
    arns.sort();
    arns.dedup();
    let via = json!({ "StringEquals": { "kms:ViaService": via_s3(frame) } });
    (!arns.is_empty()).then(|| {
        Statement::allow("KeysByWayOfS3")
            .actions(json!(["kms:Decrypt", "kms:GenerateDataKey"]))
            .on(arns)
            .when(via)
    })
}

/// The condition key's value is the service's host name.
pub(super) fn via_s3(frame: &Frame<'_>) -> String {
    format!("s3.{}.{}", frame.spec.region, frame.partition.dns_suffix())
}

fn trust(frame: &Frame<'_>, workload: &Workload) -> Vec<Value> {
    let Workload { namespace, service_account, .. } = workload;
    match workload.identity {
        IdentityKind::Irsa => {
            let issuer = frame.issuer();
            let condition = json!({ "StringEquals": {
                format!("{issuer}:aud"): AUDIENCE,
                format!("{issuer}:sub"): format!("system:serviceaccount:{namespace}:{service_account}"),
            }});
            vec![
                Statement::allow("ServiceAccount")
                    .federated(frame.oidc_arn())
                    .actions("sts:AssumeRoleWithWebIdentity")
                    .when(condition),
            ]
        }
        IdentityKind::PodIdentity => {
            let condition = json!({
                "StringEquals": {
                    "aws:SourceAccount": frame.spec.account.as_str(),
                    "aws:RequestTag/eks-cluster-name": frame.spec.cluster.name,
                    "aws:RequestTag/kubernetes-namespace": namespace,
                    "aws:RequestTag/kubernetes-service-account": service_account,
                },
                "ArnEquals": { "aws:SourceArn": frame.arn("eks", &format!("cluster/{}", frame.spec.cluster.name)) },
            });
            vec![
                Statement::allow("ServiceAccount")
                    .service(frame.service(Service::EksPods))
                    .actions(json!(["sts:AssumeRole", "sts:TagSession"]))
                    .when(condition),
            ]
        }
    }
}

/// The cap on workloads' roles: the declared buckets and keys, no settings, nothing of IAM.
pub(super) fn boundary(frame: &Frame<'_>) -> ManagedPolicy {
    let name = frame.boundary_name();
    let buckets: Vec<String> = frame
        .buckets()
        .flat_map(|(_, _, named)| [frame.s3(named.name.as_str()), frame.s3(&format!("{}/*", named.name))])
        .collect();
    let mut keys: Vec<String> = frame.spec.buckets.iter().filter_map(Frame::key_arn).collect();
    keys.sort();
    keys.dedup();
    let mut statements = vec![Statement::allow("DeclaredBuckets").actions("s3:*").on(buckets).always()];
    if frame.spec.workloads.iter().any(|workload| workload.granted.lists_account) {
        statements.push(Statement::allow("ListBuckets").actions("s3:ListAllMyBuckets").on("*").always());
    }
    if !keys.is_empty() {
        let via = json!({ "StringEquals": { "kms:ViaService": via_s3(frame) } });
        let actions = json!(["kms:Decrypt", "kms:GenerateDataKey"]);
        statements.push(Statement::allow("DeclaredKeysByWayOfS3").actions(actions).on(keys).when(via));
    }
    let plain = json!({ "Bool": { "aws:SecureTransport": "false" } });
    statements.extend([
        Statement::deny("SettingsBelongToBootstrap").actions(json!(SETTINGS)).on("*").always(),
        Statement::deny("NothingOfIam").actions(json!(["iam:*", "organizations:*"])).on("*").always(),
        Statement::deny("NothingInTheClear").actions("s3:*").on("*").when(plain),
    ]);
    ManagedPolicy {
        arn: frame.iam(&format!("policy/{name}")),
        description: format!("The most that roles of {} can have", frame.spec.name),
        document: document(&statements),
        name,
    }
}

/// Source: Amazon S3 user guide, "Setting up permissions for live replication".
fn of_replication(frame: &Frame<'_>, bucket: &Bucket, name: &str) -> Role {
    let arn = frame.replication_role(bucket.name.base());
    let source = frame.s3(name);
    let (prefixes, target, target_key, region) = match &bucket.replication {
        Some(choice) => {
            (choice.prefixes.clone(), frame.s3(&choice.bucket), choice.key.clone(), Some(&choice.region))
        }
        None => (Vec::new(), String::new(), None, None),
    };
    let keys: Vec<String> = prefixes.iter().map(|prefix| format!("{source}/{prefix}*")).collect();
    let mut reads =
        vec!["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"];
    if bucket.object_lock.is_some() {
        reads.extend(["s3:GetObjectRetention", "s3:GetObjectLegalHold"]);
    }
    let mut statements = vec![
        Statement::allow("Configuration")
            .actions(json!(["s3:GetReplicationConfiguration", "s3:ListBucket"]))
            .on(source.as_str())
            .always(),
        Statement::allow("Source").actions(json!(reads)).on(keys).always(),
        Statement::allow("Replica")
            .actions(json!(["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]))
            .on(format!("{target}/*"))
            .always(),
    ];
    let via = |region: &str| json!({ "StringEquals": { "kms:ViaService": format!("s3.{region}.{}", frame.partition.dns_suffix()) } });
    if let Some(key) = Frame::key_arn(bucket) {
        let via = via(frame.spec.region.as_str());
        statements.push(Statement::allow("SourceKey").actions("kms:Decrypt").on(key).when(via));
    }
    if let (Some(key), Some(region)) = (target_key, region) {
        statements
            .push(Statement::allow("ReplicaKey").actions("kms:Encrypt").on(key).when(via(region.as_str())));
    }
    let trust = Statement::allow("S3")
        .service(frame.service(Service::S3))
        .actions("sts:AssumeRole")
        .when(json!({ "StringEquals": { "aws:SourceAccount": frame.spec.account.as_str(), "aws:SourceArn": source } }));
    Role {
        name: arn.rsplit('/').next().unwrap_or_default().to_owned(),
        kind: RoleKind::Replication { bucket: bucket.name.base().clone() },
        description: format!("Replication of {name}"),
        trust: document(&[trust]),
        inline: vec![InlinePolicy { name: "replicate".to_owned(), document: document(&statements) }],
        attached: Vec::new(),
        boundary: None,
        arn,
    }
}
