//! Spans of OpenTelemetry: one for each request that is sampled, and one below it for what S3 took to answer.
//!
//! They are made when the request is over, of what its line in the access log says, and queued. Nobody waits for a place
//! in the queue or for the collector: what does not fit is counted and gone.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor};
use prometheus::IntCounterVec;
use tokio::sync::mpsc;

use super::access_log::AccessLine;
use super::metrics::Metrics;

/// Spans that wait for the collector: a second or two of ten thousand requests a second of which a tenth is sampled. A
/// span takes a kilobyte or two.
const QUEUE: usize = 8192;
/// W3C Trace Context has propagators keep 512 bytes of `tracestate` at least; a client's is kept up to that.
const MOST_STATE: usize = 512;

/// Makes spans and queues them.
#[derive(Debug, Clone)]
pub struct Traces(SdkTracer);

impl Traces {
    /// Of `sample` of the requests that are not part of a trace already; for the others their trace decides. The spans
    /// come out at the other end.
    pub fn new(sample: f64, metrics: &Metrics) -> (Self, mpsc::Receiver<SpanData>) {
        let (queue, spans) = mpsc::channel(QUEUE);
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Queue { queue, counted: metrics.spans.clone() })
            .with_sampler(sampler)
            .build();
        (Self(provider.tracer(env!("CARGO_PKG_NAME"))), spans)
    }

    /// A request begins, perhaps as part of the client's trace.
    pub fn begin(&self, headers: &HeaderMap) -> Trace {
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        Trace { traces: self.clone(), parent: context.span().span_context().clone() }
    }
}

/// The trace that a request is part of, if any.
#[derive(Debug)]
pub struct Trace {
    traces: Traces,
    parent: SpanContext,
}

/// When what happened.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// When the head had come.
    pub began: SystemTime,
    /// Until the last byte.
    pub took: Duration,
    /// When the request went to S3, after it had begun, and how long until S3 answered with a head.
    pub upstream: Option<(Duration, Duration)>,
}

impl Trace {
    /// The request is over.
    pub fn end(self, line: &AccessLine<'_>, times: &Times) {
        let tracer = &self.traces.0;
        // One that is not valid would pass for a trace that is not sampled.
        let parent = if self.parent.is_valid() {
            Context::new().with_remote_span_context(self.parent)
        } else {
            Context::new()
        };
        let mut span = tracer.build_with_context(of_request(line, times), &parent);
        if !span.is_recording() {
            return;
        }
        if let Some((after, took)) = times.upstream {
            let below = Context::new().with_remote_span_context(span.span_context().clone());
            let began = times.began + after;
            let mut upstream = tracer.build_with_context(of_upstream(line, began), &below);
            upstream.end_with_timestamp(began + took);
        }
        if line.error_code.is_some() && !(400..500).contains(&line.status) {
            span.set_status(Status::error(line.error_code.unwrap_or_default().to_owned()));
        }
        span.end_with_timestamp(times.began + times.took);
    }
}

/// In the words of OpenTelemetry's semantic conventions for HTTP, RPC and S3, where they have one.
fn of_request(line: &AccessLine<'_>, times: &Times) -> SpanBuilder {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("rpc.system", "aws-api"),
        KeyValue::new("rpc.service", "S3"),
        KeyValue::new("http.response.status_code", i64::from(line.status)),
        KeyValue::new("http.request.body.size", number(line.bytes_in)),
        KeyValue::new("http.response.body.size", number(line.bytes_out)),
        KeyValue::new("enduser.id", line.identity.to_owned()),
        KeyValue::new("s3proxy.request_id", line.request_id.to_owned()),
    ];
    let texts = [
        ("rpc.method", line.operation),
        ("aws.s3.bucket", line.bucket),
        ("aws.s3.key", line.key),
        ("error.type", line.error_code),
        ("s3proxy.grant", line.grant),
    ];
    attributes
        .extend(texts.into_iter().filter_map(|(name, text)| Some(KeyValue::new(name, text?.to_owned()))));
    SpanBuilder::from_name(line.operation.unwrap_or("none").to_owned())
        .with_kind(SpanKind::Server)
        .with_start_time(times.began)
        .with_attributes(attributes)
}

fn of_upstream(line: &AccessLine<'_>, began: SystemTime) -> SpanBuilder {
    let id = line.upstream_request_id.map(|id| KeyValue::new("aws.request_id", id.to_owned()));
    SpanBuilder::from_name(format!("S3 {}", line.operation.unwrap_or("none")))
        .with_kind(SpanKind::Client)
        .with_start_time(began)
        .with_attributes(id)
}

/// What a client says of its trace, if it says it once.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(key).iter();
        let value = values.next().filter(|value| value.len() <= MOST_STATE)?;
        if values.next().is_some() { None } else { value.to_str().ok() }
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Where spans wait.
#[derive(Debug)]
struct Queue {
    queue: mpsc::Sender<SpanData>,
    counted: IntCounterVec,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.queue.try_send(span).is_err() {
            self.counted.with_label_values(&["dropped"]).inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> AccessLine<'static> {
        AccessLine {
            time: String::new(),
            identity: "cn:a",
            identities: None,
            operation: Some("GetObject"),
            bucket: None,
            key: None,
            status: 200,
            error_code: None,
            bytes_in: 0,
            bytes_out: 0,
            duration_ms: 1.0,
            upstream_ms: None,
            request_id: "0",
            upstream_request_id: None,
            grant: None,
            accesses: None,
            accesses_omitted: None,
        }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_nobody_waits() {
        let metrics = Metrics::new().unwrap();
        let (traces, mut spans) = Traces::new(1.0, &metrics);
        let times = Times { began: SystemTime::now(), took: Duration::from_millis(1), upstream: None };
        for _ in 0..QUEUE + 3 {
            traces.begin(&HeaderMap::new()).end(&line(), &times);
        }
        assert_eq!(metrics.spans.with_label_values(&["dropped"]).get(), 3);
        let queued = std::iter::from_fn(|| spans.try_recv().ok()).count();
        assert_eq!(queued, QUEUE);
    }

    #[test]
    fn a_trace_is_followed_if_it_is_named_once_and_well() {
        let (traces, _spans) = Traces::new(1.0, &Metrics::new().unwrap());
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = |values: &[&str]| {
            let headers = values.iter().map(|value| {
                (http::HeaderName::from_static("traceparent"), http::HeaderValue::from_str(value).unwrap())
            });
            traces.begin(&headers.collect()).parent.is_valid()
        };
        assert!(parent(&[good]));
        assert!(!parent(&[]) && !parent(&[good, good]) && !parent(&["00-0-0-01"]));
        assert!(!parent(&["00-00000000000000000000000000000000-00f067aa0ba902b7-01"]));
    }
}
