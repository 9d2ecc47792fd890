//! Prometheus metrics. Labels are closed sets (operations, codes, causes), never names from requests.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

use super::access_log::Unrecordable;
use super::labels::{BadRequest, UpstreamFault};
use super::process_metrics::{register_process, register_ready};

/// Every metric of the process.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Requests by operation (`none` if it was none) and HTTP status.
    pub requests: IntCounterVec,
    /// Requests that the proxy refused itself, by S3 error code.
    pub denials: IntCounterVec,
    /// Requests that were refused because they could not have been recorded, by cause.
    pub unrecorded: IntCounterVec,
    /// Bytes of request bodies received from clients.
    pub bytes_in: IntCounter,
    /// Bytes of response bodies sent to clients.
    pub bytes_out: IntCounter,
    /// Seconds from the whole head to the last byte, by operation.
    pub duration: HistogramVec,
    /// Seconds until S3 answered with a head, by operation.
    pub upstream_duration: HistogramVec,
    /// Requests that are being served.
    pub in_flight: IntGauge,
    /// Client connections that are open.
    pub connections: IntGauge,
    /// Connection attempts by their result.
    pub handshakes: IntCounterVec,
    /// What clients sent in place of requests, by cause.
    bad_requests: IntCounterVec,
    /// Exchanges with S3 that failed, by kind.
    upstream_errors: IntCounterVec,
    /// When the server's certificate expires, in seconds since 1970.
    pub certificate_expiry: Gauge,
    /// When the first of the revocation lists expires, in seconds since 1970; 0 without lists.
    pub crl_expiry: Gauge,
    /// When the credentials expire, in seconds since 1970; 0 when they do not.
    pub credentials_expiry: Gauge,
    /// Loads of credentials by result.
    pub credential_loads: IntCounterVec,
    /// Sessions of client identities that are held.
    pub sessions: IntGauge,
    /// Loads of such sessions by result.
    pub session_loads: IntCounterVec,
    /// How far AWS's clock is ahead of the local one, in seconds, where that is corrected; else 0.
    pub clock_skew: Gauge,
    /// Reloads of mounted files by result.
    reloads: IntCounterVec,
    /// 1 while what is in force is what the files say, else 0.
    last_reload: IntGauge,
}

/// From a cached head within the node to a large part over a slow link.
pub(super) const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

impl Metrics {
    /// Registers every metric. Fails only if two had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name, help, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counter = |name, help| -> Result<IntCounter, prometheus::Error> {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let count = |name, help| -> Result<IntGauge, prometheus::Error> {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name, help| -> Result<Gauge, prometheus::Error> {
            let metric = Gauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let seconds = |name, help| -> Result<HistogramVec, prometheus::Error> {
            let metric =
                HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), &["operation"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        register_process(&registry, "s3proxy")?;
        let metrics = Self {
            requests: counters("s3proxy_requests_total", "Requests answered.", &["operation", "status"])?,
            denials: counters("s3proxy_denials_total", "Requests refused by the proxy itself.", &["code"])?,
            unrecorded: counters(
                "s3proxy_unrecorded_refusals_total",
                "Requests refused because they could not have been recorded.",
                &["cause"],
            )?,
            bytes_in: counter(
                "s3proxy_received_bytes_total",
                "Bytes of request bodies received from clients.",
            )?,
            bytes_out: counter("s3proxy_sent_bytes_total", "Bytes of response bodies sent to clients.")?,
            duration: seconds("s3proxy_request_duration_seconds", "From the request head to the last byte.")?,
            upstream_duration: seconds(
                "s3proxy_upstream_duration_seconds",
                "Until S3 answered with a head.",
            )?,
            in_flight: count("s3proxy_requests_in_flight", "Requests being served.")?,
            connections: count("s3proxy_connections", "Open client connections.")?,
            handshakes: counters("s3proxy_handshakes_total", "Connection attempts by result.", &["result"])?,
            bad_requests: counters(
                "s3proxy_bad_requests_total",
                "Heads that were no request: the connection ended.",
                &["cause"],
            )?,
            upstream_errors: counters(
                "s3proxy_upstream_errors_total",
                "Failed exchanges with S3.",
                &["kind"],
            )?,
            certificate_expiry: gauge(
                "s3proxy_certificate_expiry_timestamp_seconds",
                "When the server certificate expires.",
            )?,
            crl_expiry: gauge(
                "s3proxy_crl_expiry_timestamp_seconds",
                "When the first revocation list expires; 0 without lists.",
            )?,
            credentials_expiry: gauge(
                "s3proxy_credentials_expiry_timestamp_seconds",
                "When the credentials expire; 0 if they do not.",
            )?,
            credential_loads: counters(
                "s3proxy_credential_loads_total",
                "Loads of credentials.",
                &["result"],
            )?,
            sessions: count("s3proxy_sessions", "STS sessions of client identities.")?,
            session_loads: counters(
                "s3proxy_session_loads_total",
                "Loads of sessions of client identities.",
                &["result"],
            )?,
            clock_skew: gauge(
                "s3proxy_clock_skew_seconds",
                "How far AWS's clock is ahead, where signatures correct it; else 0.",
            )?,
            reloads: counters(
                "s3proxy_reloads_total",
                "Reloads of configuration and certificates.",
                &["result"],
            )?,
            last_reload: count(
                "s3proxy_last_reload_successful",
                "1 while what is in force is what the files say.",
            )?,
            registry,
        };
        metrics.begin();
        Ok(metrics)
    }

    /// Gives the series their first values.
    fn begin(&self) {
        for fault in UpstreamFault::ALL {
            self.upstream_errors.with_label_values(&[fault.as_str()]);
        }
        for cause in BadRequest::ALL {
            self.bad_requests.with_label_values(&[cause.as_str()]);
        }
        for cause in [Unrecordable::TooMany, Unrecordable::Stuck] {
            self.unrecorded.with_label_values(&[&cause.to_string()]);
        }
        for loads in [&self.credential_loads, &self.session_loads] {
            loads.with_label_values(&["ok"]);
        }
        begin_reloads(&self.reloads, &self.last_reload);
    }

    /// S3, or the way to it, failed.
    pub fn upstream_fault(&self, fault: UpstreamFault) {
        self.upstream_errors.with_label_values(&[fault.as_str()]).inc();
    }

    /// A client sent something that is no request.
    pub fn bad_request(&self, cause: BadRequest) {
        self.bad_requests.with_label_values(&[cause.as_str()]).inc();
    }

    /// Mounted files were read again, or could not be put in force.
    pub fn reloaded(&self, ok: bool) {
        count_reload(&self.reloads, &self.last_reload, ok);
    }

    /// Shows what `/readyz` says.
    pub fn watch_readiness(
        &self,
        ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<(), prometheus::Error> {
        register_ready(&self.registry, "s3proxy", ready)
    }
}

/// What was read at the start is in force.
pub(super) fn begin_reloads(reloads: &IntCounterVec, last: &IntGauge) {
    for result in ["ok", "error"] {
        reloads.with_label_values(&[result]);
    }
    last.set(1);
}

pub(super) fn count_reload(reloads: &IntCounterVec, last: &IntGauge, ok: bool) {
    reloads.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
    last.set(i64::from(ok));
}

/// Metrics that can be scraped.
pub trait Exposition {
    /// The text exposition format.
    fn expose(&self) -> Result<Vec<u8>, prometheus::Error>;
}

impl Exposition for Metrics {
    fn expose(&self) -> Result<Vec<u8>, prometheus::Error> {
        expose(&self.registry)
    }
}

pub(super) fn keep<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: M,
) -> Result<M, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

pub(super) fn expose(registry: &Registry) -> Result<Vec<u8>, prometheus::Error> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}
