//! Floor 1: may they. Grants on one side, the accesses of a request on the other, a [`Permitted`] or a [`Denial`]
//! out. Pure: no IO, no clock, no environment.
//!
//! A [`Policy`] is compiled once from the configuration; [`Policy::entitle`] narrows it once per connection to what
//! concerns one identity, and indexes that by bucket and prefix, so that a request is checked against a handful of rules
//! however many grants there are.

mod attribution;
mod decide;
mod encryption;
mod grant;
mod guardrails;
mod index;
mod object_lock;
mod pattern;
mod review;
mod role;
mod roster;
mod session;
mod template;
mod verdict;

pub use attribution::{session_name, session_tags};
pub use decide::{Denial, Entitlements, Judgement, Permitted};
pub use encryption::{Algorithm, Encryption, RequiredEncryption};
pub use grant::{Effect, Grant, Policy};
pub use guardrails::{Additions, Breach, Guardrail, Guardrails, Stance};
pub use object_lock::{ObjectLock, RequiredRetention};
pub use pattern::{ActionPattern, BucketPattern, IdentityPattern, PatternError};
pub use review::review;
pub use role::{RoleArn, RoleError, RolePattern};
pub use session::{Acting, Persona, SessionPolicy, SeveralRoles};
pub use template::{PrefixTemplate, TemplateError};
pub use verdict::Stop;
