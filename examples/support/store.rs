//! An S3 store over a directory, for demonstrations and tests: `s3s-fs` behind an HTTP/1.1 server on loopback, with
//! TLS when asked.
//!
//! It verifies every signature, so whatever reaches it has been signed with the right keys. Programs include this
//! file as a module; it must not know the proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A running store; it ends, with every connection, when this is dropped.
#[derive(Debug)]
pub(crate) struct Store {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Store {
    /// Serves `root`, one directory a bucket, on a free port of the loopback interface.
    ///
    /// `tls` names the certificate chain and the private key, both PEM files; without it the store speaks plain HTTP.
    pub(crate) async fn start(
        root: &Path,
        access_key: &str,
        secret_key: &str,
        tls: Option<(&Path, &Path)>,
    ) -> io::Result<Self> {
        Self::start_at(0, root, access_key, secret_key, tls).await
    }

    /// Like [`Store::start`], on a port that the caller chose.
    pub(crate) async fn start_at(
        port: u16,
        root: &Path,
        access_key: &str,
        secret_key: &str,
        tls: Option<(&Path, &Path)>,
    ) -> io::Result<Self> {
        let acceptor = tls.map(|(certificate, key)| acceptor(certificate, key)).transpose()?;
        let service = service(root, access_key, secret_key)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let addr = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, acceptor, service));
        Ok(Self { addr, accepting })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn service(root: &Path, access_key: &str, secret_key: &str) -> io::Result<S3Service> {
    let files =
        FileSystem::new(root).map_err(|error| io::Error::other(format!("{}: {error:?}", root.display())))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    Ok(builder.build())
}

fn acceptor(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let unreadable = |file: &Path, error| io::Error::other(format!("{}: {error}", file.display()));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts for as long as it is polled. The connections belong to this future, so that aborting it ends them too.
async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, service: S3Service) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = accepted {
            connections.spawn(connection(stream, acceptor.clone(), service.clone()));
        }
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, service: S3Service) {
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => serve(stream, service).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, service).await;
            }
        }
    }
}

/// A connection that breaks is its client's to report.
///
/// The store answers some requests before it has read their body. Closing with unread bytes would reset the connection
/// under the answer, so what the client still sends is heard out for a moment.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: S3Service) {
    let mut builder = http1::Builder::new();
    // hyper would also close a connection that rests between two requests, just when the next one may be under way.
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Ok(parts) = connection.without_shutdown().await {
        let mut stream = parts.io.into_inner();
        let _ = stream.shutdown().await;
        let rest = async { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await };
        let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
    }
}
