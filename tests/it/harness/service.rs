//! A small HTTP server for the fakes of AWS's services.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

/// A running server; ends with its connections when it is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Service {
    /// On a free port, or again on one that is known.
    pub(crate) fn start<F>(
        address: Option<SocketAddr>,
        answer: impl Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into())).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, accepting: tokio::spawn(accept(listener, Arc::new(answer))) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The connections belong to this future, so that aborting it ends them too.
async fn accept<F>(listener: TcpListener, answer: Arc<impl Fn(Request<Bytes>) -> F + Send + Sync + 'static>)
where
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                Ok::<_, Infallible>(answer(Request::from_parts(head, body)).await)
            }
        });
        connections.spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
