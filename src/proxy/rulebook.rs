//! The policy in force, and what it gives the clients that are connected: those with the same names share it, however many
//! connections they have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::identity::ClientIdentity;
use crate::policy::{Entitlements, Policy};

/// One policy. Another one has a rulebook of its own.
#[derive(Debug, Default)]
pub(super) struct Rulebook {
    pub(super) policy: Policy,
    connected: Mutex<HashMap<ClientIdentity, Weak<Entitlements>>>,
}

impl Rulebook {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// What the policy gives a client, worked out once for all who have it at a time.
    pub(super) fn entitle(&self, identity: &ClientIdentity) -> Arc<Entitlements> {
        // What a panic left behind is still a map.
        let connected = || self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = connected().get(identity).and_then(Weak::upgrade) {
            return known;
        }
        // Others need not wait for it.
        let entitlements = Arc::new(self.policy.entitle(identity));
        let mut connected = connected();
        // Only when somebody new comes is it worth to look for those who have gone.
        connected.retain(|_, held| held.strong_count() > 0);
        connected.insert(identity.clone(), Arc::downgrade(&entitlements));
        entitlements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_names_share() {
        let rulebook = Rulebook::default();
        let named = |dns: &[&str]| ClientIdentity::new(&["spiffe://td/w"], dns, None).unwrap();
        let (one, other) = (rulebook.entitle(&named(&[])), rulebook.entitle(&named(&["a.b"])));
        assert!(Arc::ptr_eq(&one, &rulebook.entitle(&named(&[]))));
        assert!(!Arc::ptr_eq(&one, &other), "a grant may apply by any of the names");
        drop((one, other));
        rulebook.entitle(&named(&["c.d"]));
        assert_eq!(rulebook.connected.lock().unwrap().len(), 1);
    }
}
