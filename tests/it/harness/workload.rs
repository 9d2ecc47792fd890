//! An agent of ours in place of SPIRE's: the one call of the SPIFFE Workload API that the proxy makes, as gRPC over a
//! UNIX socket, with what the test gives it.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Authority, Leaf};

/// `X509SVIDResponse` of the Workload API's `workload.proto`.
#[derive(Clone, PartialEq, Message)]
struct X509SvidResponse {
    #[prost(message, repeated, tag = "1")]
    svids: Vec<X509Svid>,
}

#[derive(Clone, PartialEq, Message)]
struct X509Svid {
    #[prost(string, tag = "1")]
    spiffe_id: String,
    #[prost(bytes = "vec", tag = "2")]
    chain: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    bundle: Vec<u8>,
}

/// A running agent.
pub(crate) struct Agent {
    says: watch::Sender<Vec<u8>>,
    accepting: JoinHandle<()>,
}

impl Agent {
    /// Listens on a socket, and gives this SVID and bundle to whoever asks as the API demands.
    pub(crate) fn start(socket: &Path, id: &str, leaf: &Leaf, bundle: &[&Authority]) -> Self {
        let says = watch::Sender::new(message(id, leaf, bundle));
        let listener = UnixListener::bind(socket).unwrap();
        let accepting = tokio::spawn(accept(listener, says.subscribe()));
        Self { says, accepting }
    }

    /// Streams another one to everybody.
    pub(crate) fn rotate(&self, id: &str, leaf: &Leaf, bundle: &[&Authority]) {
        self.says.send_replace(message(id, leaf, bundle));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// In gRPC's framing: not compressed, then the length.
fn message(id: &str, leaf: &Leaf, bundle: &[&Authority]) -> Vec<u8> {
    let svid = X509Svid {
        spiffe_id: id.to_owned(),
        chain: leaf.certificate.to_vec(),
        key: leaf.key().secret_der().to_vec(),
        bundle: bundle.iter().flat_map(|authority| authority.certificate.to_vec()).collect(),
    };
    let message = X509SvidResponse { svids: vec![svid] }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &message].concat()
}

async fn accept(listener: UnixListener, says: watch::Receiver<Vec<u8>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let says = says.clone();
        let service = service_fn(move |request| {
            let response = answer(&request, says.clone());
            async move { Ok::<_, Infallible>(response) }
        });
        let builder = http2::Builder::new(TokioExecutor::new());
        connections.spawn(builder.serve_connection(TokioIo::new(stream), service));
    }
}

fn answer(
    request: &Request<Incoming>,
    mut says: watch::Receiver<Vec<u8>>,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    assert_eq!(request.uri().path(), "/SpiffeWorkloadAPI/FetchX509SVID");
    // SPIFFE Workload Endpoint, section 3: against forged requests of servers.
    assert_eq!(request.headers()["workload.spiffe.io"], "true");
    says.mark_changed();
    let messages = stream::unfold(says, async |mut says| {
        says.changed().await.ok()?;
        let message = Bytes::from(says.borrow_and_update().clone());
        Some((Ok(Frame::data(message)), says))
    });
    let mut response = Response::new(UnsyncBoxBody::new(StreamBody::new(messages)));
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
    response
}
