//! What requests are signed with: the proxy's own credentials for everybody, or each client's session.

use std::sync::Arc;

use super::clock::Clock;
use super::sessions::{Means, NoSession, Sessions};
use super::source::Source;
use super::store::CredentialStore;
use super::sts::Sts;
use crate::config::{self, Config};
use crate::identity::ClientIdentity;
use crate::policy::{Acting, RoleArn, SeveralRoles};
use crate::process::Readiness;
use crate::sigv4::SigningCredentials;
use crate::telemetry::Metrics;

/// Why there is nothing to sign a request with: it is not sent, and never unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsignable {
    /// No valid credentials.
    #[error("there are no valid credentials")]
    Unavailable,
    /// STS gives no session for the identity, and waiting does not help.
    #[error("the identity gets no session of its role")]
    NoSession,
    /// One signature cannot be of two roles.
    #[error(transparent)]
    SeveralRoles(#[from] SeveralRoles),
}

/// Credentials by client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keyring {
    own: CredentialStore,
    sessions: Option<(RoleArn, Sessions)>,
    clock: Clock,
    sts: Sts,
    metrics: Metrics,
}

impl Keyring {
    /// Empty until [`keep_fresh`](Self::keep_fresh) runs.
    pub fn new(config: &Config, metrics: Metrics) -> Self {
        let clock = Clock::new(metrics.clone());
        let sts = Sts::new(config, clock.clone());
        let own = CredentialStore::default();
        let sessions = match &config.credentials.sessions {
            config::Sessions::Shared => None,
            config::Sessions::PerIdentity(settings) => {
                let means = Means {
                    settings: settings.clone(),
                    source: config.credentials.source.clone(),
                    base: own.clone(),
                    sts: sts.clone(),
                    clock: clock.clone(),
                    metrics: metrics.clone(),
                };
                Some((settings.role_arn.clone(), Sessions::new(means)))
            }
        };
        Self { own, sessions, clock, sts, metrics }
    }

    /// The time to sign with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What signs a client's request. Waits only for an identity's first session.
    pub async fn credentials(
        &self,
        identity: &ClientIdentity,
        label: &Arc<str>,
        acting: &Acting,
    ) -> Result<Arc<SigningCredentials>, Unsignable> {
        let Some((role, sessions)) = &self.sessions else {
            return self.own.current(self.clock.now()).ok_or(Unsignable::Unavailable);
        };
        let persona = acting.persona(role)?;
        sessions.credentials(identity, label, &persona).await.map_err(|why| match why {
            NoSession::Refused => Unsignable::NoSession,
            NoSession::Unavailable => Unsignable::Unavailable,
        })
    }

    /// Loads and refreshes the proxy's own credentials until it is dropped.
    pub async fn keep_fresh(self, config: Config, readiness: Readiness) {
        let source = Source::new(&config, self.sts);
        self.own.keep_fresh(source, self.clock, self.metrics, readiness).await;
    }
}
