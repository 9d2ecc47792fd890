//! Client connections: accepted, identified, served in HTTP/1.1 or HTTP/2, and let finish when the process stops.

use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::at_rest::{self, Open, Rest};
use super::client::Client;
use super::ending::{Ending, LAST_CALL, Trust, jittered};
use super::journey::Proxy;
use super::pace::PacedStreams;
use crate::config::Limits;
use crate::net::{
    Accepting, HeadTimer, HeadWatch, Http2Heads, IdleTimeout, Lobby, Objection, Peer, Peers, Refused, Stop,
    bound_unsent,
};
use crate::telemetry::{BadRequest, Counted, Metrics};
use crate::tls::{self, Established, HandshakeError, ServerTls};

/// What the accept loop works with.
pub struct Listener {
    /// The bound socket and its limit.
    pub accepting: Accepting,
    /// What new connections are accepted with, and open ones are judged by anew when it is replaced.
    pub tls: watch::Receiver<Arc<ServerTls>>,
    /// Time limits.
    pub limits: Limits,
    /// Where connections are counted.
    pub metrics: Metrics,
}

/// Accepts and serves until `stop`, then closes the listener. The tracker knows the connections that still live.
pub async fn serve(listener: Listener, proxy: Arc<Proxy>, stop: Stop, tracker: TaskTracker) {
    // The socket stays in this function and closes with it: connections that drain must not keep it open.
    let Listener { accepting, tls, limits, metrics } = listener;
    let places = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let peers = limits.max_connections_per_peer.map(Peers::new);
    let terms = Arc::new(Terms { tls, limits, metrics, places, peers, lobby: Lobby::new(HANDSHAKES) });
    loop {
        let accepted = tokio::select! {
            accepted = accepting.next() => accepted,
            () = stop.drain.cancelled() => return,
        };
        match accepted {
            // Known before the work of a handshake.
            Ok(_) if terms.places.available_permits() == 0 => terms.refused("over_limit"),
            Ok((stream, permit)) => match terms.admit(&stream) {
                Ok(peer) => {
                    let held = (permit, peer);
                    tracker.spawn(connection(terms.clone(), stream, held, proxy.clone(), stop.clone()));
                }
                Err(Refused) => terms.refused("over_peer_limit"),
            },
            Err(Refused) => terms.refused("over_limit"),
        }
    }
}

/// What every connection works with.
struct Terms {
    tls: watch::Receiver<Arc<ServerTls>>,
    limits: Limits,
    metrics: Metrics,
    /// Of clients that are known.
    places: Arc<Semaphore>,
    /// Connections of each address, where they are bounded.
    peers: Option<Peers>,
    /// Where the others are.
    lobby: Lobby,
}

impl Terms {
    fn refused(&self, result: &str) {
        self.metrics.handshakes.with_label_values(&[result]).inc();
    }

    /// Unless its address has as many connections as it may. A peer whose address is not known has gone already.
    fn admit(&self, stream: &TcpStream) -> Result<Option<Peer>, Refused> {
        let (Some(peers), Ok(address)) = (&self.peers, stream.peer_addr()) else { return Ok(None) };
        peers.enter(address.ip()).map(Some).ok_or(Refused)
    }
}

/// Handshakes at a time. They take milliseconds; who needs longer than so many others makes room for them.
const HANDSHAKES: usize = 512;

/// Sockets at a time, for the listener: clients that are known, and those in the middle of their handshake.
pub fn sockets(limits: &Limits) -> usize {
    limits.max_connections.saturating_add(HANDSHAKES)
}

async fn connection(
    terms: Arc<Terms>,
    stream: TcpStream,
    held: (OwnedSemaphorePermit, Option<Peer>),
    proxy: Arc<Proxy>,
    stop: Stop,
) {
    let peer = stream.peer_addr().ok();
    if let Err(error) = bound_unsent(&stream) {
        tracing::debug!(%error, "the send buffer could not be bounded; the connection is probably gone");
    }
    let mut tls = terms.tls.clone();
    let current = tls.borrow_and_update().clone();
    // Each part has its memory while it lasts: a connection at rest keeps none of the handshake's.
    let handshake = Box::pin(tls::accept(stream, current.config.clone(), terms.limits.handshake_timeout));
    let seat = terms.lobby.enter();
    let established = tokio::select! {
        result = handshake => result,
        () = seat.taken() => Err(HandshakeError::CrowdedOut),
        () = last_call(&stop) => return,
    };
    drop(seat);
    match established {
        Ok(established) => {
            let Ok(_place) = terms.places.clone().try_acquire_owned() else {
                return terms.refused("over_limit");
            };
            terms.metrics.handshakes.with_label_values(&["ok"]).inc();
            if established.resumed {
                terms.metrics.resumptions.inc();
            }
            let _counted = Counted::new(&terms.metrics.connections);
            Box::pin(http(&terms, established, proxy, stop, tls)).await;
        }
        Err(error) => {
            terms.metrics.handshakes.with_label_values(&[&error.to_string()]).inc();
            tracing::info!(peer = peer.map(tracing::field::display), result = %error, "connection refused");
        }
    }
    drop(held);
}

/// When the process stops, a client may have done its part of the handshake and sent a request behind it.
async fn last_call(stop: &Stop) {
    stop.drain.cancelled().await;
    tokio::time::sleep(LAST_CALL).await;
}

/// Bytes of a request head: S3 allows 8 KiB of headers of which 2 KiB are metadata; presigned queries come on top.
const MAX_HEAD: u32 = 64 * 1024;
/// Header lines of an HTTP/1.1 head; over HTTP/2 the bytes alone count. S3 takes some hundred short metadata entries.
const MAX_HEADERS: usize = 256;
/// What hyper reads ahead at most on an HTTP/1.1 connection.
const READ_BUFFER: usize = 512 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// A receive window per stream that fills a link within a region (a gigabit at two milliseconds), and a bound on what a
/// connection can make us hold: with every connection in use, four gigabytes at the very worst.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What hyper buffers for each HTTP/2 stream of a client that does not read.
const SEND_BUFFER: usize = 64 * 1024;

async fn http(
    terms: &Terms,
    established: Established,
    proxy: Arc<Proxy>,
    stop: Stop,
    tls: watch::Receiver<Arc<ServerTls>>,
) {
    let Terms { limits, metrics, .. } = terms;
    // Longer than S3's side by what it takes to reach S3: while S3 is silent both sides are, and it must be S3's that
    // ends first, so that the client still gets an answer.
    let patience = limits.idle_timeout + limits.connect_timeout;
    let mut stream = IdleTimeout::new(established.stream, patience);
    let heads = (!established.http2).then(|| stream.watch_heads());
    let open = Open::default();
    let rest = heads.clone().map(|heads| Rest {
        open: open.clone(),
        heads,
        traffic: stream.traffic(),
        resting: metrics.connections_resting.clone(),
    });
    let client = Client::new(established.client.identity, &proxy, stream.expired());
    let (label, client) = (client.label().clone(), Arc::new(client));
    let trust = Trust::new(established.chain, established.client.not_after, tls);
    let age = limits.max_connection_age.map(jittered);
    let (grace, http2) = (limits.drain_timeout, established.http2);
    let ending = Ending::new(stop, trust, client.clone(), grace, age, http2);
    let ended = CancellationToken::new();
    let streams = PacedStreams::new(patience, ended.clone());
    let _ended = ended.drop_guard();
    let service = service_fn(move |request| {
        let (proxy, client) = (proxy.clone(), client.clone());
        let reading = heads.as_ref().map_or(Ok(()), HeadWatch::next);
        let opened = open.begin();
        // hyper keeps room for this future while the connection rests.
        Box::pin(async move {
            let answered = proxy.answer(&client, request, reading).await;
            answered.map(|response| response.map(|body| body.holding(opened)))
        })
    });
    let mut objection = None;
    let result = if let Some(rest) = rest {
        let mut builder = http1::Builder::new();
        builder
            .timer(HeadTimer::of(&stream))
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(READ_BUFFER)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD as usize);
        at_rest::serve(&builder, stream, service, rest, ending).await
    } else {
        let mut builder = http2::Builder::new(streams);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(MAX_HEAD);
        let counted = metrics.clone();
        let refused = move |objection| counted.bad_request(BadRequest::from(objection));
        let stream = Http2Heads::new(stream, limits.header_timeout, refused);
        objection = Some(stream.objection());
        ending.drive(Box::pin(builder.serve_connection(TokioIo::new(stream), service))).await
    };
    // However the library puts it to us.
    let objection = objection.and_then(|objection| objection.get().copied());
    if let Some(cause) = objection.map(BadRequest::from).or_else(|| of_error(result.as_ref().err()?)) {
        metrics.bad_request(cause);
        let error = result.err().map(|error| causes(&error));
        tracing::info!(client = %label, %cause, error, "a request that is none; the connection ends");
    } else if let Err(error) = result {
        tracing::debug!(client = %label, error = causes(&error), "a client connection ended");
    }
}

impl From<Objection> for BadRequest {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::LateHead => Self::HeadTimeout,
            Objection::Flood => Self::Flood,
            Objection::TooManyStreams => Self::TooManyStreams,
            Objection::Protocol => Self::Protocol,
        }
    }
}

/// What hyper refuses itself never becomes a request of ours, and would otherwise leave no trace.
fn of_error(error: &hyper::Error) -> Option<BadRequest> {
    if error.is_parse_too_large() {
        Some(BadRequest::HeadTooLarge)
    } else if error.is_parse() {
        Some(BadRequest::Malformed)
    } else if error.is_timeout() {
        Some(BadRequest::HeadTimeout)
    } else {
        of_frames(error)
    }
}

/// What the HTTP/2 library does not bear, as far as it ends the connection.
fn of_frames(error: &hyper::Error) -> Option<BadRequest> {
    let error = chain(error).find_map(|cause| cause.downcast_ref::<h2::Error>())?;
    // Only what it objects to itself: a client's own goodbye has a reason too.
    match error.reason().filter(|_| error.is_library())? {
        h2::Reason::ENHANCE_YOUR_CALM => Some(BadRequest::Flood),
        _ => Some(BadRequest::Protocol),
    }
}

fn chain(error: &hyper::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |cause| cause.source())
}

fn causes(error: &hyper::Error) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
