//! A client with a certificate: one request at a time, and a tunnel for programs that cannot present one.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A client of the proxy.
#[derive(Clone)]
pub(crate) struct Client {
    proxy: SocketAddr,
    tls: TlsConnector,
}

impl Client {
    /// With the certificate `name` of a folder that [`super::certificates::write`] filled.
    pub(crate) fn new(proxy: SocketAddr, folder: &Path, name: &str) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("ca.crt"))?)?;
        let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.crt")))?];
        let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key")))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        Ok(Self { proxy, tls: TlsConnector::from(Arc::new(config)) })
    }

    async fn connect(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.proxy).await.context("connecting to the proxy")?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        self.tls.connect(name, tcp).await.context("TLS with the proxy")
    }

    /// Sends one request and reads the whole answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Response<String>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await?)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "localhost")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, String::from_utf8(body.to_vec())?))
    }

    /// Listens on loopback and carries every connection, byte for byte, to the proxy with this client's certificate.
    pub(crate) async fn tunnel(self) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let client = self.clone();
                tokio::spawn(async move {
                    if let Ok(mut far) = client.connect().await {
                        // Either side may hang up whenever it likes.
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Ok(address)
    }
}
