//! A fresh look at every setting: first the resources, then what there is of those that are there.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::account::CallError;
use super::context::Context;
use super::difference::{Difference, differences};
use super::items::{Item, items};
use super::settings::Found;

/// Reads that are under way at a time: well below what any of the services throttles.
const AT_A_TIME: usize = 8;

/// A setting as it is beside what it should be.
#[derive(Debug, Clone)]
pub struct Observed<'d> {
    /// Which.
    pub item: Item<'d>,
    /// What it should be.
    pub wanted: Value,
    /// What it is.
    pub found: Found,
}

impl Observed<'_> {
    /// Where it differs; empty where it is as it should be.
    pub fn differences(&self) -> Vec<Difference> {
        differences(self.found.value(), Some(&self.wanted).filter(|wanted| !wanted.is_null()))
    }

    /// Whether it is as it should be.
    pub fn holds(&self) -> bool {
        !matches!(self.found, Found::Foreign(_)) && self.differences().is_empty()
    }
}

/// Reads every setting, in the order in which they are made. What belongs to a resource that is not there, or not ours,
/// is not asked for: it is absent.
pub async fn survey<'d>(cx: &Context<'d>) -> Result<Vec<Observed<'d>>, CallError> {
    let all = items(cx.desired);
    let resources = read_all(cx, all.iter().copied().filter(Item::is_resource)).await?;
    let missing: HashSet<_> = resources
        .iter()
        .filter(|observed| observed.found.value().is_none())
        .map(|observed| observed.item.resource)
        .collect();
    let (gone, there): (Vec<Item<'d>>, Vec<Item<'d>>) = all
        .iter()
        .filter(|item| !item.is_resource())
        .copied()
        .partition(|item| missing.contains(&item.resource));
    let gone = gone.into_iter().map(|item| observed(cx, item, Found::Absent));
    let there = read_all(cx, there.into_iter()).await?;
    let seen = resources.into_iter().chain(there).chain(gone);
    let mut by_id: HashMap<String, Observed<'d>> = seen.map(|it| (it.item.id(), it)).collect();
    Ok(all.iter().filter_map(|item| by_id.remove(&item.id())).collect())
}

async fn read_all<'d>(
    cx: &Context<'d>,
    items: impl Iterator<Item = Item<'d>>,
) -> Result<Vec<Observed<'d>>, CallError> {
    stream::iter(items.map(|item| observe(cx, item))).buffered(AT_A_TIME).try_collect().await
}

/// Reads one setting.
pub(super) async fn observe<'d>(cx: &Context<'d>, item: Item<'d>) -> Result<Observed<'d>, CallError> {
    let found = Box::pin(item.setting.read(cx)).await?;
    Ok(observed(cx, item, found))
}

fn observed<'d>(cx: &Context<'d>, item: Item<'d>, found: Found) -> Observed<'d> {
    Observed { item, wanted: item.setting.wanted(cx), found }
}
