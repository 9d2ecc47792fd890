//! One STS session for each client identity, confined to what its grants allow. Cached, bounded, loaded once however
//! many requests ask, and renewed in the background while somebody uses it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;

use super::clock::Clock;
use super::error::{LoadError, chain};
use super::store::{Backoff, CredentialStore, refresh_in};
use super::sts::{Attribution, Sts, Wanted};
use super::token;
use crate::config::{CredentialSource, PerIdentity};
use crate::identity::ClientIdentity;
use crate::policy::{Persona, session_name, session_tags};
use crate::sigv4::SigningCredentials;
use crate::telemetry::Metrics;

/// All sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sessions(Arc<Shared>);

/// What sessions are made with.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) settings: PerIdentity,
    pub(super) source: CredentialSource,
    pub(super) base: CredentialStore,
    pub(super) sts: Sts,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
}

#[derive(Debug)]
struct Shared {
    means: Means,
    /// Calls to STS at a time.
    slots: Semaphore,
    /// Counts uses, to tell which session rested longest.
    uses: AtomicU64,
    entries: Mutex<HashMap<Key, Arc<Entry>>>,
}

/// The same identity has another session when its grants change, or its other names bring it other grants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    label: Arc<str>,
    fingerprint: [u8; 32],
}

/// STS allows some hundred calls a second to an account; a fleet that starts with a thousand clients shares them.
const CALLS_AT_A_TIME: usize = 32;
/// How long a request waits for the first session of its identity: less than clients wait for a first byte.
const WAIT: Duration = Duration::from_secs(10);

/// Why a request gets no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoSession {
    /// STS says no, or the policy does not fit: somebody has to change something.
    Refused,
    /// Not now.
    Unavailable,
}

impl Sessions {
    pub(super) fn new(means: Means) -> Self {
        Self(Arc::new(Shared {
            means,
            slots: Semaphore::new(CALLS_AT_A_TIME),
            uses: AtomicU64::new(0),
            entries: Mutex::default(),
        }))
    }

    /// The credentials of an identity's session. Waits only where there is none.
    pub(super) async fn credentials(
        &self,
        identity: &ClientIdentity,
        label: &Arc<str>,
        persona: &Arc<Persona>,
    ) -> Result<Arc<SigningCredentials>, NoSession> {
        let entry = self.entry(identity, label, persona);
        if let Some(credentials) = entry.current(&self.0.means.clock) {
            return Ok(credentials);
        }
        let mut state = entry.state.subscribe();
        let settled = state.wait_for(|state| *state != State::Loading);
        let state = match tokio::time::timeout(WAIT, settled).await {
            Ok(Ok(state)) => *state,
            _ => State::Loading,
        };
        let refused = if state == State::Refused { NoSession::Refused } else { NoSession::Unavailable };
        entry.current(&self.0.means.clock).ok_or(refused)
    }

    fn entry(&self, identity: &ClientIdentity, label: &Arc<str>, persona: &Arc<Persona>) -> Arc<Entry> {
        let key = Key { label: label.clone(), fingerprint: persona.fingerprint() };
        let use_number = self.0.uses.fetch_add(1, Ordering::Relaxed);
        let mut entries = self.0.lock();
        let found = entries.get(&key).filter(|entry| !entry.has_run_out(&self.0.means.clock));
        if let Some(entry) = found {
            entry.touch(use_number);
            return entry.clone();
        }
        if entries.len() >= self.0.means.settings.max_sessions && !entries.contains_key(&key) {
            evict(&mut entries);
        }
        let entry = Arc::new(Entry::default());
        entry.touch(use_number);
        let keeper = Keeper {
            shared: self.0.clone(),
            entry: Arc::downgrade(&entry),
            wake: entry.wake.clone(),
            key: key.clone(),
            identity: identity.clone(),
            persona: persona.clone(),
            width: 0,
        };
        // Before the keeper starts, so that it finds its entry.
        entries.insert(key, entry.clone());
        self.0.means.metrics.sessions.set(i64::try_from(entries.len()).unwrap_or(i64::MAX));
        drop(entries);
        let task = tokio::spawn(keeper.run()).abort_handle();
        let _ = entry.task.set(task);
        entry
    }
}

/// Makes room: who rested longest goes. A scan of a few thousand numbers, once for a call to STS.
fn evict(entries: &mut HashMap<Key, Arc<Entry>>) {
    let oldest = entries.iter().min_by_key(|(_, entry)| entry.last_used.load(Ordering::Relaxed));
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        entries.remove(&key);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Entry>>> {
        // An insertion or removal cannot be left half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes an entry, unless another has taken its place.
    fn forget(&self, key: &Key, entry: &Weak<Entry>) {
        let mut entries = self.lock();
        if entries.get(key).is_some_and(|held| std::ptr::eq(Arc::as_ptr(held), entry.as_ptr())) {
            entries.remove(key);
        }
        self.means.metrics.sessions.set(i64::try_from(entries.len()).unwrap_or(i64::MAX));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first load, or the next attempt at it.
    Loading,
    /// There was a session; whether it still is valid, its expiry says.
    Loaded,
    /// The last load failed for a reason that lasts.
    Refused,
}

/// One identity's session.
#[derive(Debug)]
struct Entry {
    state: watch::Sender<State>,
    credentials: ArcSwapOption<SigningCredentials>,
    last_used: AtomicU64,
    /// Whether somebody asked since the last load.
    used: AtomicBool,
    wake: Arc<Notify>,
    task: OnceLock<AbortHandle>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            state: watch::Sender::new(State::Loading),
            credentials: ArcSwapOption::empty(),
            last_used: AtomicU64::new(0),
            used: AtomicBool::new(false),
            wake: Arc::default(),
            task: OnceLock::new(),
        }
    }
}

impl Entry {
    fn current(&self, clock: &Clock) -> Option<Arc<SigningCredentials>> {
        self.credentials.load_full().filter(|credentials| credentials.is_valid(clock.now()))
    }

    /// Whether its credentials have expired while nobody asked for them: its task is about to end.
    fn has_run_out(&self, clock: &Clock) -> bool {
        let expired = self.credentials.load().as_ref().is_some_and(|held| !held.is_valid(clock.now()));
        expired && !self.used.load(Ordering::Relaxed)
    }

    fn touch(&self, use_number: u64) {
        self.last_used.fetch_max(use_number, Ordering::Relaxed);
        if !self.used.swap(true, Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }
}

/// When the last request and the cache have let go of a session, nobody renews it any more.
impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Loads one session and renews it.
struct Keeper {
    shared: Arc<Shared>,
    entry: Weak<Entry>,
    wake: Arc<Notify>,
    key: Key,
    identity: ClientIdentity,
    persona: Arc<Persona>,
    /// Which of the persona's policies: a narrower one did not fit.
    width: usize,
}

impl Keeper {
    async fn run(mut self) {
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
