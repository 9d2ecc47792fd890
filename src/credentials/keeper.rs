//! Loads the session of one identity, renews it while somebody uses it, and ends when nobody does.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::error::LoadError;
use super::sessions::{Entry, Key, Shared, State};
use super::store::{Backoff, refresh_in};
use super::sts::{Attribution, Wanted};
use super::token;
use crate::config::CredentialSource;
use crate::identity::ClientIdentity;
use crate::policy::{Persona, session_name, session_tags};
use crate::sigv4::SigningCredentials;
use crate::telemetry::chain;

/// The task behind one entry of the cache, to which it holds no claim.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) entry: Weak<Entry>,
    pub(super) wake: Arc<Notify>,
    pub(super) key: Key,
    pub(super) identity: ClientIdentity,
    pub(super) persona: Arc<Persona>,
    /// Which of the persona's policies: a narrower one did not fit.
    pub(super) width: usize,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        if self.persona.is_widened() {
            tracing::warn!(
                identity = %self.key.label,
                "these grants do not fit into a session policy; the session may do more than they say, within their \
                 buckets and actions"
            );
        }
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.entry.upgrade() else { return };
            entry.used.store(false, Ordering::Relaxed);
            let pause = match self.load().await {
                Ok(credentials) => {
                    backoff = Backoff::default();
                    let pause = credentials.expires().map(|at| refresh_in(at, self.shared.means.clock.now()));
                    entry.credentials.store(Some(Arc::new(credentials)));
                    entry.state.send_replace(State::Loaded);
                    pause.unwrap_or(Duration::MAX)
                }
                Err(error) => self.failed(&entry, &error, &mut backoff),
            };
            drop(entry);
            tokio::time::sleep(pause).await;
            if !self.is_wanted().await {
                return self.shared.forget(&self.key, &self.entry);
            }
        }
    }

    /// Whether somebody has asked since the last load, or does so before the credentials expire.
    async fn is_wanted(&self) -> bool {
        let Some(entry) = self.entry.upgrade() else { return false };
        // Who waits for the first load has asked before it.
        if entry.used.load(Ordering::Relaxed) || entry.state.receiver_count() > 0 {
            return true;
        }
        let now = self.shared.means.clock.now();
        let left =
            entry.current(&self.shared.means.clock).and_then(|held| held.expires()?.duration_since(now).ok());
        drop(entry);
        let Some(left) = left else { return false };
        // A permit may be left from a use that was seen; the flag decides.
        let _ = tokio::time::timeout(left, async {
            while !self.entry.upgrade().is_none_or(|entry| entry.used.load(Ordering::Relaxed)) {
                self.wake.notified().await;
            }
        })
        .await;
        self.entry.upgrade().is_some_and(|entry| entry.used.load(Ordering::Relaxed))
    }

    fn failed(&self, entry: &Entry, error: &LoadError, backoff: &mut Backoff) -> Duration {
        let pause = backoff.next();
        tracing::error!(
            identity = %self.key.label,
            role = %self.persona.role(),
            error = chain(error),
            retry_in = ?pause,
            "the session of an identity cannot be loaded"
        );
        if entry.current(&self.shared.means.clock).is_none() {
            entry.state.send_replace(if error.lasts() { State::Refused } else { State::Loading });
        }
        pause
    }

    /// Asks for a session with the narrowest policy that fits.
    async fn load(&mut self) -> Result<SigningCredentials, LoadError> {
        let Ok(_slot) = self.shared.slots.acquire().await else { return Err(LoadError::Base) };
        let loaded = loop {
            let loaded = self.assume().await;
            match &loaded {
                Err(error) if error.is_about_policy() && self.width < self.persona.policies().len() => {
                    tracing::warn!(
                        identity = %self.key.label,
                        error = chain(error),
                        "the session policy is not taken; a wider one is tried"
                    );
                    self.width += 1;
                }
                _ => break loaded,
            }
        };
        let label = loaded.as_ref().map_or_else(LoadError::label, |_| "ok");
        self.shared.means.metrics.session_loads.with_label_values(&[label]).inc();
        loaded
    }

    async fn assume(&self) -> Result<SigningCredentials, LoadError> {
        let means = &self.shared.means;
        // Also where a token is enough: what is not the expected role makes no sessions either.
        let base = means.base.current(means.clock.now()).ok_or(LoadError::Base)?;
        let policy = self.persona.policies().get(self.width).ok_or(LoadError::PolicyTooLarge)?;
        let name = session_name(&self.identity);
        let wanted = Wanted { role: self.persona.role(), name: &name, policy: Some(policy) };
        if let CredentialSource::WebIdentity { token_file, .. } = &means.source {
            let token = token::read(token_file).await?;
            return means.sts.assume_with_token(wanted, &token).await;
        }
        let attribution = Attribution {
            source_identity: means.settings.source_identity.then(|| name.clone()),
            tags: if means.settings.session_tags { session_tags(&self.identity) } else { Vec::new() },
        };
        means.sts.assume(wanted, &base, attribution).await
    }
}
