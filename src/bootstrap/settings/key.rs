//! The deployment's KMS key. It is found by its alias, or, when an apply was stopped before it made the alias, by its tag.

use aws_sdk_kms::types::{KeyState, Tag};
use serde_json::{Value, json};

use super::Found;
use crate::bootstrap::account::{CallError, built, failed, optional};
use crate::bootstrap::context::{Context, KeyFound};
use crate::bootstrap::document;
use crate::spec::{DesiredKey, Fact, OWNER_TAG};

/// What of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart {
    /// That it is there, enabled, ours.
    Itself,
    /// Its alias.
    Alias,
    /// Its policy.
    Policy,
    /// Yearly rotation.
    Rotation,
}

/// KMS knows one policy of a key, by this name.
const POLICY: &str = "default";

/// The key of an alias, or one that carries our tag and no alias yet.
pub(in crate::bootstrap) async fn find(
    cx: &Context<'_>,
    key: &DesiredKey,
) -> Result<Option<KeyFound>, CallError> {
    let kms = &cx.account.kms;
    let asked = kms.describe_key().key_id(&key.alias).send().await;
    let answer = optional(asked.map_err(failed("kms:DescribeKey", &key.alias)), &["NotFoundException"])?;
    let found = match answer.and_then(|answer| answer.key_metadata) {
        Some(metadata) => Some((metadata, true)),
        None => tagged(cx).await?.map(|metadata| (metadata, false)),
    };
    let Some((metadata, has_alias)) = found else { return Ok(None) };
    let id = metadata.key_id;
    let foreign = has_alias && !is_ours(cx, &id).await?;
    Ok(Some(KeyFound {
        arn: metadata.arn.unwrap_or_default(),
        has_alias,
        foreign,
        state: metadata.key_state.map_or_else(String::new, |state| state.as_str().to_owned()),
        id,
    }))
}

async fn is_ours(cx: &Context<'_>, id: &str) -> Result<bool, CallError> {
    let asked = cx.account.kms.list_resource_tags().key_id(id).send().await;
    let tags = asked.map_err(failed("kms:ListResourceTags", id))?.tags.unwrap_or_default();
    Ok(tags.iter().any(|tag| tag.tag_key == OWNER_TAG && tag.tag_value == cx.desired.name.as_str()))
}

async fn tagged(cx: &Context<'_>) -> Result<Option<aws_sdk_kms::types::KeyMetadata>, CallError> {
    let kms = &cx.account.kms;
    let mut pages = kms.list_keys().into_paginator().items().send();
    while let Some(key) = pages.next().await {
        let id = key.map_err(failed("kms:ListKeys", "the account"))?.key_id.unwrap_or_default();
        // Somebody else's key may forbid to look; then it is not ours.
        if !is_ours(cx, &id).await.unwrap_or(false) {
            continue;
        }
        let asked = kms.describe_key().key_id(&id).send().await;
        let metadata = asked.map_err(failed("kms:DescribeKey", &id))?.key_metadata;
        let alive = |it: &aws_sdk_kms::types::KeyMetadata| {
            !matches!(it.key_state, Some(KeyState::PendingDeletion | KeyState::Unavailable))
        };
        if let Some(metadata) = metadata.filter(alive) {
            return Ok(Some(metadata));
        }
    }
    Ok(None)
}

pub(super) fn wanted(cx: &Context<'_>, key: &DesiredKey, part: KeyPart) -> Value {
    match part {
        KeyPart::Itself => json!({ "state": "Enabled" }),
        KeyPart::Alias => json!({ "alias": key.alias, "key": Fact::KeyArn.to_string() }),
        KeyPart::Policy => json!({ "policy": document::canonical(&cx.resolved(&key.policy)) }),
        KeyPart::Rotation => json!({ "rotation": true }),
    }
}

pub(super) async fn read(cx: &Context<'_>, key: &DesiredKey, part: KeyPart) -> Result<Found, CallError> {
    let Some(found) = find(cx, key).await? else { return Ok(Found::Absent) };
    let kms = &cx.account.kms;
    Ok(match part {
        KeyPart::Itself if found.foreign => Found::Foreign(super::untagged(cx)),
        KeyPart::Itself if found.state == KeyState::PendingDeletion.as_str() => Found::Foreign(format!(
            "the key is scheduled for deletion: cancel that first (aws kms cancel-key-deletion --key-id {})",
            found.id
        )),
        KeyPart::Itself => Found::Present(json!({ "state": found.state })),
        KeyPart::Alias if found.has_alias => Found::Present(json!({ "alias": key.alias, "key": found.arn })),
        KeyPart::Alias => Found::Absent,
        KeyPart::Policy => {
            let asked = kms.get_key_policy().key_id(&found.id).policy_name(POLICY).send().await;
            let text = asked.map_err(failed("kms:GetKeyPolicy", &found.id))?.policy.unwrap_or_default();
            Found::Present(json!({ "policy": document::parse(&text) }))
        }
        KeyPart::Rotation => {
            let asked = kms.get_key_rotation_status().key_id(&found.id).send().await;
            let answer = asked.map_err(failed("kms:GetKeyRotationStatus", &found.id))?;
            Found::Present(json!({ "rotation": answer.key_rotation_enabled }))
        }
    })
}

pub(super) async fn write(cx: &Context<'_>, key: &DesiredKey, part: KeyPart) -> Result<(), CallError> {
    let kms = &cx.account.kms;
    let policy = || cx.resolved(&key.policy).to_string();
    let Some(found) = find(cx, key).await? else {
        if part != KeyPart::Itself {
            // What has just been made is not found everywhere yet: a second key would be made here.
            return Err(CallError::Refused {
                call: "kms:DescribeKey",
                resource: key.alias.clone(),
                code: "NotFoundException".to_owned(),
                message: "the key is not found".to_owned(),
                request_id: "without an ID".to_owned(),
            });
        }
        let call = "kms:CreateKey";
        let tag = |(key, value): (&String, &String)| Tag::builder().tag_key(key).tag_value(value).build();
        let tags = cx.desired.tags.iter().map(tag).collect::<Result<_, _>>();
        let sent = kms.create_key().description(&key.description).policy(policy());
        let sent = sent.set_tags(Some(tags.map_err(built(call, &key.alias))?)).send().await;
        return sent.map(drop).map_err(failed(call, &key.alias));
    };
    match part {
        KeyPart::Itself => {
            let sent = kms.enable_key().key_id(&found.id).send().await;
            sent.map(drop).map_err(failed("kms:EnableKey", &found.id))
        }
        KeyPart::Alias => {
            let sent = kms.create_alias().alias_name(&key.alias).target_key_id(&found.id).send().await;
            sent.map(drop).map_err(failed("kms:CreateAlias", &key.alias))
        }
        KeyPart::Policy => {
            let sent =
                kms.put_key_policy().key_id(&found.id).policy_name(POLICY).policy(policy()).send().await;
            sent.map(drop).map_err(failed("kms:PutKeyPolicy", &found.id))
        }
        KeyPart::Rotation => {
            let sent = kms.enable_key_rotation().key_id(&found.id).send().await;
            sent.map(drop).map_err(failed("kms:EnableKeyRotation", &found.id))
        }
    }
}
