//! IAM: managed policies, roles, and the cluster's OIDC provider.

use aws_sdk_iam::error::BuildError;
use aws_sdk_iam::types::Tag;
use serde_json::{Map, Value, json};

use super::Found;
use crate::bootstrap::account::{CallError, built, failed, optional};
use crate::bootstrap::context::Context;
use crate::bootstrap::document;
use crate::spec::{ManagedPolicy, OWNER_TAG, OidcProvider, Role};

/// What of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolePart {
    /// That it is there, and ours.
    Itself,
    /// Who may assume it.
    Trust,
    /// Its permissions boundary.
    Boundary,
    /// Its inline policies: these and no other.
    Inline,
    /// Its managed policies: these and no other.
    Attached,
}

const ABSENT: &[&str] = &["NoSuchEntity", "NoSuchEntityException"];
/// Versions that a managed policy keeps. Source: IAM quotas.
const VERSIONS: usize = 5;

fn tags(cx: &Context<'_>) -> Result<Vec<Tag>, BuildError> {
    cx.desired.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn is_ours(cx: &Context<'_>, tags: &[Tag]) -> bool {
    tags.iter().any(|tag| tag.key == OWNER_TAG && tag.value == cx.desired.name.as_str())
}

pub(super) fn wanted_policy(cx: &Context<'_>, policy: &ManagedPolicy) -> Value {
    json!({ "policy": document::canonical(&cx.resolved(&policy.document)) })
}

pub(super) async fn read_policy(cx: &Context<'_>, policy: &ManagedPolicy) -> Result<Found, CallError> {
    let iam = &cx.account.iam;
    let asked = iam.get_policy().policy_arn(&policy.arn).send().await;
    let answer = optional(asked.map_err(failed("iam:GetPolicy", &policy.arn)), ABSENT)?;
    let Some(found) = answer.and_then(|answer| answer.policy) else { return Ok(Found::Absent) };
    // CloudFormation puts no tags on managed policies: one that it made is known by its description.
    let rendered = found.tags().is_empty() && found.description.as_ref() == Some(&policy.description);
    if !rendered && !is_ours(cx, found.tags()) {
        return Ok(Found::Foreign(super::untagged(cx)));
    }
    let version = found.default_version_id.unwrap_or_default();
    let asked = iam.get_policy_version().policy_arn(&policy.arn).version_id(version).send().await;
    let answer = asked.map_err(failed("iam:GetPolicyVersion", &policy.arn))?;
    let text = answer.policy_version.and_then(|version| version.document).unwrap_or_default();
    Ok(Found::Present(json!({ "policy": document::parse(&text) })))
}

/// A new policy, or a new default version of it; the oldest other version makes room.
pub(super) async fn write_policy(cx: &Context<'_>, policy: &ManagedPolicy) -> Result<(), CallError> {
    let (iam, arn) = (&cx.account.iam, &policy.arn);
    let text = cx.resolved(&policy.document).to_string();
    let asked = iam.list_policy_versions().policy_arn(arn).send().await;
    let Some(answer) = optional(asked.map_err(failed("iam:ListPolicyVersions", arn)), ABSENT)? else {
        let sent = iam.create_policy().policy_name(&policy.name).policy_document(text);
        let sent = sent.description(&policy.description);
        let sent = sent.set_tags(Some(tags(cx).map_err(built("iam:CreatePolicy", arn))?)).send().await;
        return sent.map(drop).map_err(failed("iam:CreatePolicy", arn));
    };
    let mut others: Vec<_> = answer.versions().iter().filter(|version| !version.is_default_version).collect();
    others.sort_by_key(|version| version.create_date);
    if let (true, Some(oldest)) = (answer.versions().len() >= VERSIONS, others.first()) {
        let sent =
            iam.delete_policy_version().policy_arn(arn).set_version_id(oldest.version_id.clone()).send();
        sent.await.map_err(failed("iam:DeletePolicyVersion", arn))?;
    }
    let sent = iam.create_policy_version().policy_arn(arn).policy_document(text).set_as_default(true);
    sent.send().await.map(drop).map_err(failed("iam:CreatePolicyVersion", arn))
}

pub(super) fn wanted_role(cx: &Context<'_>, role: &Role, part: RolePart) -> Value {
    match part {
        RolePart::Itself => json!({ "name": role.name }),
        RolePart::Trust => json!({ "policy": document::canonical(&cx.resolved(&role.trust)) }),
        RolePart::Boundary => json!({ "arn": role.boundary }),
        RolePart::Inline => role
            .inline
            .iter()
            .map(|policy| (policy.name.clone(), document::canonical(&cx.resolved(&policy.document))))
            .collect(),
        RolePart::Attached => {
            let mut attached = role.attached.clone();
            attached.sort_unstable();
            json!({ "policies": attached })
        }
    }
}

pub(super) async fn read_role(cx: &Context<'_>, role: &Role, part: RolePart) -> Result<Found, CallError> {
    let name = &role.name;
    let asked = cx.account.iam.get_role().role_name(name).send().await;
    let answer = optional(asked.map_err(failed("iam:GetRole", name)), ABSENT)?;
    let Some(found) = answer.and_then(|answer| answer.role) else { return Ok(Found::Absent) };
    Ok(match part {
        RolePart::Itself if !is_ours(cx, found.tags()) => Found::Foreign(super::untagged(cx)),
        RolePart::Itself => Found::Present(json!({ "name": found.role_name })),
        RolePart::Trust => {
            let text = found.assume_role_policy_document.unwrap_or_default();
            Found::Present(json!({ "policy": document::parse(&text) }))
        }
        RolePart::Boundary => {
            let arn = found.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn);
            Found::Present(json!({ "arn": arn }))
        }
        RolePart::Inline => Found::Present(inline(cx, name).await?),
        RolePart::Attached => Found::Present(json!({ "policies": attached(cx, name).await? })),
    })
}

pub(super) async fn inline_names(cx: &Context<'_>, name: &str) -> Result<Vec<String>, CallError> {
    let mut found = Vec::new();
    let mut pages = cx.account.iam.list_role_policies().role_name(name).into_paginator().items().send();
    while let Some(policy) = pages.next().await {
        found.push(policy.map_err(failed("iam:ListRolePolicies", name))?);
    }
    Ok(found)
}

async fn inline(cx: &Context<'_>, name: &str) -> Result<Value, CallError> {
    let iam = &cx.account.iam;
    let mut found = Map::new();
    for policy in inline_names(cx, name).await? {
        let asked = iam.get_role_policy().role_name(name).policy_name(&policy).send().await;
        let text = asked.map_err(failed("iam:GetRolePolicy", name))?.policy_document;
        found.insert(policy, document::parse(&text));
    }
    Ok(Value::Object(found))
}

pub(super) async fn attached(cx: &Context<'_>, name: &str) -> Result<Vec<String>, CallError> {
    let mut found = Vec::new();
    let mut pages =
        cx.account.iam.list_attached_role_policies().role_name(name).into_paginator().items().send();
    while let Some(policy) = pages.next().await {
        let policy = policy.map_err(failed("iam:ListAttachedRolePolicies", name))?;
        found.extend(policy.policy_arn);
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) async fn write_role(
    cx: &Context<'_>,
    role: &Role,
    part: RolePart,
    found: &Found,
) -> Result<(), CallError> {
    let (iam, name) = (&cx.account.iam, &role.name);
    match part {
        RolePart::Itself => {
            let sent = iam
                .create_role()
                .role_name(name)
                .description(&role.description)
                .assume_role_policy_document(cx.resolved(&role.trust).to_string())
                .set_permissions_boundary(role.boundary.clone())
                .set_tags(Some(tags(cx).map_err(built("iam:CreateRole", name))?));
            sent.send().await.map(drop).map_err(failed("iam:CreateRole", name))
        }
        RolePart::Trust => {
            let sent = iam.update_assume_role_policy().role_name(name);
            let sent = sent.policy_document(cx.resolved(&role.trust).to_string()).send().await;
            sent.map(drop).map_err(failed("iam:UpdateAssumeRolePolicy", name))
        }
        RolePart::Boundary => {
            let Some(arn) = &role.boundary else {
                let sent = iam.delete_role_permissions_boundary().role_name(name).send().await;
                return sent.map(drop).map_err(failed("iam:DeleteRolePermissionsBoundary", name));
            };
            let sent = iam.put_role_permissions_boundary().role_name(name).permissions_boundary(arn).send();
            sent.await.map(drop).map_err(failed("iam:PutRolePermissionsBoundary", name))
        }
        RolePart::Inline => write_inline(cx, role, found).await,
        RolePart::Attached => write_attached(cx, role).await,
    }
}

async fn write_inline(cx: &Context<'_>, role: &Role, found: &Found) -> Result<(), CallError> {
    let (iam, name) = (&cx.account.iam, &role.name);
    for policy in &role.inline {
        let document = cx.resolved(&policy.document);
        let is_so = |found: &Value| found[&policy.name] == document::canonical(&document);
        if found.value().is_some_and(is_so) {
            continue;
        }
        let text = document.to_string();
        let sent =
            iam.put_role_policy().role_name(name).policy_name(&policy.name).policy_document(text).send();
        sent.await.map_err(failed("iam:PutRolePolicy", name))?;
    }
    let declared = |name: &String| role.inline.iter().any(|policy| policy.name == *name);
    for other in inline_names(cx, name).await?.into_iter().filter(|name| !declared(name)) {
        let sent = iam.delete_role_policy().role_name(name).policy_name(other).send().await;
        sent.map_err(failed("iam:DeleteRolePolicy", name))?;
    }
    Ok(())
}

async fn write_attached(cx: &Context<'_>, role: &Role) -> Result<(), CallError> {
    let (iam, name) = (&cx.account.iam, &role.name);
    let found = attached(cx, name).await?;
    for arn in role.attached.iter().filter(|arn| !found.contains(arn)) {
        let sent = iam.attach_role_policy().role_name(name).policy_arn(arn).send().await;
        sent.map_err(failed("iam:AttachRolePolicy", name))?;
    }
    for arn in found.iter().filter(|arn| !role.attached.contains(arn)) {
        let sent = iam.detach_role_policy().role_name(name).policy_arn(arn).send().await;
        sent.map_err(failed("iam:DetachRolePolicy", name))?;
    }
    Ok(())
}

pub(super) fn wanted_oidc(provider: &OidcProvider) -> Value {
    json!({ "audiences": provider.audiences })
}

/// Audiences of others are kept.
pub(super) async fn read_oidc(cx: &Context<'_>, provider: &OidcProvider) -> Result<Found, CallError> {
    let arn = cx.resolved_text(&provider.arn);
    let asked = cx.account.iam.get_open_id_connect_provider().open_id_connect_provider_arn(&arn).send().await;
    let answer = optional(asked.map_err(failed("iam:GetOpenIDConnectProvider", &arn)), ABSENT)?;
    Ok(answer
        .map(|answer| {
            let found = answer.client_id_list.unwrap_or_default();
            let audiences: Vec<&String> = provider.audiences.iter().filter(|it| found.contains(it)).collect();
            json!({ "audiences": audiences })
        })
        .into())
}

pub(super) async fn write_oidc(
    cx: &Context<'_>,
    provider: &OidcProvider,
    found: &Found,
) -> Result<(), CallError> {
    let (iam, arn) = (&cx.account.iam, cx.resolved_text(&provider.arn));
    if matches!(found, Found::Absent) {
        let url = format!("https://{}", cx.resolved_text(&provider.issuer));
        let call = "iam:CreateOpenIDConnectProvider";
        let sent = iam.create_open_id_connect_provider().url(url);
        let sent = sent.set_client_id_list(Some(provider.audiences.clone()));
        let sent = sent.set_tags(Some(tags(cx).map_err(built(call, &arn))?)).send().await;
        return sent.map(drop).map_err(failed(call, arn));
    }
    for audience in &provider.audiences {
        let sent = iam.add_client_id_to_open_id_connect_provider().open_id_connect_provider_arn(&arn);
        let sent = sent.client_id(audience).send().await;
        sent.map_err(failed("iam:AddClientIDToOpenIDConnectProvider", &arn))?;
    }
    Ok(())
}
