//! Floor 4: the port for the platform. `/livez`, `/readyz` and `/metrics` over plain HTTP: kubelet probes and
//! scrapers present no certificate, and nothing here concerns S3.

use std::convert::Infallible;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use crate::net::{Accepting, HeadTimer, IdleTimeout, Lobby};
use crate::process::Readiness;
use crate::telemetry::Exposition;

/// Scrapers come every few seconds and reuse their connection.
const IDLE: Duration = Duration::from_mins(2);
/// For a head, from its first byte.
const HEADERS: Duration = Duration::from_secs(5);
/// Beyond so many connections the oldest is closed: probes must get in, whoever else keeps connections open. Less than
/// the listener takes.
const AT_A_TIME: usize = 48;

/// Serves until `stop`.
pub async fn serve<M: Exposition + Clone + Send + Sync + 'static>(
    accepting: Accepting,
    metrics: M,
    readiness: Readiness,
    stop: CancellationToken,
) {
    let lobby = Lobby::new(AT_A_TIME);
    loop {
        let accepted = tokio::select! {
            accepted = accepting.next() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, permit)) = accepted else { continue };
        let seat = lobby.enter();
        let (metrics, readiness, stop) = (metrics.clone(), readiness.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&request, &metrics, &readiness);
                async move { Ok::<_, Infallible>(response) }
            });
            let stream = IdleTimeout::new(stream, IDLE);
            let mut builder = http1::Builder::new();
            builder.timer(HeadTimer::of(&stream)).header_read_timeout(HEADERS);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // A scraper that goes away is nobody's concern.
                _ = connection => {}
                () = seat.taken() => {}
                () = stop.cancelled() => {}
            }
            drop(permit);
        });
    }
}

fn answer<M: Exposition>(
    request: &Request<Incoming>,
    metrics: &M,
    readiness: &Readiness,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" => {
            let missing = readiness.missing();
            if missing.is_empty() {
                text(StatusCode::OK, "ok\n")
            } else {
                text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", ")))
            }
        }
        "/metrics" => match metrics.expose() {
            Ok(exposition) => {
                let mut response = text(StatusCode::OK, exposition);
                let format = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, format);
                response
            }
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
