//! Where connections are that have not yet shown what they are good for: at most so many, and the oldest makes room.
//!
//! To refuse newcomers instead would let a few sockets that say nothing keep everybody out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// A bounded number of seats.
#[derive(Debug)]
pub struct Lobby {
    most: usize,
    seats: Arc<Mutex<Seats>>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    /// From the oldest to the newest.
    taken: VecDeque<(u64, CancellationToken)>,
}

/// A seat, until it is dropped or needed for another.
#[derive(Debug)]
pub struct Seat {
    number: u64,
    taken: CancellationToken,
    seats: Arc<Mutex<Seats>>,
}

impl Lobby {
    /// With so many seats.
    pub fn new(most: usize) -> Self {
        Self { most, seats: Arc::default() }
    }

    /// Takes a seat, if need be the one of whoever has been there longest.
    pub fn enter(&self) -> Seat {
        let mut seats = lock(&self.seats);
        if seats.taken.len() >= self.most
            && let Some((_, oldest)) = seats.taken.pop_front()
        {
            oldest.cancel();
        }
        let (number, taken) = (seats.next, CancellationToken::new());
        seats.next += 1;
        seats.taken.push_back((number, taken.clone()));
        Seat { number, taken, seats: self.seats.clone() }
    }
}

impl Seat {
    /// Waits until another needs it.
    pub async fn taken(&self) {
        self.taken.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = lock(&self.seats);
        if let Ok(at) = seats.taken.binary_search_by_key(&self.number, |(number, _)| *number) {
            seats.taken.remove(at);
        }
    }
}

fn lock(seats: &Mutex<Seats>) -> std::sync::MutexGuard<'_, Seats> {
    // A queue cannot be left half changed.
    seats.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let lobby = Lobby::new(2);
        let (first, second) = (lobby.enter(), lobby.enter());
        let third = lobby.enter();
        assert!(first.taken.is_cancelled() && !second.taken.is_cancelled());
        drop(first);
        drop(second);
        let fourth = lobby.enter();
        assert!(!third.taken.is_cancelled() && !fourth.taken.is_cancelled());
        lobby.enter();
        assert!(third.taken.is_cancelled());
    }
}
