//! Reads every setting, whoever made the resource that it is of, and goes on where a read is refused: that is evidence too.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::surroundings::{self, Surroundings};
use crate::bootstrap::account::{Account, CallError};
use crate::bootstrap::context::Context;
use crate::bootstrap::difference::{Difference, differences};
use crate::bootstrap::items::{Item, items};
use crate::bootstrap::settings::Found;
use crate::spec::Desired;

/// Reads that are under way at a time: well below what any of the services throttles.
const AT_A_TIME: usize = 8;

/// A setting as it was read, beside what it should be.
#[derive(Debug, Clone)]
pub struct Reading<'d> {
    /// Which.
    pub item: Item<'d>,
    /// What it should be.
    pub wanted: Value,
    /// What it is, or why that could not be read.
    pub found: Result<Found, String>,
}

impl Reading<'_> {
    /// Where it differs from what is wanted.
    pub fn differences(&self) -> Vec<Difference> {
        let found = self.found.as_ref().ok().and_then(Found::value);
        differences(found, Some(&self.wanted).filter(|wanted| !wanted.is_null()))
    }

    /// Whether it was read, and is as it should be.
    pub fn holds(&self) -> bool {
        matches!(self.found, Ok(Found::Absent | Found::Present(_))) && self.differences().is_empty()
    }

    /// The fields, where they could be read.
    pub fn value(&self) -> Option<&Value> {
        self.found.as_ref().ok().and_then(Found::value)
    }
}

/// Everything that was read of an account.
#[derive(Debug)]
pub struct Seen<'d> {
    /// Who read it.
    pub caller: String,
    /// Every setting of the declaration.
    pub readings: Vec<Reading<'d>>,
    /// What no setting of ours says.
    pub surroundings: Surroundings,
    /// What had to be known before anything else, and was refused.
    pub refused: Vec<String>,
}

/// Reads all of it. An error is that AWS did not answer; what it refused is told by the readings.
pub async fn look<'d>(account: &'d Account, desired: &'d Desired) -> Result<Seen<'d>, CallError> {
    let (cx, refused) = Context::look_as_far_as_allowed(account, desired).await?;
    let all = items(desired);
    let resources = read_all(&cx, all.iter().copied().filter(Item::is_resource)).await?;
    let absent = |reading: &&Reading<'_>| matches!(reading.found, Ok(Found::Absent));
    let absent: HashSet<_> = resources.iter().filter(absent).map(|reading| reading.item.resource).collect();
    let parts = all.iter().copied().filter(|item| !item.is_resource());
    let (gone, there): (Vec<_>, Vec<_>) = parts.partition(|item| absent.contains(&item.resource));
    let there = read_all(&cx, there.into_iter()).await?;
    let gone = gone.into_iter().map(|item| reading(&cx, item, Ok(Found::Absent)));
    Ok(Seen {
        caller: account.caller.clone(),
        readings: resources.into_iter().chain(there).chain(gone).collect(),
        surroundings: surroundings::look(&cx).await?,
        refused: refused.iter().map(ToString::to_string).collect(),
    })
}

async fn read_all<'d>(
    cx: &Context<'d>,
    items: impl Iterator<Item = Item<'d>>,
) -> Result<Vec<Reading<'d>>, CallError> {
    stream::iter(items.map(|item| read(cx, item))).buffered(AT_A_TIME).try_collect().await
}

async fn read<'d>(cx: &Context<'d>, item: Item<'d>) -> Result<Reading<'d>, CallError> {
    let found = allowed(Box::pin(item.setting.read(cx)).await)?;
    Ok(reading(cx, item, found))
}

fn reading<'d>(cx: &Context<'d>, item: Item<'d>, found: Result<Found, String>) -> Reading<'d> {
    Reading { item, wanted: item.setting.wanted(cx), found }
}

/// What AWS refused to say is an answer of its own.
pub(super) fn allowed<T>(result: Result<T, CallError>) -> Result<Result<T, String>, CallError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error @ CallError::Refused { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
