//! The client of one connection: who it is, what the policy gives it, and what it may hold at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::OwnedSemaphorePermit;

use super::ending::Dismissal;
use super::journey::Proxy;
use super::rulebook::Rulebook;
use super::share::Share;
use crate::identity::ClientIdentity;
use crate::policy::Entitlements;
use crate::s3::Refusal;

/// The client of one connection, with what the policy gives it.
pub(super) struct Client {
    identity: ClientIdentity,
    label: Arc<str>,
    names: Option<Arc<[String]>>,
    series: Option<Arc<str>>,
    entitled: ArcSwap<(Arc<Rulebook>, Arc<Entitlements>)>,
    share: Arc<Share>,
    /// Set when the connection has ended because nothing moved on it.
    expired: Arc<AtomicBool>,
    dismissed: OnceLock<Dismissal>,
    retiring: AtomicBool,
}

impl Client {
    pub(super) fn new(identity: ClientIdentity, proxy: &Proxy, expired: Arc<AtomicBool>) -> Self {
        let rules = proxy.rules();
        let entitlements = rules.entitle(&identity);
        let label: Arc<str> = identity.to_string().into();
        let names = identity.names();
        let names = (names.len() > 1).then(|| names.into());
        let share = proxy.shares.of(&label);
        let entitled = ArcSwap::from_pointee((rules, entitlements));
        let (dismissed, retiring) = (OnceLock::new(), AtomicBool::new(false));
        let series = proxy.metrics().identities.as_ref().map(|identities| identities.label(&label));
        Self { identity, label, names, series, entitled, share, expired, dismissed, retiring }
    }

    pub(super) fn identity(&self) -> &ClientIdentity {
        &self.identity
    }

    /// As logs name it.
    pub(super) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Every name of the certificate, where it has several: a grant may have applied by any of them.
    pub(super) fn names(&self) -> Option<&Arc<[String]>> {
        self.names.as_ref()
    }

    /// As metrics name it, where they do.
    pub(super) fn series(&self) -> Option<&Arc<str>> {
        self.series.as_ref()
    }

    /// Worked out once for a policy, and anew when another is in force.
    pub(super) fn entitlements(&self, rules: &Arc<Rulebook>) -> Arc<Entitlements> {
        let entitled = self.entitled.load();
        if Arc::ptr_eq(&entitled.0, rules) {
            return entitled.1.clone();
        }
        let entitlements = rules.entitle(&self.identity);
        self.entitled.store(Arc::new((rules.clone(), entitlements.clone())));
        entitlements
    }

    /// Takes no requests on this connection any more.
    pub(super) fn dismiss(&self, why: Dismissal) {
        // The first reason is as good as any.
        let _ = self.dismissed.set(why);
    }

    /// Takes few more requests on this connection, because it is old.
    pub(super) fn retire(&self) {
        self.retiring.store(true, Ordering::Relaxed);
    }

    /// Whether the connection is old, and the client should take another one.
    pub(super) fn is_retiring(&self) -> bool {
        self.retiring.load(Ordering::Relaxed)
    }

    /// Whether requests are still taken on this connection.
    pub(super) fn is_welcome(&self) -> Result<(), Refusal> {
        self.dismissed.get().map_or(Ok(()), |why| Err(why.refusal()))
    }

    /// Room for another request, over all connections of this client; `None` when it has as many as it may.
    pub(super) fn begin(&self) -> Option<OwnedSemaphorePermit> {
        self.share.requests.clone().try_acquire_owned().ok()
    }

    /// What the client may hold at once.
    pub(super) fn share(&self) -> &Share {
        &self.share
    }

    /// Why a request that was cut off on this connection came to its end.
    pub(super) fn departure(&self) -> Departure {
        Departure(self.expired.clone())
    }
}

/// Knows why a client's request was cut off.
#[derive(Debug, Clone)]
pub(super) struct Departure(Arc<AtomicBool>);

impl Departure {
    /// As the access log names it.
    pub(super) fn cause(&self) -> &'static str {
        if self.0.load(Ordering::Relaxed) { "IdleTimeout" } else { "ClientClosedRequest" }
    }
}
