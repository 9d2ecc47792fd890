//! Sends spans to the collector, in batches, for as long as the process lives and a moment longer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::config::{Config, TracesSettings};
use crate::telemetry::{Metrics, Traces};
use crate::upstream::{Link, Upstream};

/// Spans that go in one request.
const BATCH: usize = 512;
/// How long spans gather.
const GATHER: Duration = Duration::from_millis(200);
/// For one request to the collector.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer. It says next to nothing.
const MAX_ANSWER: usize = 64 * 1024;

/// Where spans come out again.
pub(super) struct Exporting {
    spans: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
    metrics: Metrics,
}

/// Both ends of what the configuration asks for, if it does.
pub(super) fn prepare(config: &Config, metrics: &Metrics) -> Result<Option<(Traces, Exporting)>, StartError> {
    let Some(settings) = &config.traces else { return Ok(None) };
    let (traces, spans) = Traces::new(settings.sample, metrics);
    let client = Collector(Upstream::over(link(config, settings)?));
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(settings.endpoint.to_string())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(TIMEOUT)
        // What could be tried again would keep newer spans waiting.
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| StartError::Traces(error.to_string()))?;
    exporter.set_resource(&resource());
    Ok(Some((traces, Exporting { spans, exporter, metrics: metrics.clone() })))
}

fn link(config: &Config, settings: &TracesSettings) -> Result<Link, StartError> {
    let tls =
        Link::trusting(settings.ca.as_deref()).map_err(|error| StartError::Traces(error.to_string()))?;
    Ok(Link {
        tls,
        server_name: None,
        connect_timeout: config.limits.connect_timeout,
        idle_timeout: TIMEOUT,
        pool_idle: TIMEOUT,
        most: 1,
    })
}

/// Who the spans are from; `OTEL_RESOURCE_ATTRIBUTES` says more, and may say otherwise.
fn resource() -> Resource {
    Resource::builder_empty()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .build()
}

impl Exporting {
    /// Until `stop`, and what is queued then.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let (mut batch, mut failing) = (Vec::new(), false);
        loop {
            tokio::select! {
                _ = self.spans.recv_many(&mut batch, BATCH) => {
                    tokio::select! {
                        () = tokio::time::sleep(GATHER) => {}
                        () = stop.cancelled() => {}
                    }
                }
                () = stop.cancelled() => {}
            }
            let ends = stop.is_cancelled();
            loop {
                while batch.len() < BATCH
                    && let Ok(span) = self.spans.try_recv()
                {
                    batch.push(span);
                }
                if batch.is_empty() {
                    break;
                }
                failing = self.send(std::mem::take(&mut batch), failing).await;
            }
            if ends {
                return;
            }
        }
    }

    /// Whether it failed. A repeated failure is not told of again.
    async fn send(&self, batch: Vec<SpanData>, again: bool) -> bool {
        let count = batch.len() as u64;
        let result = match tokio::time::timeout(TIMEOUT, self.exporter.export(batch)).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {TIMEOUT:?}")),
        };
        match &result {
            Err(error) if !again => tracing::warn!(error, "spans are lost: the collector does not take them"),
            Ok(()) if again => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        let label = if result.is_ok() { "sent" } else { "failed" };
        self.metrics.spans.with_label_values(&[label]).inc_by(count);
        result.is_err()
    }
}

/// The collector, over our own client: no second stack of TLS.
struct Collector(Upstream<Full<Bytes>>);

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let mut request = request.map(Full::new);
            let host = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
            if let Some(host) = host.transpose()? {
                request.headers_mut().insert(HOST, host);
            }
            let (head, body) = self.0.send(request, || None).await?.into_parts();
            Ok(Response::from_parts(head, Limited::new(body, MAX_ANSWER).collect().await?.to_bytes()))
        })
    }
}
