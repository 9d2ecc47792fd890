//! `proxy bootstrap`: the account side, reconciled. What is wanted is a [`Desired`](crate::spec::Desired); what is there
//! is read afresh every time, compared setting by setting, changed one call at a time, and read back. There is no state
//! file: things are found by their names and by the tag that says whose they are.

mod account;
mod apply;
mod context;
mod destroy;
mod difference;
mod document;
mod items;
mod journal;
mod lease;
mod patience;
mod plan;
mod settings;
mod survey;
mod verify;

pub use account::{Account, AccountError, CallError};
pub use apply::{ApplyError, apply};
pub use context::Context;
pub use destroy::{Removal, destroy};
pub use difference::Difference;
pub use items::Item;
pub use journal::Journal;
pub use lease::{Lease, LeaseError};
pub use patience::Patience;
pub use plan::{Cost, Plan, Refused, Step, Undo};
pub use settings::{Found, Setting};
pub use survey::{Observed, survey};
pub use verify::{
    Answer, Ground, Judgement, NodeGroup, Probed, Probes, Reading, Report, RequirementRow, Seen,
    Subscriptions, Surroundings, TrailSelectors, Verdict, WaiverState, Waiving, Way, look, probe,
};
