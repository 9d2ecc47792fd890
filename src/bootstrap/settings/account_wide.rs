//! The account's public-access block: all four settings, for every bucket of the account.

use aws_sdk_s3control::types::PublicAccessBlockConfiguration;

use super::{Found, public_access_block};
use crate::bootstrap::account::{CallError, failed, optional};
use crate::bootstrap::context::Context;

pub(super) async fn read(cx: &Context<'_>) -> Result<Found, CallError> {
    let account = &cx.account.id;
    let asked = cx.account.s3control.get_public_access_block().account_id(account).send().await;
    let asked = asked.map_err(failed("s3:GetAccountPublicAccessBlock", account));
    let answer = optional(asked, &["NoSuchPublicAccessBlockConfiguration"])?;
    let block = answer.and_then(|answer| answer.public_access_block_configuration);
    Ok(block
        .map(|block| {
            public_access_block(
                block.block_public_acls,
                block.ignore_public_acls,
                block.block_public_policy,
                block.restrict_public_buckets,
            )
        })
        .into())
}

pub(super) async fn write(cx: &Context<'_>) -> Result<(), CallError> {
    let account = &cx.account.id;
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let sent = cx.account.s3control.put_public_access_block().account_id(account);
    let sent = sent.public_access_block_configuration(block).send().await;
    sent.map(drop).map_err(failed("s3:PutAccountPublicAccessBlock", account))
}
