//! A map that stops growing: what comes when it is full is counted together.

use std::collections::HashMap;
use std::hash::Hash;

/// Entries; a review of a year's logs should name them all, and one of an attack must not take all memory.
const MAX: usize = 10_000;

/// Values by key, and one for all keys that found no room.
#[derive(Debug, Clone)]
pub(super) struct Bounded<K, V> {
    entries: HashMap<K, V>,
    pub(super) other: V,
    pub(super) overflowed: bool,
}

impl<K, V: Default> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), other: V::default(), overflowed: false }
    }
}

impl<K: Hash + Eq, V: Default> Bounded<K, V> {
    pub(super) fn entry(&mut self, key: K) -> &mut V {
        if self.entries.len() >= MAX && !self.entries.contains_key(&key) {
            self.overflowed = true;
            return &mut self.other;
        }
        self.entries.entry(key).or_default()
    }

    /// Every entry, the first by `order` in front.
    pub(super) fn sorted<O: Ord>(self, order: impl Fn(&K, &V) -> O) -> Vec<(K, V)> {
        let mut entries: Vec<_> = self.entries.into_iter().collect();
        entries.sort_by_cached_key(|(key, value)| order(key, value));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_together() {
        let mut counts = Bounded::<usize, u64>::default();
        for key in (0..MAX + 5).chain(0..3) {
            *counts.entry(key) += 1;
        }
        assert!(counts.overflowed && counts.other == 5);
        let sorted = counts.sorted(|key, count| (std::cmp::Reverse(*count), *key));
        assert_eq!((sorted.len(), &sorted[..3]), (MAX, &[(0, 2), (1, 2), (2, 2)][..]));
    }
}
