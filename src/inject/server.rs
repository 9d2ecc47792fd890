//! The webhook's connections: TLS without a client certificate, since a cluster's API server has none for webhooks, and
//! one bounded, quick answer a request. What it is sent may be anything.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::review::{Endpoint, MAX_REVIEW, review};
use crate::config::Injection;
use crate::net::{Accepting, HeadTimer, IdleTimeout, Lobby, Stop};
use crate::telemetry::WebhookMetrics;

/// What the accept loop works with.
pub struct Listener {
    /// The bound socket and its limit.
    pub accepting: Accepting,
    /// What new connections are accepted with; none before there is a certificate.
    pub tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    /// How sidecars are to be.
    pub settings: watch::Receiver<Arc<Injection>>,
    /// Where reviews are counted.
    pub metrics: WebhookMetrics,
}

/// Beyond so many connections the oldest is closed, so that the API server gets in whoever else keeps some open.
const AT_A_TIME: usize = 256;
/// For a handshake, for a head and for a body each. The API server itself waits for thirty seconds at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// Characters of what is said about something that is no review.
const MAX_COMPLAINT: usize = 300;
/// The API server keeps connections for reviews to come.
const IDLE: Duration = Duration::from_mins(2);

/// Accepts and serves until `stop`, then closes the listener. The tracker knows the connections that still live.
pub async fn serve(listener: Listener, stop: Stop, tracker: TaskTracker) {
    let Listener { accepting, tls, settings, metrics } = listener;
    let lobby = Lobby::new(AT_A_TIME);
    let desk = Arc::new(Desk { settings, metrics });
    loop {
        let accepted = tokio::select! {
            accepted = accepting.next() => accepted,
            () = stop.drain.cancelled() => return,
        };
        let Ok((stream, permit)) = accepted else { continue };
        let Some(config) = tls.borrow().clone() else { continue };
        let (seat, desk, stop) = (lobby.enter(), desk.clone(), stop.clone());
        tracker.spawn(async move {
            tokio::select! {
                () = connection(stream, config, desk, stop) => {}
                () = seat.taken() => {}
            }
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, config: Arc<ServerConfig>, desk: Arc<Desk>, stop: Stop) {
    let handshake = tokio::time::timeout(PATIENCE, TlsAcceptor::from(config).accept(stream));
    let stream = match handshake.await {
        Ok(Ok(stream)) => IdleTimeout::new(stream, IDLE),
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake failed"),
        Err(_) => return,
    };
    let mut builder = http1::Builder::new();
    builder.timer(HeadTimer::of(&stream)).header_read_timeout(PATIENCE);
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    if let Err(error) = stop.drive(builder.serve_connection(TokioIo::new(stream), service)).await {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Where reviews are answered.
struct Desk {
    settings: watch::Receiver<Arc<Injection>>,
    metrics: WebhookMetrics,
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let endpoint = match request.uri().path() {
            "/mutate" => Endpoint::Mutate,
            "/validate" => Endpoint::Validate,
            _ => return text(StatusCode::NOT_FOUND, "there are /mutate and /validate\n"),
        };
        if *request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only POST\n");
        }
        let started = Instant::now();
        let (response, result) = self.review(endpoint, request).await;
        self.metrics.reviews.with_label_values(&[endpoint.as_str(), result]).inc();
        self.metrics.duration.observe(started.elapsed().as_secs_f64());
        response
    }

    async fn review(
        &self,
        endpoint: Endpoint,
        request: Request<Incoming>,
    ) -> (Response<Full<Bytes>>, &'static str) {
        let body = Limited::new(request.into_body(), MAX_REVIEW).collect();
        let body = match tokio::time::timeout(PATIENCE, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => {
                return (
                    text(StatusCode::PAYLOAD_TOO_LARGE, "cut short, or larger than 8 MiB\n"),
                    "nonsense",
                );
            }
            Err(_) => {
                return (text(StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n"), "nonsense");
            }
        };
        let settings = self.settings.borrow().clone();
        match review(endpoint, &body, &settings) {
            Ok(reviewed) => {
                let mut response = Response::new(Full::new(reviewed.body.into()));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                (response, reviewed.result)
            }
            Err(error) => {
                // It may quote what was sent.
                let why: String = error.to_string().chars().take(MAX_COMPLAINT).collect();
                tracing::warn!(error = why, "something else than a review was sent");
                (text(StatusCode::BAD_REQUEST, format!("{why}\n")), "nonsense")
            }
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
