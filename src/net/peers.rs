//! How many connections each address has, and a bound on them, so that one machine cannot take all places.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections by source address. Remembers only those that have any.
#[derive(Debug, Clone)]
pub struct Peers {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address, until it is dropped.
#[derive(Debug)]
pub struct Peer {
    address: IpAddr,
    peers: Peers,
}

impl Peers {
    /// At most so many connections each.
    pub fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// One more connection of this address; `None` when it has as many as it may. An IPv4 address is the same in IPv6.
    pub fn enter(&self, address: IpAddr) -> Option<Peer> {
        let address = address.to_canonical();
        let mut open = self.lock();
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Peer { address, peers: self.clone() })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A number is changed in one step.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut open = self.peers.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places() {
        let peers = Peers::new(2);
        let [one, mapped, two] = ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        let (first, second) = (peers.enter(one).unwrap(), peers.enter(mapped).unwrap());
        assert!(peers.enter(one).is_none());
        let _other = peers.enter(two).unwrap();
        drop(first);
        let third = peers.enter(one).unwrap();
        drop((second, third));
        assert_eq!(peers.lock().len(), 1, "who has none is forgotten");
    }
}
