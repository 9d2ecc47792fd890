//! Metrics by client identity, for a bounded number of them: the label comes from certificates, of which a CA can make
//! as many as it likes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{IntCounterVec, Opts, Registry};

/// Who has no label of its own.
const OTHER: &str = "other";

/// Counters with a label for the identity.
#[derive(Debug, Clone)]
pub struct IdentityMetrics {
    most: usize,
    known: Arc<Mutex<HashSet<Arc<str>>>>,
    requests: IntCounterVec,
    bytes_in: IntCounterVec,
    bytes_out: IntCounterVec,
}

impl IdentityMetrics {
    /// The first so many identities get labels of their own, until the process ends.
    pub(super) fn new(registry: &Registry, most: usize) -> Result<Self, prometheus::Error> {
        let counters = |name, help, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        Ok(Self {
            most,
            known: Arc::default(),
            requests: counters(
                "s3proxy_identity_requests_total",
                "Requests answered, by client identity.",
                &["identity", "status"],
            )?,
            bytes_in: counters(
                "s3proxy_identity_received_bytes_total",
                "Bytes of request bodies received, by client identity.",
                &["identity"],
            )?,
            bytes_out: counters(
                "s3proxy_identity_sent_bytes_total",
                "Bytes of response bodies sent, by client identity.",
                &["identity"],
            )?,
        })
    }

    /// The label of an identity.
    pub fn label(&self, identity: &Arc<str>) -> Arc<str> {
        // A set cannot be left half changed.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(identity) || known.len() < self.most {
            known.insert(identity.clone());
            return identity.clone();
        }
        OTHER.into()
    }

    /// A request of whoever has this label is over.
    pub fn count(&self, label: &str, status: u16, bytes_in: u64, bytes_out: u64) {
        self.requests.with_label_values(&[label, &status.to_string()]).inc();
        self.bytes_in.with_label_values(&[label]).inc_by(bytes_in);
        self.bytes_out.with_label_values(&[label]).inc_by(bytes_out);
    }
}
