//! Readiness as guards: whatever is not done yet holds a [`Pending`]; when it is dropped, that part is ready.

use std::sync::{Arc, Mutex, PoisonError};

/// What the process still waits for.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<&'static str>>>);

/// Keeps the process unready until it is dropped.
#[derive(Debug)]
pub struct Pending {
    what: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// Something that has to happen before, or speaks against, taking traffic.
    pub fn pending(&self, what: &'static str) -> Pending {
        self.lock().push(what);
        Pending { what, readiness: self.clone() }
    }

    /// What is missing; empty when the process is ready.
    pub fn missing(&self) -> Vec<&'static str> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<&'static str>> {
        // A list of words cannot be left half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut missing = self.readiness.lock();
        if let Some(at) = missing.iter().position(|what| *what == self.what) {
            missing.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_guard_is_gone() {
        let readiness = Readiness::default();
        let (first, second) = (readiness.pending("a"), readiness.pending("a"));
        drop(first);
        assert_eq!(readiness.missing(), ["a"]);
        drop(second);
        assert!(readiness.missing().is_empty());
    }
}
