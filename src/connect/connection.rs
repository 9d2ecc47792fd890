//! Clients of this machine: accepted, served in HTTP/1.1, and let finish when the process stops.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio_util::task::TaskTracker;

use super::bridge::Bridge;
use crate::net::{Accepting, HeadTimer, IdleTimeout, LocalListener, LocalStream, Refused, Stop};
use crate::telemetry::Counted;

/// What the accept loop works with.
pub struct Listener {
    /// The bound socket and its limit.
    pub accepting: Accepting<LocalListener>,
    /// From the first byte of a request head to its last.
    pub header_timeout: Duration,
    /// Without a byte in either direction.
    pub idle_timeout: Duration,
}

/// Accepts and serves until `stop`, then closes the listener. The tracker knows the connections that still live.
pub async fn serve(listener: Listener, bridge: Arc<Bridge>, stop: Stop, tracker: TaskTracker) {
    // The socket stays in this function and closes with it: connections that drain must not keep it open.
    let Listener { accepting, header_timeout, idle_timeout } = listener;
    loop {
        let accepted = tokio::select! {
            accepted = accepting.next() => accepted,
            () = stop.drain.cancelled() => return,
        };
        match accepted {
            Ok((stream, permit)) => {
                let (bridge, stop) = (bridge.clone(), stop.clone());
                tracker.spawn(async move {
                    let _counted = Counted::new(&bridge.metrics().connections);
                    let stream = IdleTimeout::new(stream, idle_timeout);
                    http(stream, header_timeout, bridge.clone(), stop).await;
                    drop(permit);
                });
            }
            Err(Refused) => bridge.metrics().over_limit.inc(),
        }
    }
}

/// Bytes of a request head: what the proxy behind takes.
const MAX_HEAD: usize = 64 * 1024;
/// Header lines of a request head, likewise.
const MAX_HEADERS: usize = 256;
/// What hyper reads ahead at most.
const READ_BUFFER: usize = 512 * 1024;

async fn http(
    mut stream: IdleTimeout<LocalStream>,
    header_timeout: Duration,
    bridge: Arc<Bridge>,
    stop: Stop,
) {
    let heads = stream.watch_heads();
    let service = service_fn(move |request| {
        let (bridge, reading) = (bridge.clone(), heads.next());
        async move { bridge.answer(request, reading).await }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(HeadTimer::of(&stream))
        .header_read_timeout(header_timeout)
        .max_buf_size(READ_BUFFER)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = stop.drive(connection).await {
        tracing::debug!(%error, "a client connection ended");
    }
}
