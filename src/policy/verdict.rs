//! The whole decision, guardrails first and then grants, in one place for everybody who has to decide.

use std::time::SystemTime;

use http::HeaderMap;

use super::decide::{Denial, Entitlements, Permitted};
use super::grant::Policy;
use super::guardrails::{Additions, Breach};
use crate::s3::{Asked, Refusal, Unread};

/// What stops a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A guardrail, whatever is granted.
    Guardrail(Breach),
    /// No grant allows it, or one denies it.
    Grant(Denial),
}

impl Stop {
    /// What the client is told.
    pub fn to_refusal(&self) -> Refusal {
        match self {
            Self::Guardrail(breach) => breach.to_refusal(),
            Self::Grant(denial) => denial.to_refusal(),
        }
    }

    /// The guardrail or grant that decided, as the log names it; `None` where simply nothing allows it.
    pub fn decided_by(&self) -> Option<&str> {
        match self {
            Self::Guardrail(breach) => Some(breach.guardrail.label()),
            Self::Grant(denial) => denial.denied_by.as_deref(),
        }
    }
}

impl Policy {
    /// Whether a request might be allowed, whatever its body says: asked before the body is read.
    pub fn precheck(
        &self,
        entitlements: &Entitlements,
        unread: &Unread,
        headers: &HeaderMap,
    ) -> Result<(), Stop> {
        let breach = self.guardrails().check_actions(unread.operation(), unread.actions(), headers);
        breach.map_err(Stop::Guardrail)?;
        entitlements.precheck(unread).map_err(Stop::Grant)
    }

    /// Decides a request of which everything is known, for the identity of the entitlements.
    pub fn decide(
        &self,
        entitlements: &Entitlements,
        asked: Asked,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<(Permitted, Additions), Stop> {
        let additions = self.guardrails().check(&asked, headers, now).map_err(Stop::Guardrail)?;
        let permitted = entitlements.authorize(asked).map_err(Stop::Grant)?;
        Ok((permitted, additions))
    }
}
