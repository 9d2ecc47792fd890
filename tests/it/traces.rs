//! Spans for a collector: whose trace they belong to, what they say, and that nobody waits for them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

use crate::harness::{Service, Setup, Upstream, answer, eventually, spiffe, verify};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-amz-request-id: S3ID\r\n\r\nok";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector that keeps what it gets, decoded by the protocol's own messages.
struct Collector {
    service: Service,
    got: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    fn start() -> Self {
        let got: Arc<Mutex<Vec<Span>>> = Arc::default();
        let kept = got.clone();
        let service = Service::start(None, move |request: Request<Bytes>| {
            assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/traces"));
            assert_eq!(request.headers()["content-type"], "application/x-protobuf");
            let message = ExportTraceServiceRequest::decode(request.into_body()).unwrap();
            for resource in message.resource_spans {
                let attributes = resource.resource.unwrap().attributes;
                let name = attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
                let name = name.value.clone().unwrap().value.unwrap();
                assert_eq!(name, Value::StringValue("s3-access-proxy".to_owned()));
                kept.lock().unwrap().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
            std::future::ready(Response::new(Full::default()))
        });
        Self { service, got }
    }

    fn setup(&self, upstream: &Upstream, sample: &str) -> Setup {
        setup(upstream, &self.service, sample)
    }

    /// Waits for so many spans, and fails if there are more.
    async fn exactly(&self, count: usize) -> Vec<Span> {
        let spans = eventually(&format!("{count} spans"), async || {
            Some(self.got.lock().unwrap().clone()).filter(|spans| spans.len() >= count)
        })
        .await;
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }
}

fn setup(upstream: &Upstream, collector: &Service, sample: &str) -> Setup {
    let mut setup = Setup::new(upstream.endpoint());
    setup.more = format!("traces: {{ endpoint: \"http://{}\", sample: {sample} }}\n", collector.address);
    setup
}

fn text(span: &Span, key: &str) -> String {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key);
    let value = attribute.and_then(|attribute| attribute.value.clone()?.value);
    match value.unwrap_or_else(|| panic!("no {key} in {span:#?}")) {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn parent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{flags}")
}

#[tokio::test]
async fn a_request_is_part_of_its_clients_trace_and_s3_hears_nothing_of_it() {
    let (upstream, collector) = (Upstream::scripted(|_| answer(OK)).await, Collector::start());
    // Who traces decides; left to itself, the proxy would not.
    let proxy = collector.setup(&upstream, "0").start().await;
    let headers = [&*parent("01"), "tracestate: vendor=1"];
    let reply = proxy.client("admin").await.ask("GET", "/reports/daily/x", &headers, b"").await;
    assert_eq!(reply.status, 200);
    let spans = collector.exactly(2).await;
    let of = |kind: SpanKind| spans.iter().find(|span| span.kind == kind as i32).unwrap();
    let (request, s3) = (of(SpanKind::Server), of(SpanKind::Client));
    assert_eq!(
        (hex::encode(&request.trace_id), hex::encode(&request.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    assert_eq!(request.trace_state, "vendor=1");
    assert_eq!((&s3.trace_id, &s3.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!((request.name.as_str(), s3.name.as_str()), ("GetObject", "S3 GetObject"));
    for (key, value) in [
        ("enduser.id", &*spiffe("admin")),
        ("aws.s3.bucket", "reports"),
        ("aws.s3.key", "daily/x"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "2"),
        ("s3proxy.grant", "everything"),
    ] {
        assert_eq!(text(request, key), value);
    }
    assert_eq!(text(s3, "aws.request_id"), "S3ID");
    assert!(request.start_time_unix_nano <= s3.start_time_unix_nano);
    assert!(s3.end_time_unix_nano <= request.end_time_unix_nano);
    let seen = upstream.only();
    verify(&seen);
    assert!(!seen.headers().iter().any(|(name, _)| name.starts_with("trace")), "{seen:?}");
    proxy.metric_reaches("s3proxy_spans_total{result=\"sent\"}", 2.0).await;
}

#[tokio::test]
async fn without_a_trace_of_the_clients_the_proxy_decides() {
    let (upstream, collector) = (Upstream::scripted(|_| answer(OK)).await, Collector::start());
    let proxy = collector.setup(&upstream, "1").start().await;
    let mut wire = proxy.client("reader").await;
    let unsampled = parent("00");
    for headers in [&[&*unsampled][..], &["traceparent: 00-nonsense"], &[]] {
        wire.ask("GET", "/reports/daily/x", headers, b"").await;
    }
    // One that is refused has no part of S3's.
    assert_eq!(wire.ask("GET", "/reports/secret", &[], b"").await.status, 403);
    let spans = collector.exactly(5).await;
    let traces: std::collections::HashSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!(traces.len(), 3, "each in a trace of its own, but none for who said no");
    let refused = spans.iter().find(|span| span.attributes.iter().any(|a| a.key == "error.type")).unwrap();
    assert_eq!(text(refused, "error.type"), "AccessDenied");
    assert_eq!(text(refused, "http.response.status_code"), "403");
}

#[tokio::test]
async fn what_is_queued_is_sent_before_the_end() {
    let (upstream, collector) = (Upstream::scripted(|_| answer(OK)).await, Collector::start());
    let proxy = collector.setup(&upstream, "1").start().await;
    assert_eq!(proxy.client("admin").await.ask("GET", "/reports/x", &[], b"").await.status, 200);
    proxy.stop.cancel();
    proxy.stopped().await;
    assert_eq!(collector.got.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn neither_a_request_nor_the_end_waits_for_a_collector_that_says_nothing() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let asked = Arc::new(tokio::sync::Notify::new());
    let hears = asked.clone();
    let silent = Service::start(None, move |_| {
        hears.notify_one();
        std::future::pending::<Response<Full<Bytes>>>()
    });
    let proxy = setup(&upstream, &silent, "1").start().await;
    let mut wire = proxy.client("admin").await;
    assert_eq!(wire.ask("GET", "/reports/x", &[], b"").await.status, 200);
    crate::harness::within("a batch on its way", asked.notified()).await;
    for _ in 0..20 {
        assert_eq!(wire.ask("GET", "/reports/x", &[], b"").await.status, 200);
    }
    let told = std::time::Instant::now();
    proxy.stop.cancel();
    proxy.stopped().await;
    assert!(told.elapsed() < std::time::Duration::from_secs(8), "{:?}", told.elapsed());
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_told_of_in_metrics_alone() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let gone = Service::start(None, |_| std::future::ready(Response::new(Full::default())));
    let setup = setup(&upstream, &gone, "1");
    drop(gone);
    let proxy = setup.start().await;
    assert_eq!(proxy.client("admin").await.ask("GET", "/reports/x", &[], b"").await.status, 200);
    proxy.metric_reaches("s3proxy_spans_total{result=\"failed\"}", 2.0).await;
}
