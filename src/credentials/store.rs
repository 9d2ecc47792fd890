//! The proxy's own credentials, kept fresh by one background task.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use rand::Rng;

use super::clock::Clock;
use super::error::LoadError;
use super::source::Source;
use crate::process::{Pending, Readiness};
use crate::sigv4::SigningCredentials;
use crate::telemetry::{Metrics, chain};

/// The current credentials. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct CredentialStore(Arc<ArcSwapOption<SigningCredentials>>);

/// A source that hangs must not end the refreshing.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

impl CredentialStore {
    /// What is valid at `now`.
    pub(super) fn current(&self, now: SystemTime) -> Option<Arc<SigningCredentials>> {
        self.0.load_full().filter(|credentials| credentials.is_valid(now))
    }

    /// Loads and refreshes until it is dropped. Without valid credentials the process is not ready.
    pub(super) async fn keep_fresh(
        self,
        mut source: Source,
        clock: Clock,
        metrics: Metrics,
        readiness: Readiness,
    ) {
        let unready = || readiness.pending("credentials");
        let mut pending = Some(unready());
        let mut backoff = Backoff::default();
        loop {
            let pause = match load(&mut source).await {
                Ok(credentials) => {
                    metrics.credential_loads.with_label_values(&["ok"]).inc();
                    backoff = Backoff::default();
                    self.publish(credentials, &clock, &metrics, &mut pending).or(source.reread_every())
                }
                Err(error) => {
                    metrics.credential_loads.with_label_values(&[error.label()]).inc();
                    let pause = backoff.next();
                    tracing::error!(error = chain(&error), retry_in = ?pause, "credentials cannot be loaded");
                    if self.current(clock.now()).is_none() {
                        pending.get_or_insert_with(unready);
                    }
                    Some(pause)
                }
            };
            let rest = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = rest => {}
                () = source.changed() => {}
            }
        }
    }

    /// Makes them current and says when to refresh them.
    fn publish(
        &self,
        credentials: SigningCredentials,
        clock: &Clock,
        metrics: &Metrics,
        pending: &mut Option<Pending>,
    ) -> Option<Duration> {
        let expires = credentials.expires();
        let old = self.0.load_full();
        let same = old.is_some_and(|old| {
            old.access_key_id() == credentials.access_key_id() && old.expires() == expires
        });
        if !same {
            tracing::info!(access_key_id = credentials.access_key_id(), "credentials loaded");
        }
        let since_epoch = expires.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        metrics.credentials_expiry.set(since_epoch.map_or(0.0, |at| at.as_secs_f64()));
        self.0.store(Some(Arc::new(credentials)));
        *pending = None;
        Some(refresh_in(expires?, clock.now()))
    }
}

async fn load(source: &mut Source) -> Result<SigningCredentials, LoadError> {
    let loaded = tokio::time::timeout(LOAD_TIMEOUT, source.load()).await;
    loaded.unwrap_or(Err(LoadError::TimedOut(LOAD_TIMEOUT)))
}

/// When two thirds of what is left are over, less up to a tenth, so that replicas do not ask all at once: of an hour
/// that leaves STS more than twenty minutes to be down. A source may give the same credentials again until shortly
/// before they expire; it is then asked at ever shorter intervals.
pub(super) fn refresh_in(expires: SystemTime, now: SystemTime) -> Duration {
    let left = expires.duration_since(now).unwrap_or_default();
    left.mul_f64(rand::rng().random_range(0.6..0.667)).max(FIRST_RETRY)
}

/// Pauses between attempts that fail: doubled each time, and shortened by up to a half, so that those that failed
/// together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_RETRY)
    }
}

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.0 = (self.0 * 2).min(LAST_RETRY);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_comes_well_before_expiry_and_not_for_all_at_once() {
        let now = SystemTime::UNIX_EPOCH;
        let after = |left: u64| refresh_in(now + Duration::from_secs(left), now);
        let pauses: Vec<Duration> = (0..100).map(|_| after(3600)).collect();
        assert!(pauses.iter().all(|pause| (2160..=2402).contains(&pause.as_secs())), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        assert_eq!(after(0), FIRST_RETRY, "a source that repeats itself is not asked all the time");
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..20).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= FIRST_RETRY && pauses[0] >= FIRST_RETRY / 2);
        assert!(pauses[10..].iter().all(|pause| (LAST_RETRY / 2..=LAST_RETRY).contains(pause)), "{pauses:?}");
    }
}
