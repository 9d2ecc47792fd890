//! One request on its way through the bridge, as the metrics see it.

use std::time::Instant;

use http::StatusCode;

use crate::telemetry::{BridgeMetrics, UpstreamFault};

/// Counts a request while it lives, and what became of it when it is dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    metrics: BridgeMetrics,
    begun: Instant,
    status: Option<StatusCode>,
}

impl Exchange {
    pub(super) fn begin(metrics: &BridgeMetrics) -> Self {
        metrics.in_flight.inc();
        Self { metrics: metrics.clone(), begun: Instant::now(), status: None }
    }

    /// The head of the answer is known.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The proxy broke off after the head of its answer.
    pub(super) fn truncated(&self) {
        self.metrics.upstream_fault(UpstreamFault::Truncated);
    }

    /// Bytes of the answer have gone on.
    pub(super) fn sent(&self, bytes: usize) {
        self.metrics.bytes_out.inc_by(bytes as u64);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics.duration.observe(self.begun.elapsed().as_secs_f64());
        // Without an answer it was the client that went away; 499 is what the proxy calls that.
        let status = self.status.map_or("499".to_owned(), |status| status.as_str().to_owned());
        self.metrics.requests.with_label_values(&[&status]).inc();
    }
}
