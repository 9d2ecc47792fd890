//! The webhook's metrics.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

use super::metrics::{Exposition, SECONDS, expose};
use super::registration::keep;

/// Every metric of a webhook.
#[derive(Debug, Clone)]
pub struct WebhookMetrics {
    registry: Registry,
    /// Reviews by endpoint and result.
    pub reviews: IntCounterVec,
    /// Seconds from the whole head of a request to its answer.
    pub duration: Histogram,
    /// When the certificate expires, in seconds since 1970.
    pub certificate_expiry: Gauge,
    /// Reloads of certificate and settings, and rounds of making the own certificate known, by result.
    pub reloads: IntCounterVec,
}

impl WebhookMetrics {
    /// Registers every metric. Fails only if two had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let reviews = Opts::new("s3webhook_reviews_total", "Reviews answered.");
        let seconds = HistogramOpts::new("s3webhook_review_duration_seconds", "From the head to the answer.");
        let expiry =
            Gauge::new("s3webhook_certificate_expiry_timestamp_seconds", "When the certificate expires.")?;
        let reloads = Opts::new("s3webhook_reloads_total", "Reloads of certificate and settings.");
        Ok(Self {
            reviews: keep(&registry, IntCounterVec::new(reviews, &["endpoint", "result"])?)?,
            duration: keep(&registry, Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?)?,
            certificate_expiry: keep(&registry, expiry)?,
            reloads: keep(&registry, IntCounterVec::new(reloads, &["result"])?)?,
            registry,
        })
    }
}

impl Exposition for WebhookMetrics {
    fn expose(&self) -> Result<Vec<u8>, prometheus::Error> {
        expose(&self.registry)
    }
}
