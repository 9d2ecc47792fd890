//! How fast one client may begin requests: a bucket that fills at a rate and holds what comes in a second.
//!
//! Kept as the time at which it will be full again (GCRA, ITU-T I.371), so that nothing has to be filled.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a client saves up at most while it rests.
const BURST: Duration = Duration::from_secs(1);

/// A bucket of one client.
#[derive(Debug)]
pub(super) struct Rate {
    interval: Duration,
    full_at: Mutex<Instant>,
}

impl Rate {
    /// So many requests a second, and as many at once after a second of rest. Full at first.
    pub(super) fn new(per_second: NonZeroU32, now: Instant) -> Self {
        Self { interval: BURST / per_second.get(), full_at: Mutex::new(now) }
    }

    /// Whether a request may begin; if so it is counted.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut full_at = self.lock();
        let after = (*full_at).max(now) + self.interval;
        let fits = after <= now + BURST;
        if fits {
            *full_at = after;
        }
        fits
    }

    /// Whether it is as good as a new one.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        *self.lock() <= now
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        // An instant is replaced in one step.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let began = Instant::now();
        let rate = Rate::new(NonZeroU32::new(4).unwrap(), began);
        let after = |milliseconds| began + Duration::from_millis(milliseconds);
        let taken = |at: Instant| std::iter::repeat_with(|| rate.take(at)).take_while(|taken| *taken).count();
        assert_eq!(taken(began), 4);
        assert!(!rate.is_full(after(999)));
        assert_eq!(taken(after(249)), 0);
        assert_eq!(taken(after(250)), 1);
        assert_eq!(taken(after(1000)), 3);
        assert_eq!(taken(after(60_000)), 4, "no more is saved up than comes in a second");
        assert!(rate.is_full(after(61_000)));
        let one = Rate::new(NonZeroU32::MIN, began);
        assert!(one.take(began) && !one.take(after(999)) && one.take(after(1000)));
    }
}
