//! An HTTP/2 client: hyper's, because what goes wrong here goes wrong in frames, not in text.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use super::within;

type Body = BoxBody<Bytes, Infallible>;

/// A connection that ends when this is dropped.
pub(crate) struct Http2 {
    sender: SendRequest<Body>,
    pub(crate) connection: JoinHandle<()>,
}

impl Http2 {
    pub(crate) async fn new(stream: TlsStream<TcpStream>) -> Self {
        Self::with(stream, &Builder::new(TokioExecutor::new())).await
    }

    /// One that takes no byte of an answer, and is alive all the same.
    pub(crate) async fn unwilling(stream: TlsStream<TcpStream>) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(Duration::from_millis(50));
        Self::with(stream, builder.initial_stream_window_size(0)).await
    }

    async fn with(stream: TlsStream<TcpStream>, builder: &Builder<TokioExecutor>) -> Self {
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let handshake = builder.handshake(TokioIo::new(stream));
        let (sender, connection) = within("the HTTP/2 handshake", handshake).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { sender, connection }
    }

    /// Sends a request, by lines as the HTTP/1.1 client takes them, and waits for the head of the answer.
    pub(crate) async fn begin(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> hyper::Result<Response<Incoming>> {
        let whole = if body.is_empty() {
            Empty::new().boxed()
        } else {
            Full::new(Bytes::copy_from_slice(body)).boxed()
        };
        self.send(head(method, target, headers), whole).await
    }

    /// The same with a body of pieces, whose length is not announced.
    pub(crate) async fn begin_pieces(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        pieces: Vec<Vec<u8>>,
    ) -> hyper::Result<Response<Incoming>> {
        let frames = pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from(piece))));
        let body = BodyExt::boxed(StreamBody::new(stream::iter(frames)));
        self.send(head(method, target, headers), body).await
    }

    /// A request without a body, begun now and answered later.
    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + Send + 'static {
        let request = head(method, target, &[]).body(Empty::new().boxed()).unwrap();
        let answer = self.sender.send_request(request);
        async move { within("an HTTP/2 answer", answer).await }
    }

    async fn send(&mut self, head: http::request::Builder, body: Body) -> hyper::Result<Response<Incoming>> {
        let request = head.body(body).unwrap();
        within("an HTTP/2 answer", self.sender.send_request(request)).await
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn head(method: &str, target: &str, headers: &[&str]) -> http::request::Builder {
    let host = headers.iter().find_map(|line| line.strip_prefix("Host: ")).unwrap_or("localhost");
    let mut builder = Request::builder().method(method).uri(format!("https://{host}{target}"));
    for line in headers.iter().filter(|line| !line.starts_with("Host: ")) {
        let (name, value) = line.split_once(':').unwrap();
        builder = builder.header(name, value.trim());
    }
    builder
}

/// The body, whole or not at all.
pub(crate) async fn collect(response: Response<Incoming>) -> hyper::Result<Bytes> {
    Ok(within("an HTTP/2 body", response.into_body().collect()).await?.to_bytes())
}
