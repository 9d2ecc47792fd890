//! Floor 3: the cluster's API server, asked as a pod's ServiceAccount. Seldom: a new connection for each question, and
//! token and root read anew each time, because the kubelet replaces them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::net::{PemError, read_roots};

/// Where the kubelet puts a ServiceAccount's token and the API server's root.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// For look-up, TCP, TLS, question and answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer: a webhook configuration and a Secret have 1.5 MiB at most in etcd, and base64 and JSON in front.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// An exchange that failed.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Not in a pod, or in one without a token.
    #[error("{0} is not set; is this a pod?")]
    Nowhere(&'static str),
    /// The root of the API server.
    #[error(transparent)]
    Root(#[from] PemError),
    /// The token.
    #[error("{file}: {source}")]
    Token {
        /// Where it should be.
        file: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// TCP, TLS or the end of it.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// HTTP.
    #[error("the API server broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// Too late.
    #[error("the API server did not answer within {TIMEOUT:?}")]
    Late,
    /// Too long, or no JSON.
    #[error("the API server's answer cannot be read: {0}")]
    Unreadable(String),
}

/// The API server.
#[derive(Debug, Clone)]
pub struct Cluster {
    host: String,
    port: u16,
    folder: PathBuf,
}

impl Cluster {
    /// As the environment of a pod names it, with the token and the root in a folder.
    pub fn of_environment(folder: &Path) -> Result<Self, ClusterError> {
        let (host, port) = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT");
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let number = variable(port).and_then(|port| port.parse().ok()).ok_or(ClusterError::Nowhere(port))?;
        Ok(Self::new(variable(host).ok_or(ClusterError::Nowhere(host))?, number, folder))
    }

    /// At a host and a port.
    pub fn new(host: impl Into<String>, port: u16, folder: &Path) -> Self {
        Self { host: host.into(), port, folder: folder.to_owned() }
    }

    /// Asks once.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), ClusterError> {
        let exchange = self.exchange(method, path, content_type, body);
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or(Err(ClusterError::Late))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), ClusterError> {
        let unreadable = |error: &dyn std::fmt::Display| ClusterError::Unreadable(error.to_string());
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{}:{}", self.bracketed(), self.port))
            .header(AUTHORIZATION, self.authorization()?)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| unreadable(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect().await?)).await?;
        let driving = tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        driving.abort();
        let body = body.map_err(|error| unreadable(&error))?.to_bytes();
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok((status, answer)),
            // Proxies in front of an API server answer in HTML.
            Err(_) if !status.is_success() => Ok((status, Value::Null)),
            Err(error) => Err(unreadable(&error)),
        }
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ClusterError> {
        let roots = read_roots(&self.folder.join("ca.crt"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ClusterError::Unreachable(io::Error::other(error)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| ClusterError::Unreachable(io::Error::other(error)))?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(ClusterError::Unreachable)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(ClusterError::Unreachable)
    }

    fn authorization(&self) -> Result<HeaderValue, ClusterError> {
        let file = self.folder.join("token");
        let read = std::fs::read_to_string(&file).and_then(|token| {
            HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(io::Error::other)
        });
        let mut value = read.map_err(|source| ClusterError::Token { file, source })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// An IPv6 address as it stands in a URL.
    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}
