//! Many requests at a time over one connection, with hyper's HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::bail;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;

use crate::exchange::tls;

/// A connection, or one more stream of it.
#[derive(Clone)]
pub(crate) struct Streams(SendRequest<Empty<Bytes>>);

impl Streams {
    pub(crate) async fn open(to: SocketAddr, config: &Arc<ClientConfig>) -> anyhow::Result<Self> {
        let io = TokioIo::new(tls(to, config).await?);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(16 * 1024 * 1024)
            .handshake(io)
            .await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Gets an object and counts its bytes.
    pub(crate) async fn exchange(&mut self, path: &str, counter: &AtomicU64) -> anyhow::Result<()> {
        let request = Request::get(format!("https://localhost{path}")).body(Empty::new())?;
        self.0.ready().await?;
        let mut answer = self.0.send_request(request).await?;
        if answer.status() != 200 {
            bail!("{}", answer.status());
        }
        while let Some(frame) = answer.frame().await {
            let bytes = frame?.data_ref().map_or(0, Bytes::len);
            counter.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}
