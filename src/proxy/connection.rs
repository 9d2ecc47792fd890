//! Client connections: accepted, identified, served in HTTP/1.1 or HTTP/2, and let finish when the process stops.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::journey::Proxy;
use crate::config::Limits;
use crate::identity::ClientIdentity;
use crate::net::{Accepting, HeadTimer, IdleTimeout, Refused};
use crate::policy::{Entitlements, Policy};
use crate::telemetry::Metrics;
use crate::tls::{self, Established};

/// The client of one connection, with what the policy gives it.
pub(super) struct Client {
    identity: ClientIdentity,
    label: Arc<str>,
    entitled: ArcSwap<(Arc<Policy>, Arc<Entitlements>)>,
}

impl Client {
    fn new(identity: ClientIdentity, policy: Arc<Policy>) -> Self {
        let entitlements = Arc::new(policy.entitle(&identity));
        let label = identity.to_string().into();
        Self { identity, label, entitled: ArcSwap::from_pointee((policy, entitlements)) }
    }

    /// As logs name it.
    pub(super) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Worked out once for a policy, and anew when another is in force.
    pub(super) fn entitlements(&self, policy: &Arc<Policy>) -> Arc<Entitlements> {
        let entitled = self.entitled.load();
        if Arc::ptr_eq(&entitled.0, policy) {
            return entitled.1.clone();
        }
        let entitlements = Arc::new(policy.entitle(&self.identity));
        self.entitled.store(Arc::new((policy.clone(), entitlements.clone())));
        entitlements
    }
}

/// What the accept loop works with.
pub struct Listener {
    /// The bound socket and its limit.
    pub accepting: Accepting,
    /// What new connections are accepted with; may be replaced at any time.
    pub tls: Arc<ArcSwap<ServerConfig>>,
    /// Time limits.
    pub limits: Limits,
    /// Where connections are counted.
    pub metrics: Metrics,
}

/// Accepts and serves until `stop`, then closes the listener. The tracker knows the connections that still live.
pub async fn serve(listener: Listener, proxy: Arc<Proxy>, stop: CancellationToken, tracker: TaskTracker) {
    let listener = Arc::new(listener);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accepting.next() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, permit)) => {
                tracker.spawn(connection(listener.clone(), stream, permit, proxy.clone(), stop.clone()));
            }
            Err(Refused) => listener.metrics.handshakes.with_label_values(&["over_limit"]).inc(),
        }
    }
}

async fn connection(
    listener: Arc<Listener>,
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    proxy: Arc<Proxy>,
    stop: CancellationToken,
) {
    let peer = stream.peer_addr().ok();
    let handshake = tls::accept(stream, listener.tls.load_full(), listener.limits.handshake_timeout);
    let established = tokio::select! {
        result = handshake => result,
        () = stop.cancelled() => return,
    };
    match established {
        Ok(established) => {
            listener.metrics.handshakes.with_label_values(&["ok"]).inc();
            listener.metrics.connections.inc();
            http(&listener.limits, established, proxy, stop).await;
            listener.metrics.connections.dec();
        }
        Err(error) => {
            listener.metrics.handshakes.with_label_values(&[&error.to_string()]).inc();
            tracing::info!(peer = peer.map(tracing::field::display), result = %error, "connection refused");
        }
    }
    drop(permit);
}

/// Bytes of a request head: S3 allows 8 KiB of headers of which 2 KiB are metadata; presigned queries come on top.
const MAX_HEAD: u32 = 64 * 1024;
/// What hyper reads ahead at most on an HTTP/1.1 connection.
const READ_BUFFER: usize = 512 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// A receive window per stream that fills a fast link, and a bound on what a connection can make us hold.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

async fn http(limits: &Limits, established: Established, proxy: Arc<Proxy>, stop: CancellationToken) {
    let client = Arc::new(Client::new(established.client.identity, proxy.policy()));
    let service = service_fn(move |request| {
        let (proxy, client) = (proxy.clone(), client.clone());
        async move { proxy.answer(&client, request).await }
    });
    let stream = IdleTimeout::new(established.stream, limits.idle_timeout);
    let result = if established.http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            result = connection.as_mut() => result,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(HeadTimer::of(&stream))
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(READ_BUFFER)
            .max_header_size(MAX_HEAD as usize);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            result = connection.as_mut() => result,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a client connection ended");
    }
}
