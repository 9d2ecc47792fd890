//! What is known of a request so far. When it is dropped the request is over, however that came: the access-log
//! line is written and the metrics are counted.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use http::{HeaderMap, StatusCode};
use humantime::format_rfc3339_millis;
use tokio::sync::OwnedSemaphorePermit;

use super::client::{Client, Departure};
use super::late_error::LateError;
use crate::s3::{Access, Classified, ErrorCode, Operation, Refusal, Scope, Target};
use crate::telemetry::{
    AccessLine, AccessLog, Accesses, Metrics, Place, Times, Trace, Traces, Unrecordable, UpstreamFault,
};

/// Where finished requests are told of.
#[derive(Debug)]
pub(super) struct Sinks {
    pub(super) log: AccessLog,
    pub(super) metrics: Metrics,
    pub(super) traces: Option<Traces>,
}

/// nginx's number for a client that went away before it was answered.
const CLIENT_CLOSED: u16 = 499;

/// The record of one request.
#[derive(Debug)]
pub(super) struct Record {
    sinks: Arc<Sinks>,
    trace: Option<Trace>,
    place: Option<Place>,
    departure: Departure,
    /// Of what the client may have open at once.
    share: Option<OwnedSemaphorePermit>,
    time: SystemTime,
    started: Instant,
    identity: Arc<str>,
    identities: Option<Arc<[String]>>,
    series: Option<Arc<str>>,
    operation: Option<Operation>,
    bucket: Option<String>,
    key: Option<String>,
    status: Option<StatusCode>,
    error_code: Option<Cow<'static, str>>,
    bytes_in: Arc<AtomicU64>,
    bytes_out: u64,
    sent: Option<Instant>,
    answered: Option<Instant>,
    request_id: String,
    upstream_request_id: Option<String>,
    grant: Option<Arc<str>>,
    accesses: Option<Accesses>,
}

impl Record {
    /// Takes a place in the access log: no request goes unrecorded.
    pub(super) async fn begin(
        sinks: &Arc<Sinks>,
        client: &Client,
        headers: &HeaderMap,
    ) -> Result<Self, Unrecordable> {
        let place = sinks.log.place().await?;
        sinks.metrics.in_flight.inc();
        Ok(Self {
            sinks: sinks.clone(),
            trace: sinks.traces.as_ref().map(|traces| traces.begin(headers)),
            place: Some(place),
            departure: client.departure(),
            share: None,
            time: SystemTime::now(),
            started: Instant::now(),
            identity: client.label().clone(),
            identities: client.names().cloned(),
            series: client.series().cloned(),
            operation: None,
            bucket: None,
            key: None,
            status: None,
            error_code: None,
            bytes_in: Arc::default(),
            bytes_out: 0,
            sent: None,
            answered: None,
            request_id: request_id(),
            upstream_request_id: None,
            grant: None,
            accesses: None,
        })
    }

    /// Counts the request among those that its client has open, if that may be one more.
    pub(super) fn take_share(&mut self, client: &Client) -> Result<(), Refusal> {
        let slow_down = |message| Refusal::new(ErrorCode::SlowDown, message);
        let open = "You have too many requests open. Please reduce your rate.";
        self.share = Some(client.begin().ok_or_else(|| slow_down(open))?);
        if client.share().may_begin() {
            Ok(())
        } else {
            Err(slow_down("You begin too many requests a second. Please reduce your rate."))
        }
    }

    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The counter of bytes that the client sends.
    pub(super) fn bytes_in(&self) -> Arc<AtomicU64> {
        self.bytes_in.clone()
    }

    pub(super) fn classified(&mut self, classified: &Classified) {
        self.operation = Some(classified.operation());
        let target = classified.target();
        self.bucket = target.bucket().map(ToString::to_string);
        self.key = match (target, classified) {
            (Target::Object(_, key), _) => Some(key.to_string()),
            (_, Classified::Whole(asked)) => asked.accesses().first().and_then(listed_prefix),
            (_, Classified::Unread(_) | Classified::Never(_)) => None,
        };
    }

    /// Keeps the accesses that operation, bucket and key do not tell.
    pub(super) fn touches(&mut self, operation: Operation, accesses: &[Access]) {
        self.accesses = Accesses::beyond_the_obvious(operation, accesses);
    }

    pub(super) fn granted(&mut self, grant: &Arc<str>) {
        self.grant = Some(grant.clone());
    }

    /// The grant or guardrail that refused; `None` where simply nothing allows the request.
    pub(super) fn stopped_by(&mut self, decided_by: Option<&str>) {
        self.grant = decided_by.map(Arc::from);
    }

    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.status = Some(refusal.code.status());
        self.error_code = Some(Cow::Borrowed(refusal.code.as_str()));
        self.sinks.metrics.denials.with_label_values(&[refusal.code.as_str()]).inc();
    }

    pub(super) fn sent(&mut self) {
        self.sent = Some(Instant::now());
    }

    pub(super) fn answered(&mut self, status: StatusCode, upstream_request_id: Option<&str>) {
        self.status = Some(status);
        self.answered = Some(Instant::now());
        self.upstream_request_id = upstream_request_id.map(str::to_owned);
    }

    pub(super) fn bytes_out(&mut self, count: usize) {
        self.bytes_out += count as u64;
    }

    /// The client did not take the answer to its end.
    pub(super) fn cut_off(&mut self, expired: bool) {
        self.broken(if expired { "IdleTimeout" } else { self.departure.cause() });
    }

    /// S3 broke off after the head of its answer.
    pub(super) fn truncated(&mut self) {
        self.sinks.metrics.upstream_fault(UpstreamFault::Truncated);
        self.broken("UpstreamBroken");
    }

    /// What looked like a success was none.
    pub(super) fn failed_late(&mut self, code: String) {
        self.sinks.metrics.upstream_fault(UpstreamFault::LateError);
        self.error_code.get_or_insert(Cow::Owned(code));
    }

    /// The answer may turn out to be an error.
    pub(super) fn late_error(&self) -> Option<LateError> {
        LateError::possible(self.operation, self.status?)
    }

    fn broken(&mut self, why: &'static str) {
        self.error_code.get_or_insert(Cow::Borrowed(why));
    }
}

/// In the form of S3's own: 16 upper-case hexadecimal digits.
pub(super) fn request_id() -> String {
    format!("{:016X}", rand::random::<u64>())
}

fn listed_prefix(access: &Access) -> Option<String> {
    match &access.scope {
        Scope::Prefix(_, prefix) => Some(prefix.to_string()),
        _ => None,
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let metrics = &self.sinks.metrics;
        let operation = self.operation.map(Operation::as_str);
        if self.status.is_none() {
            self.error_code.get_or_insert(Cow::Borrowed(self.departure.cause()));
        }
        let status = self.status.map_or(CLIENT_CLOSED, |status| status.as_u16());
        let duration = self.started.elapsed().as_secs_f64();
        let upstream = self.sent.zip(self.answered).map(|(sent, at)| at.duration_since(sent).as_secs_f64());
        let bytes_in = self.bytes_in.load(Ordering::Relaxed);
        let label = operation.unwrap_or("none");
        metrics.in_flight.dec();
        metrics.requests.with_label_values(&[label, &status.to_string()]).inc();
        metrics.duration.with_label_values(&[label]).observe(duration);
        if let Some(upstream) = upstream {
            metrics.upstream_duration.with_label_values(&[label]).observe(upstream);
        }
        metrics.bytes_in.inc_by(bytes_in);
        metrics.bytes_out.inc_by(self.bytes_out);
        if let (Some(identities), Some(series)) = (&metrics.identities, &self.series) {
            identities.count(series, status, bytes_in, self.bytes_out);
        }
        let Some(place) = self.place.take() else { return };
        let trace = self.trace.take();
        let line = AccessLine {
            time: format_rfc3339_millis(self.time).to_string(),
            identity: &self.identity,
            identities: self.identities.as_deref(),
            operation,
            bucket: self.bucket.as_deref(),
            key: self.key.as_deref(),
            status,
            error_code: self.error_code.as_deref(),
            bytes_in,
            bytes_out: self.bytes_out,
            duration_ms: milliseconds(duration),
            upstream_ms: upstream.map(milliseconds),
            request_id: &self.request_id,
            upstream_request_id: self.upstream_request_id.as_deref(),
            grant: self.grant.as_deref(),
            accesses: self.accesses.as_ref(),
            accesses_omitted: self.accesses.as_ref().and_then(Accesses::omitted),
        };
        if let Some(trace) = trace {
            let after = |sent: Instant| sent.duration_since(self.started);
            let upstream = self.sent.zip(self.answered);
            let upstream = upstream.map(|(sent, at)| (after(sent), at.duration_since(sent)));
            trace.end(&line, &Times { began: self.time, took: self.started.elapsed(), upstream });
        }
        place.record(&line);
    }
}

/// To a microsecond: more digits would be noise in the log.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}
