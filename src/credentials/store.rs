//! The credentials in use, kept fresh by one background task.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use aws_credential_types::provider::error::CredentialsError;
use rand::Rng;

use super::source::Source;
use crate::process::{Pending, Readiness};
use crate::sigv4::SigningCredentials;
use crate::telemetry::Metrics;

/// There are no valid credentials: nothing is sent, and never anything unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no valid credentials")]
pub struct Unavailable;

/// The current credentials. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CredentialStore(Arc<ArcSwapOption<SigningCredentials>>);

/// Refreshed this long before they expire, less up to a tenth, so that replicas do not ask all at once.
const REFRESH_BEFORE: Duration = Duration::from_mins(5);
/// A source that hangs must not end the refreshing.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

impl CredentialStore {
    /// What a request is to be signed with at `now`.
    pub fn current(&self, now: SystemTime) -> Result<Arc<SigningCredentials>, Unavailable> {
        self.0.load_full().filter(|credentials| credentials.is_valid(now)).ok_or(Unavailable)
    }

    /// Loads and refreshes until it is dropped. Without valid credentials the process is not ready.
    pub async fn keep_fresh(self, mut source: Source, metrics: Metrics, readiness: Readiness) {
        let unready = || readiness.pending("credentials");
        let mut pending = Some(unready());
        let mut retry = FIRST_RETRY;
        loop {
            let loaded = tokio::time::timeout(LOAD_TIMEOUT, source.load()).await;
            let loaded = loaded.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(LOAD_TIMEOUT)));
            let pause = match loaded {
                Ok(credentials) => {
                    metrics.credential_loads.with_label_values(&["ok"]).inc();
                    retry = FIRST_RETRY;
                    self.publish(credentials, &metrics, &mut pending).or(source.reread_every())
                }
                Err(error) => {
                    metrics.credential_loads.with_label_values(&["error"]).inc();
                    tracing::error!(error = chain(&error), retry_in = ?retry, "credentials cannot be loaded");
                    let pause = retry;
                    retry = (retry * 2).min(LAST_RETRY);
                    if self.current(SystemTime::now()).is_err() {
                        pending.get_or_insert_with(unready);
                    }
                    Some(pause)
                }
            };
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Makes them current and says when to refresh them.
    fn publish(
        &self,
        credentials: SigningCredentials,
        metrics: &Metrics,
        pending: &mut Option<Pending>,
    ) -> Option<Duration> {
        let now = SystemTime::now();
        let expires = credentials.expires();
        let changed = self.0.load().as_ref().is_none_or(|old| {
            old.access_key_id() != credentials.access_key_id() || old.expires() != credentials.expires()
        });
        if changed {
            tracing::info!(access_key_id = credentials.access_key_id(), "credentials loaded");
        }
        let since_epoch = expires.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        metrics.credentials_expiry.set(since_epoch.map_or(0.0, |at| at.as_secs_f64()));
        self.0.store(Some(Arc::new(credentials)));
        *pending = None;
        let left = expires?.duration_since(now).unwrap_or_default();
        let early = REFRESH_BEFORE.mul_f64(rand::rng().random_range(0.9..=1.0));
        // A source may give the same credentials again until shortly before they expire: not to be asked all the time.
        Some(left.saturating_sub(early).max(LAST_RETRY.min(left)).max(FIRST_RETRY))
    }
}

/// The error and its causes; the providers put no secret into them.
fn chain(error: &CredentialsError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
