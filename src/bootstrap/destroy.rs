//! Takes away what a deployment made, as far as that loses nothing: only what carries its tag, no bucket that holds
//! anything or that is locked, no key that a bucket still needs, nothing account-wide.

use std::fmt;

use serde_json::{Value, json};

use super::account::CallError;
use super::context::Context;
use super::items::Item;
use super::journal::Journal;
use super::patience::Patience;
use super::settings::{Found, KeyPart, Setting, removal};
use super::survey::survey;
use super::{ApplyError, Lease};
use crate::spec::Duty;

/// What goes and what stays.
#[derive(Debug)]
pub struct Removal<'d> {
    /// What is taken away, in order: what refers to others first.
    pub goes: Vec<Item<'d>>,
    /// What stays although the declaration names it, and why.
    pub stays: Vec<(String, String)>,
    key_is_asked_for: bool,
}

impl<'d> Removal<'d> {
    /// Looks at what there is. The key goes only where that is `asked` for: what was encrypted with it may lie in a bucket that is
    /// no longer declared, or anywhere else, and is lost with it.
    pub async fn make(cx: &Context<'d>, key_is_asked_for: bool) -> Result<Self, CallError> {
        let mut removal = Self { goes: Vec::new(), stays: Vec::new(), key_is_asked_for };
        for one in survey(cx).await?.into_iter().rev().filter(|one| one.item.is_resource()) {
            let item = one.item;
            match &one.found {
                Found::Absent => {}
                Found::Foreign(_) => removal.keep(&item, "it does not carry the deployment's tag"),
                Found::Present(_) if item.duty == Duty::Verify => removal.keep(&item, "it is only looked at"),
                Found::Present(_) => removal.place(cx, item).await?,
            }
        }
        Ok(removal)
    }

    async fn place(&mut self, cx: &Context<'d>, item: Item<'d>) -> Result<(), CallError> {
        let why = match item.setting {
            Setting::Key(_, KeyPart::Itself)
                if self.stays.iter().any(|(id, _)| id.starts_with("bucket ")) =>
            {
                Some("a bucket stays, and its objects cannot be read without the key")
            }
            Setting::Key(_, KeyPart::Itself) if !self.key_is_asked_for => Some(
                "whatever was ever encrypted with it would be lost, in buckets that are no longer declared too: --delete-key, \
                 if nothing is left",
            ),
            Setting::Endpoint(plan, _) if plan.mode == crate::spec::EndpointMode::Adopt => {
                Some("it was adopted, not made")
            }
            Setting::Oidc(_) => Some("other workloads of the cluster may use it"),
            _ => removal::stays(cx, &item).await?,
        };
        match why {
            Some(why) => self.keep(&item, why),
            None => self.goes.push(item),
        }
        Ok(())
    }

    fn keep(&mut self, item: &Item<'_>, why: &str) {
        self.stays.push((item.id(), why.to_owned()));
    }

    /// The same for machines.
    pub fn to_json(&self) -> Value {
        json!({
            "goes": self.goes.iter().map(Item::id).collect::<Vec<_>>(),
            "stays": self.stays.iter().map(|(id, why)| json!({ "id": id, "why": why })).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Removal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, item) in self.goes.iter().enumerate() {
            writeln!(f, "{:>3} - {}", at + 1, item.id())?;
            if matches!(item.setting, Setting::Key(..)) {
                writeln!(
                    f,
                    "      scheduled for deletion in {} days, until then it can be cancelled",
                    removal::KEY_DAYS
                )?;
            }
        }
        for (id, why) in &self.stays {
            writeln!(f, "    = {id} stays: {why}")?;
        }
        writeln!(f, "\n{} to take away, {} stay", self.goes.len(), self.stays.len())
    }
}

/// Takes away what goes. Each is looked at again before: a bucket may have got an object since.
pub async fn destroy<'d>(
    cx: &Context<'d>,
    plan: &Removal<'d>,
    lease: &mut Lease<'_>,
    journal: &mut Journal,
    patience: Patience,
    mut progress: impl FnMut(usize, &Item<'d>),
) -> Result<(), ApplyError> {
    journal.write("begin", json!({ "removals": plan.goes.len(), "lease": lease.generation() }))?;
    let mut bucket_stays = false;
    for (at, item) in plan.goes.iter().enumerate() {
        progress(at, item);
        lease.check().await?;
        journal.write("step", json!({ "id": item.id(), "action": "delete" }))?;
        let looked = if bucket_stays && matches!(item.setting, Setting::Key(..)) {
            Ok(Some("a bucket has got something since, and its objects cannot be read without the key"))
        } else {
            removal::stays(cx, item).await
        };
        let done = match looked {
            Ok(None) => patience.while_refused(async || Box::pin(removal::remove(cx, item)).await).await,
            Ok(Some(why)) => {
                bucket_stays |= matches!(item.setting, Setting::Bucket(..));
                journal.write("done", json!({ "id": item.id(), "result": "stays", "why": why }))?;
                continue;
            }
            Err(error) => Err(error),
        };
        let (result, error) = match &done {
            Ok(_) => ("deleted", Value::Null),
            Err(error) => ("failed", error.to_string().into()),
        };
        journal.write("done", json!({ "id": item.id(), "result": result, "error": error }))?;
        done.map_err(|error| ApplyError::Step { done: at + 1, all: plan.goes.len(), id: item.id(), error })?;
    }
    journal.write("end", json!({}))?;
    Ok(())
}
