//! The bridge's metrics. It does not know S3's operations; the proxy behind it does, and counts them.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::labels::UpstreamFault;
use super::metrics::{Exposition, SECONDS, begin_reloads, count_reload, expose};
use super::process_metrics::{register_process, register_ready};
use super::registration::keep;

/// Every metric of a bridge.
#[derive(Debug, Clone)]
pub struct BridgeMetrics {
    registry: Registry,
    /// Requests by HTTP status.
    pub requests: IntCounterVec,
    /// Bytes of request bodies received from clients.
    pub bytes_in: IntCounter,
    /// Bytes of response bodies sent to clients.
    pub bytes_out: IntCounter,
    /// Seconds from the whole head to the last byte.
    pub duration: Histogram,
    /// Requests that are being served.
    pub in_flight: IntGauge,
    /// Client connections that are open.
    pub connections: IntGauge,
    /// Connections closed at once because there are too many.
    pub over_limit: IntCounter,
    /// Exchanges with the proxy that failed, by kind.
    upstream_errors: IntCounterVec,
    /// When the client certificate expires, in seconds since 1970.
    pub certificate_expiry: Gauge,
    /// Reloads of certificates by result.
    reloads: IntCounterVec,
    /// 1 while what is in force is what the files say, else 0.
    last_reload: IntGauge,
}

/// What can go wrong without a look at what the proxy says.
const OF_A_BRIDGE: [UpstreamFault; 6] = [
    UpstreamFault::Lookup,
    UpstreamFault::Connect,
    UpstreamFault::Tls,
    UpstreamFault::Timeout,
    UpstreamFault::Broken,
    UpstreamFault::Truncated,
];

impl BridgeMetrics {
    /// Registers every metric. Fails only if two had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let labelled =
            |name, help, label| keep(&registry, IntCounterVec::new(Opts::new(name, help), &[label])?);
        let counter = |name, help| keep(&registry, IntCounter::new(name, help)?);
        let gauge = |name, help| keep(&registry, IntGauge::new(name, help)?);
        let seconds =
            HistogramOpts::new("s3bridge_request_duration_seconds", "From the head to the last byte.");
        let expiry = Gauge::new(
            "s3bridge_certificate_expiry_timestamp_seconds",
            "When the client certificate expires.",
        )?;
        register_process(&registry, "s3bridge")?;
        let metrics = Self {
            requests: labelled("s3bridge_requests_total", "Requests answered.", "status")?,
            bytes_in: counter("s3bridge_received_bytes_total", "Bytes of bodies received from clients.")?,
            bytes_out: counter("s3bridge_sent_bytes_total", "Bytes of bodies sent to clients.")?,
            duration: keep(&registry, Histogram::with_opts(seconds.buckets(SECONDS.to_vec()))?)?,
            in_flight: gauge("s3bridge_requests_in_flight", "Requests being served.")?,
            connections: gauge("s3bridge_connections", "Open client connections.")?,
            over_limit: counter("s3bridge_refused_connections_total", "Connections beyond the limit.")?,
            upstream_errors: labelled(
                "s3bridge_upstream_errors_total",
                "Failed exchanges with the proxy.",
                "kind",
            )?,
            certificate_expiry: keep(&registry, expiry)?,
            reloads: labelled("s3bridge_reloads_total", "Reloads of certificates.", "result")?,
            last_reload: gauge(
                "s3bridge_last_reload_successful",
                "1 while what is in force is what the files say.",
            )?,
            registry,
        };
        for fault in OF_A_BRIDGE {
            metrics.upstream_errors.with_label_values(&[fault.as_str()]);
        }
        begin_reloads(&metrics.reloads, &metrics.last_reload);
        Ok(metrics)
    }

    /// The proxy, or the way to it, failed.
    pub fn upstream_fault(&self, fault: UpstreamFault) {
        self.upstream_errors.with_label_values(&[fault.as_str()]).inc();
    }

    /// Certificates were read again, or could not be put in force.
    pub fn reloaded(&self, ok: bool) {
        count_reload(&self.reloads, &self.last_reload, ok);
    }

    /// Shows what `/readyz` says.
    pub fn watch_readiness(
        &self,
        ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<(), prometheus::Error> {
        register_ready(&self.registry, "s3bridge", ready)
    }
}

impl Exposition for BridgeMetrics {
    fn expose(&self) -> Result<Vec<u8>, prometheus::Error> {
        expose(&self.registry)
    }
}
