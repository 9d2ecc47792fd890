//! What one client may hold at once and begin, over all of its connections, so that none can take what all of them need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::body::GATHERED_AT_A_TIME;
use super::rate::Rate;
use crate::config::{IdentityLimits, Limits};

/// One client's part.
#[derive(Debug)]
pub(super) struct Share {
    /// Requests that are open.
    pub(super) requests: Arc<Semaphore>,
    /// Bodies that are gathered to be read.
    pub(super) gathered: Arc<Semaphore>,
    /// Requests that begin, where that is limited.
    rate: Option<Rate>,
}

impl Share {
    /// Whether another request may begin now; if so it is counted.
    pub(super) fn may_begin(&self) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.take(Instant::now()))
    }

    /// Whether a new one would be the same.
    fn is_spent(&self) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.is_full(Instant::now()))
    }
}

/// Of the places for gathered bodies, a quarter: a client that does not send what it announced keeps its own waiting.
const GATHERED: usize = GATHERED_AT_A_TIME / 4;
/// No client has more than one of so many parts of the requests that may be open. With one request on each
/// connection, it does not get there.
const SHARES: usize = 4;

/// The parts of the clients that are connected, or were a second ago. A client is known by the name that logs give it:
/// several pods of one service account share.
#[derive(Debug)]
pub(super) struct Shares {
    requests: usize,
    limits: IdentityLimits,
    known: Mutex<HashMap<Arc<str>, Arc<Share>>>,
}

impl Shares {
    /// Of these limits.
    pub(super) fn new(limits: &Limits) -> Self {
        let most = (limits.max_requests / SHARES).max(1);
        let asked = limits.per_identity.concurrent_requests;
        let asked = asked.map_or(most, |asked| usize::try_from(asked.get()).unwrap_or(usize::MAX));
        Self { requests: most.min(asked), limits: limits.per_identity, known: Mutex::default() }
    }

    /// The part of a client, which lives while one of its connections does, and until a new one would say the same:
    /// who connects anew does not begin anew.
    pub(super) fn of(&self, client: &Arc<str>) -> Arc<Share> {
        // What a panic left behind is still a map.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = known.get(client) {
            return share.clone();
        }
        // Only when somebody new comes is it worth to look for those who have gone.
        known.retain(|_, share| Arc::strong_count(share) > 1 || !share.is_spent());
        let (requests, gathered) = (Semaphore::new(self.requests), Semaphore::new(GATHERED));
        let rate = self.limits.requests_per_second.map(|rate| Rate::new(rate, Instant::now()));
        let share = Arc::new(Share { requests: Arc::new(requests), gathered: Arc::new(gathered), rate });
        known.insert(client.clone(), share.clone());
        share
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn shares(requests_per_second: Option<NonZeroU32>) -> Shares {
        let limits = IdentityLimits { requests_per_second, concurrent_requests: None };
        Shares { requests: 1, limits, known: Mutex::default() }
    }

    #[test]
    fn connections_of_one_client_share_and_others_do_not() {
        let shares = shares(None);
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let (first, again) = (shares.of(&one), shares.of(&one));
        let held = first.requests.clone().try_acquire_owned().unwrap();
        assert!(again.requests.try_acquire().is_err());
        assert!(shares.of(&two).requests.try_acquire().is_ok());
        // Who has gone is forgotten when somebody new comes.
        drop((first, again, held));
        shares.of(&"three".into());
        assert_eq!(shares.known.lock().unwrap().len(), 1);
    }

    #[test]
    fn who_connects_anew_does_not_begin_anew() {
        let shares = shares(NonZeroU32::new(1));
        let one: Arc<str> = "one".into();
        assert!(shares.of(&one).may_begin());
        shares.of(&"two".into());
        assert!(!shares.of(&one).may_begin());
    }
}
