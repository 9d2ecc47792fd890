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
use super::keeper::Keeper;
use super::store::CredentialStore;
use super::sts::Sts;
use crate::config::{CredentialSource, PerIdentity};
use crate::identity::ClientIdentity;
use crate::policy::Persona;
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
pub(super) struct Shared {
    pub(super) means: Means,
    /// Calls to STS at a time.
    pub(super) slots: Semaphore,
    /// Counts uses, to tell which session rested longest.
    uses: AtomicU64,
    entries: Mutex<HashMap<Key, Arc<Entry>>>,
}

/// The same identity has another session when its grants change, or its other names bring it other grants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) label: Arc<str>,
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
    pub(super) fn forget(&self, key: &Key, entry: &Weak<Entry>) {
        let mut entries = self.lock();
        if entries.get(key).is_some_and(|held| std::ptr::eq(Arc::as_ptr(held), entry.as_ptr())) {
            entries.remove(key);
        }
        self.means.metrics.sessions.set(i64::try_from(entries.len()).unwrap_or(i64::MAX));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The first load, or the next attempt at it.
    Loading,
    /// There was a session; whether it still is valid, its expiry says.
    Loaded,
    /// The last load failed for a reason that lasts.
    Refused,
}

/// One identity's session.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) state: watch::Sender<State>,
    pub(super) credentials: ArcSwapOption<SigningCredentials>,
    last_used: AtomicU64,
    /// Whether somebody asked since the last load.
    pub(super) used: AtomicBool,
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
    pub(super) fn current(&self, clock: &Clock) -> Option<Arc<SigningCredentials>> {
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
