//! The guardrail on Object Lock: how long new objects must be kept, and that nothing ends it early.

use time::{Duration, OffsetDateTime};

use super::guardrails::{Additions, Breach, Guardrail, date};
use crate::s3::{Action, ActionSet, Asked, LockMode, Operation};

/// What every new object must be locked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredRetention {
    /// The weakest mode that will do.
    pub mode: LockMode,
    /// Days from now at the least.
    pub min_days: u32,
    /// Whether the proxy adds the headers that a client leaves out, rather than refuse.
    pub add_if_missing: bool,
}

/// The guardrail.
#[derive(Debug, Clone, Default)]
pub struct ObjectLock {
    /// What is required, if anything.
    pub require: Option<RequiredRetention>,
    /// Refuses to end governance-mode retention early.
    pub deny_governance_bypass: bool,
    /// Refuses to delete versions, and with it the lock's bucket-wide settings.
    pub deny_version_delete: bool,
}

/// As far as S3 lets clocks differ: a client that asks for exactly the days required is not late by its clock.
const CLOCKS_DIFFER: Duration = Duration::minutes(15);

impl ObjectLock {
    /// Whether the proxy may add a retention, for which S3 asks an action of whoever signs.
    pub(super) fn adds_retention(&self) -> bool {
        self.require.is_some_and(|required| required.add_if_missing)
    }

    pub(super) fn refused_actions(&self) -> ActionSet {
        let mut refused = ActionSet::default();
        if self.deny_governance_bypass {
            refused = refused.with(Action::BypassGovernanceRetention);
        }
        if self.deny_version_delete {
            refused = refused.with(Action::DeleteObjectVersion);
        }
        if self.require.is_some() || self.deny_version_delete {
            refused = refused.with(Action::PutBucketObjectLockConfiguration);
        }
        refused
    }

    pub(super) fn check(
        &self,
        asked: &Asked,
        now: OffsetDateTime,
        additions: &mut Additions,
    ) -> Result<(), Breach> {
        let creates = asked.operation().creates_object();
        let Some(required) =
            self.require.filter(|_| creates || asked.operation() == Operation::PutObjectRetention)
        else {
            return Ok(());
        };
        let days = Duration::days(i64::from(required.min_days));
        match asked.retention() {
            Some(stated) if stated.mode >= required.mode && stated.until >= now + days - CLOCKS_DIFFER => {
                Ok(())
            }
            None if creates && required.add_if_missing => {
                additions.push("x-amz-object-lock-mode", required.mode.as_str())?;
                Ok(additions.push("x-amz-object-lock-retain-until-date", &date(now + days))?)
            }
            _ => Err(Breach::new(
                Guardrail::ObjectLock,
                format!("the retention must be {} for at least {} days", required.mode, required.min_days),
            )),
        }
    }
}
