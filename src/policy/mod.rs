//! Floor 1: may they. Grants on one side, the accesses of a request on the other, a [`Permitted`] or a [`Denial`]
//! out. Pure: no IO, no clock, no environment.
//!
//! A [`Policy`] is compiled once from the configuration; [`Policy::entitle`] narrows it once per connection to what
//! concerns one identity, so that a request is checked against a handful of rules however many grants there are.

mod attribution;
mod decide;
mod grant;
mod pattern;
mod role;
mod session;
mod template;

pub use attribution::{session_name, session_tags};
pub use decide::{Denial, Entitlements, Permitted};
pub use grant::{Effect, Grant, Policy};
pub use pattern::{ActionPattern, BucketPattern, IdentityPattern, PatternError};
pub use role::{RoleArn, RoleError, RolePattern};
pub use session::{Acting, Persona, SessionPolicy, SeveralRoles};
pub use template::{PrefixTemplate, TemplateError};
