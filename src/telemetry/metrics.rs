//! Prometheus metrics. Labels are closed sets (operations, codes, causes), never names from requests.

use prometheus::{Encoder, Gauge, HistogramVec, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};

use super::access_log::Unrecordable;
use super::identities::IdentityMetrics;
use super::labels::{BadRequest, UpstreamFault};
use super::process_metrics::{register_process, register_ready};
use super::registration::Registration;

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
    /// Those of them that rest, and hold little memory.
    pub connections_resting: IntGauge,
    /// Connection attempts by their result.
    pub handshakes: IntCounterVec,
    /// Of the handshakes, those in which a ticket stood for the client's certificate.
    pub resumptions: IntCounter,
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
    /// Spans for the collector by what became of them.
    pub spans: IntCounterVec,
    /// By identity, where that is asked for.
    pub identities: Option<IdentityMetrics>,
}

/// From a cached head within the node to a large part over a slow link.
pub(super) const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

impl Metrics {
    /// Registers every metric. Fails only if two had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let register = Registration(&registry);
        register_process(&registry, "s3proxy")?;
        let metrics = Self {
            requests: register.counters(
                "s3proxy_requests_total",
                "Requests answered.",
                &["operation", "status"],
            )?,
            denials: register.counters(
                "s3proxy_denials_total",
                "Requests refused by the proxy itself.",
                &["code"],
            )?,
            unrecorded: register.counters(
                "s3proxy_unrecorded_refusals_total",
                "Requests refused because they could not have been recorded.",
                &["cause"],
            )?,
            bytes_in: register
                .counter("s3proxy_received_bytes_total", "Bytes of request bodies received from clients.")?,
            bytes_out: register
                .counter("s3proxy_sent_bytes_total", "Bytes of response bodies sent to clients.")?,
            duration: register
                .seconds("s3proxy_request_duration_seconds", "From the request head to the last byte.")?,
            upstream_duration: register
                .seconds("s3proxy_upstream_duration_seconds", "Until S3 answered with a head.")?,
            in_flight: register.count("s3proxy_requests_in_flight", "Requests being served.")?,
            connections: register.count("s3proxy_connections", "Open client connections.")?,
            connections_resting: register
                .count("s3proxy_connections_resting", "Open client connections over HTTP/1.1 that rest.")?,
            handshakes: register.counters(
                "s3proxy_handshakes_total",
                "Connection attempts by result.",
                &["result"],
            )?,
            resumptions: register.counter(
                "s3proxy_resumed_handshakes_total",
                "Handshakes in which a ticket stood for the certificate.",
            )?,
            bad_requests: register.counters(
                "s3proxy_bad_requests_total",
                "Heads that were no request: the connection ended.",
                &["cause"],
            )?,
            upstream_errors: register.counters(
                "s3proxy_upstream_errors_total",
                "Failed exchanges with S3.",
                &["kind"],
            )?,
            certificate_expiry: register.gauge(
                "s3proxy_certificate_expiry_timestamp_seconds",
                "When the server certificate expires.",
            )?,
            crl_expiry: register.gauge(
                "s3proxy_crl_expiry_timestamp_seconds",
                "When the first revocation list expires; 0 without lists.",
            )?,
            credentials_expiry: register.gauge(
                "s3proxy_credentials_expiry_timestamp_seconds",
                "When the credentials expire; 0 if they do not.",
            )?,
            credential_loads: register.counters(
                "s3proxy_credential_loads_total",
                "Loads of credentials.",
                &["result"],
            )?,
            sessions: register.count("s3proxy_sessions", "STS sessions of client identities.")?,
            session_loads: register.counters(
                "s3proxy_session_loads_total",
                "Loads of sessions of client identities.",
                &["result"],
            )?,
            clock_skew: register.gauge(
                "s3proxy_clock_skew_seconds",
                "How far AWS's clock is ahead, where signatures correct it; else 0.",
            )?,
            reloads: register.counters(
                "s3proxy_reloads_total",
                "Reloads of configuration and certificates.",
                &["result"],
            )?,
            last_reload: register
                .count("s3proxy_last_reload_successful", "1 while what is in force is what the files say.")?,
            spans: register.counters("s3proxy_spans_total", "Spans by what became of them.", &["result"])?,
            identities: None,
            registry,
        };
        metrics.begin();
        Ok(metrics)
    }

    /// Counts by identity too, for so many of them; with 0 it does not.
    pub fn with_identities(mut self, most: usize) -> Result<Self, prometheus::Error> {
        if most > 0 {
            self.identities = Some(IdentityMetrics::new(&self.registry, most)?);
        }
        Ok(self)
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
        for result in ["sent", "failed", "dropped"] {
            self.spans.with_label_values(&[result]);
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

pub(super) fn expose(registry: &Registry) -> Result<Vec<u8>, prometheus::Error> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}
