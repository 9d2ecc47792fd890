//! Floor 1: may they. Grants on one side, the accesses of a request on the other, a [`Permitted`] or a [`Denial`]
//! out. Pure: no IO, no clock, no environment.
//!
//! A [`Policy`] is compiled once from the configuration; [`Policy::entitle`] narrows it once per connection to what
//! concerns one identity, so that a request is checked against a handful of rules however many grants there are.

mod decide;
mod grant;
mod pattern;
mod template;

pub use decide::{Denial, Entitlements, Permitted};
pub use grant::{Effect, Grant, Policy};
pub use pattern::{ActionPattern, BucketPattern, IdentityPattern, PatternError};
pub use template::{PrefixTemplate, TemplateError};
