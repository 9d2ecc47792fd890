//! What `apply` would do, decided once: a step for each setting that is not as it should be, with what it was found to
//! be. Carrying a plan out leaves nothing to decide; what has changed in between stops it.

mod price;
mod show;

use std::collections::HashSet;

use serde_json::Value;

pub use price::Cost;
use price::estimate;
pub(super) use show::{fields, short, verb};

use super::account::CallError;
use super::context::Context;
use super::difference::Difference;
use super::items::Item;
use super::settings::{BucketPart, EndpointPart, Found, KeyPart, Setting};
use super::survey::{Observed, survey};
use crate::spec::{Desired, Duty, Fact, RetentionChoice};

/// Everything that differs, and what is done about it.
#[derive(Debug)]
pub struct Plan<'d> {
    pub(super) desired: &'d Desired,
    pub(super) caller: String,
    /// In the order in which they are done.
    pub steps: Vec<Step<'d>>,
    /// What stands in the way; with one of these nothing is done.
    pub refused: Vec<Refused>,
    /// What has to hold and is somebody else's to change.
    pub outside: Vec<Observed<'d>>,
    /// What is as it should be.
    pub kept: Vec<String>,
    /// What the deployment costs a month.
    pub costs: Vec<Cost>,
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Of which setting.
    pub id: String,
    /// Why, and what to do.
    pub why: String,
}

/// One call, or the few that belong together.
#[derive(Debug, Clone)]
pub struct Step<'d> {
    /// What is written.
    pub item: Item<'d>,
    /// What it was found to be.
    pub found: Found,
    /// What it becomes; marks in it are facts that an earlier step makes known.
    pub wanted: Value,
    /// Field by field.
    pub differences: Vec<Difference>,
    /// What comes into being in the same call.
    pub along: Vec<Observed<'d>>,
    /// How it could be undone.
    pub undo: Undo,
}

/// How a step can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// By another step.
    Freely,
    /// Not entirely: why.
    Partly(&'static str),
    /// Never: it has to be confirmed for this bucket and retention.
    Never {
        /// The bucket's name.
        bucket: String,
        /// Its retention.
        retention: RetentionChoice,
    },
}

impl<'d> Plan<'d> {
    /// Looks at the account and compares.
    pub async fn make(cx: &Context<'d>) -> Result<Self, CallError> {
        let observed = survey(cx).await?;
        Ok(Self::compare(cx.desired, cx.account.caller.clone(), observed))
    }

    fn compare(desired: &'d Desired, caller: String, observed: Vec<Observed<'d>>) -> Self {
        let mut plan = Self {
            desired,
            caller,
            steps: Vec::new(),
            refused: Vec::new(),
            outside: Vec::new(),
            kept: Vec::new(),
            costs: estimate(desired),
        };
        let created: HashSet<_> = observed
            .iter()
            .filter(|it| it.item.is_resource() && it.item.duty == Duty::Manage && it.found == Found::Absent)
            .map(|it| it.item.resource)
            .collect();
        for one in observed {
            plan.place(one, &created);
        }
        plan.refuse_unknown();
        plan
    }

    /// A step that needs a fact which nothing before it makes known would write the mark that stands for it.
    fn refuse_unknown(&mut self) {
        for (fact, what) in [
            (Fact::KeyArn, "the ARN of the KMS key"),
            (Fact::EndpointId, "the ID of the S3 gateway endpoint"),
            (Fact::OidcIssuer, "the cluster's OIDC issuer"),
        ] {
            let makes = |step: &Step<'_>| match fact {
                Fact::KeyArn => matches!(step.item.setting, Setting::Key(_, KeyPart::Itself)),
                Fact::EndpointId => matches!(step.item.setting, Setting::Endpoint(_, EndpointPart::Itself)),
                Fact::OidcIssuer => false,
            };
            if self.steps.iter().any(makes) {
                continue;
            }
            let mark = fact.to_string();
            let along = |step: &Step<'_>| step.along.iter().any(|one| one.wanted.to_string().contains(&mark));
            let needs = |step: &&Step<'_>| step.wanted.to_string().contains(&mark) || along(step);
            let why = format!("needs {what}, which is not there: make it first, or let this program make it");
            let refused: Vec<_> = self.steps.iter().filter(needs).map(|step| step.item.id()).collect();
            self.refused.extend(refused.into_iter().map(|id| Refused { id, why: why.clone() }));
        }
    }

    fn place(&mut self, one: Observed<'d>, created: &HashSet<(&'static str, &'d str)>) {
        let item = one.item;
        let is_new = created.contains(&item.resource);
        // A new resource has none of what nobody wants of it.
        if item.duty == Duty::Verify && is_new {
            return;
        }
        if one.holds() {
            return self.kept.push(item.id());
        }
        match (&one.found, item.duty) {
            (Found::Foreign(why), Duty::Manage) => {
                self.refused.push(Refused { id: item.id(), why: why.clone() });
            }
            (_, Duty::Verify) => self.outside.push(one),
            (Found::Present(found), _) if let Some(why) = shortened(&one, found) => {
                self.refused.push(Refused { id: item.id(), why });
            }
            _ if self.is_refused(item.resource) => {}
            _ if is_new && item.made_along => {
                let made =
                    |step: &&mut Step<'_>| step.item.resource == item.resource && step.item.is_resource();
                if let Some(step) = self.steps.iter_mut().find(made) {
                    step.along.push(one);
                }
            }
            _ => self.steps.push(step(one)),
        }
    }

    fn is_refused(&self, (kind, name): (&str, &str)) -> bool {
        self.refused.iter().any(|refused| refused.id == format!("{kind} {name}"))
    }

    /// Whether there is nothing to do, for this program or for anybody else.
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.refused.is_empty() && self.outside.is_empty()
    }

    /// Steps that have to be confirmed one by one.
    pub fn irreversible(&self) -> impl Iterator<Item = (&str, RetentionChoice)> {
        self.steps.iter().filter_map(|step| match &step.undo {
            Undo::Never { bucket, retention } => Some((bucket.as_str(), *retention)),
            Undo::Freely | Undo::Partly(_) => None,
        })
    }
}

fn step(one: Observed<'_>) -> Step<'_> {
    let differences = one.differences();
    let undo = undo(&one);
    Step { item: one.item, found: one.found, wanted: one.wanted, differences, along: Vec::new(), undo }
}

fn undo(one: &Observed<'_>) -> Undo {
    match one.item.setting {
        Setting::Bucket(bucket, BucketPart::Itself | BucketPart::ObjectLock) => match bucket.object_lock {
            Some(retention) => Undo::Never { bucket: bucket.name.clone(), retention },
            None => Undo::Freely,
        },
        Setting::Bucket(_, BucketPart::Versioning) => {
            Undo::Partly("versioning can be suspended later, never turned off; versions stay and cost")
        }
        Setting::Key(_, KeyPart::Itself) => Undo::Partly(
            "a key cannot be deleted at once: 7 to 30 days pass, and it costs until it is scheduled",
        ),
        _ => Undo::Freely,
    }
}

/// Why a retention that is there must not be replaced by what is wanted: it is only ever lengthened.
fn shortened(one: &Observed<'_>, found: &Value) -> Option<String> {
    let Setting::Bucket(_, BucketPart::ObjectLock) = one.item.setting else { return None };
    let days = |value: &Value| value["days"].as_i64().unwrap_or(0);
    let weaker = found["mode"] == "COMPLIANCE" && one.wanted["mode"] != "COMPLIANCE";
    (weaker || days(found) > days(&one.wanted)).then(|| {
        format!(
            "the bucket's default retention is {} for {} days, and it is only ever lengthened: declare at least that",
            found["mode"].as_str().unwrap_or("none"),
            days(found)
        )
    })
}
