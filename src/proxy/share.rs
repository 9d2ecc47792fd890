//! What one client may hold at once, over all of its connections, so that none can take what all of them need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

use super::body::GATHERED_AT_A_TIME;

/// One client's part.
#[derive(Debug)]
pub(super) struct Share {
    /// Requests that are open.
    pub(super) requests: Arc<Semaphore>,
    /// Bodies that are gathered to be read.
    pub(super) gathered: Arc<Semaphore>,
}

/// Of the places for gathered bodies, a quarter: a client that does not send what it announced keeps its own waiting.
const GATHERED: usize = GATHERED_AT_A_TIME / 4;

/// The parts of the clients that are connected. A client is known by the name that logs give it: several pods of one
/// service account share.
#[derive(Debug)]
pub(super) struct Shares {
    requests: usize,
    connected: Mutex<HashMap<Arc<str>, Weak<Share>>>,
}

impl Shares {
    /// At most so many open requests each.
    pub(super) fn new(requests: usize) -> Self {
        Self { requests, connected: Mutex::default() }
    }

    /// The part of a client, which lives while one of its connections does.
    pub(super) fn of(&self, client: &Arc<str>) -> Arc<Share> {
        // What a panic left behind is still a map.
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = connected.get(client).and_then(Weak::upgrade) {
            return share;
        }
        // Only when somebody new comes is it worth to look for those who have gone.
        connected.retain(|_, share| share.strong_count() > 0);
        let (requests, gathered) = (Semaphore::new(self.requests), Semaphore::new(GATHERED));
        let share = Arc::new(Share { requests: Arc::new(requests), gathered: Arc::new(gathered) });
        connected.insert(client.clone(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_client_share_and_others_do_not() {
        let shares = Shares::new(1);
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        let (first, again) = (shares.of(&one), shares.of(&one));
        let held = first.requests.clone().try_acquire_owned().unwrap();
        assert!(again.requests.try_acquire().is_err());
        assert!(shares.of(&two).requests.try_acquire().is_ok());
        drop((first, again));
        // Who has gone is forgotten; what it still holds goes with it.
        assert!(shares.of(&one).requests.try_acquire().is_ok());
        shares.of(&"three".into());
        assert_eq!(shares.connected.lock().unwrap().len(), 1);
        drop(held);
    }
}
