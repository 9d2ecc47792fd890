//! A stand-in for S3 that costs as little as hyper lets it: the bytes that a GET asks for, a nod for a PUT.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tls;

/// Bytes of an object that go out in one piece.
const BLOCK: usize = 256 * 1024;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// An object of zeros.
struct Object {
    left: u64,
}

impl Body for Object {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let take = usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
        self.left -= take as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS[..take])))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Serves on a free port until the process ends.
pub(crate) async fn serve(folder: &Path) -> anyhow::Result<()> {
    let acceptor = TlsAcceptor::from(tls::server(folder, false)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (tcp, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            if let Ok(stream) = acceptor.accept(tcp).await {
                // A connection that breaks is its client's to report.
                let _ =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            }
        });
    }
}

/// With the headers that S3 puts on every object.
async fn answer(request: Request<Incoming>) -> Result<Response<Object>, hyper::Error> {
    let get = request.method() == Method::GET;
    let size = request.uri().path().rsplit('/').next().and_then(|size| size.parse().ok()).unwrap_or(0);
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    let mut response = Response::new(Object { left: if get { size } else { 0 } });
    let headers = response.headers_mut();
    let mut put = |name, value| headers.insert(name, HeaderValue::from_static(value));
    put("x-amz-id-2", "Uuag1LuByRx9e6j5Onimru9pO4ZVKnJ2Qz7/C1NPcfTWAtRPfTaOFg==");
    put("x-amz-request-id", "656C76696E6727732072657175657374");
    put("x-amz-server-side-encryption", "AES256");
    put("etag", "\"d41d8cd98f00b204e9800998ecf8427e\"");
    if get {
        put("last-modified", "Tue, 24 Nov 2026 00:00:00 GMT");
        put("accept-ranges", "bytes");
        put(header::CONTENT_TYPE.as_str(), "binary/octet-stream");
    }
    put(header::SERVER.as_str(), "AmazonS3");
    Ok(response)
}
