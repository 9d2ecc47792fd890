//! Connections to S3 or to a proxy: TCP without Nagle's delay, TLS, an inactivity limit; all of it within the connect
//! timeout.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::resolver::{Names, ShuffledResolver};
use crate::config::{Limits, Upstream};
use crate::net::{IdleTimeout, PemError, bound_unsent, crypto, read_roots};

/// S3's certificate could not be judged, so nothing would be sent.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The configured root.
    #[error("upstream.ca: {0}")]
    Configured(#[from] PemError),
    /// The system has none, and none is configured.
    #[error("the system has no trusted root certificates; install them (ca-certificates) or set upstream.ca")]
    NoRoots,
    /// rustls refuses.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// Look-up or TCP.
    #[error("no connection")]
    Tcp(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The other side's certificate, above all.
    #[error("no TLS")]
    Tls(#[source] io::Error),
    /// Not within the time that is allowed for it.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

impl ConnectError {
    fn tcp(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Tcp(error.into())
    }
}

/// Connections to S3 at a time, resting ones included. Over HTTP/2 a few clients could otherwise use up every
/// descriptor; with one request on each connection, no client takes more than half.
pub fn most_connections(limits: &Limits) -> usize {
    limits.max_connections.max(LEAST).saturating_mul(2).min(Semaphore::MAX_PERMITS)
}

/// Two HTTP/2 connections full of requests.
const LEAST: usize = 256;

/// How connections are made.
pub struct Link {
    /// Whom we trust, and the certificate that we show, if any.
    pub tls: Arc<ClientConfig>,
    /// Whose certificate the other side has to show, where it is not that of the address's host.
    pub server_name: Option<ServerName<'static>>,
    /// For look-up, TCP and TLS.
    pub connect_timeout: Duration,
    /// Without a byte in either direction.
    pub idle_timeout: Duration,
    /// How long a connection may rest before it is given up.
    pub pool_idle: Duration,
    /// Connections at a time, resting ones included.
    pub most: usize,
}

impl Link {
    /// To the configured endpoint, without a certificate of ours.
    pub(super) fn to_s3(
        upstream: &Upstream,
        limits: &Limits,
        pool_idle: Duration,
    ) -> Result<Self, TrustError> {
        let roots = roots(upstream.ca.as_deref())?;
        if roots.is_empty() && upstream.endpoint.scheme() == Some(&http::uri::Scheme::HTTPS) {
            return Err(TrustError::NoRoots);
        }
        Ok(Self {
            tls: without_certificate(roots)?,
            server_name: None,
            connect_timeout: limits.connect_timeout,
            idle_timeout: limits.idle_timeout,
            pool_idle,
            most: most_connections(limits),
        })
    }

    /// What trusts the system's roots, and those of a file, if there is one.
    pub fn trusting(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TrustError> {
        without_certificate(roots(ca)?)
    }
}

fn without_certificate(roots: RootCertStore) -> Result<Arc<ClientConfig>, TrustError> {
    let mut config = ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // S3 speaks HTTP/1.1 only.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Opens connections for the pool.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector<ShuffledResolver>,
    tls: TlsConnector,
    server_name: Option<ServerName<'static>>,
    connect_timeout: Duration,
    idle_timeout: Duration,
    places: Arc<Semaphore>,
}

impl Connector {
    pub(super) fn new(link: Link, names: Names) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(ShuffledResolver(names));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Divided among a name's addresses, so that a dead one leaves time for the next.
        tcp.set_connect_timeout(Some(link.connect_timeout));
        Self {
            tcp,
            tls: TlsConnector::from(link.tls),
            server_name: link.server_name,
            connect_timeout: link.connect_timeout,
            idle_timeout: link.idle_timeout,
            places: Arc::new(Semaphore::new(link.most)),
        }
    }

    /// To the host of an address.
    pub(super) async fn connect(self, uri: Uri) -> Result<UpstreamStream, ConnectError> {
        let timeout = self.connect_timeout;
        let connected = tokio::time::timeout(timeout, self.connect_in_time(uri)).await;
        connected.unwrap_or(Err(ConnectError::TimedOut(timeout)))
    }

    async fn connect_in_time(mut self, uri: Uri) -> Result<UpstreamStream, ConnectError> {
        let encrypt = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let place = self.places.acquire_owned().await.map_err(ConnectError::tcp)?;
        let tcp = self.tcp.call(uri).await.map_err(ConnectError::tcp)?.into_inner();
        bound_unsent(&tcp).map_err(ConnectError::tcp)?;
        let stream = if encrypt {
            let name = match self.server_name {
                Some(name) => name,
                None => ServerName::try_from(host).map_err(ConnectError::tcp)?,
            };
            Transport::Tls(Box::new(self.tls.connect(name, tcp).await.map_err(ConnectError::Tls)?))
        } else {
            Transport::Plain(tcp)
        };
        let stream = IdleTimeout::abrupt(stream, self.idle_timeout);
        Ok(UpstreamStream { stream, deaf: false, _place: place })
    }
}

/// The system's roots, and the configured one beside them.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, PemError> {
    let mut roots = match ca {
        Some(file) => read_roots(file)?,
        None => RootCertStore::empty(),
    };
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a system root certificate cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    Ok(roots)
}

/// With or, for development, without encryption.
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection to S3.
pub(super) struct UpstreamStream {
    stream: IdleTimeout<Transport>,
    /// The other side takes no more bytes, but may have said something before.
    deaf: bool,
    _place: OwnedSemaphorePermit,
}

macro_rules! on_transport {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Transport::Plain($stream) => $call,
            Transport::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_transport!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_transport!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_transport!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_transport!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_transport!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

/// S3 may answer and close before it has read the body: a failed condition, a missing permission. hyper would give up
/// at the first write that fails and never see that answer, so from then on writes go nowhere and what can be read
/// decides: the answer, or the end of the connection. S3 cannot take such a body for whole, because it lacks bytes of
/// the announced length.
impl UpstreamStream {
    fn written<T>(&mut self, polled: Poll<io::Result<T>>, pretended: T) -> Poll<io::Result<T>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match polled {
            Poll::Ready(Err(error))
                if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) =>
            {
                self.deaf = true;
                Poll::Ready(Ok(pretended))
            }
            polled => polled,
        }
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(polled, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(all));
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(polled, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(polled, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
