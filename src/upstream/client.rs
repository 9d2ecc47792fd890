//! Sends a signed request over a pooled connection.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::Error as ClientError;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connector::{ConnectError, Connector, Link, TrustError, Used};
use super::resolver::{LookupError, Names};
use crate::config;
use crate::telemetry::UpstreamFault;

/// S3 closes connections that rest; reports say from 5 to 20 seconds (AWSCore.jl#35, vector#9703, aiobotocore#21).
/// Ours are given up before, so that a request rarely meets one that is just being closed.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// An exchange that failed below HTTP.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name has no address. Nothing was sent.
    #[error("{}", UpstreamFault::Lookup)]
    Lookup(#[source] ClientError),
    /// No connection: TCP, or the time allowed for all of it. Nothing was sent.
    #[error("{}", UpstreamFault::Connect)]
    Connect(#[source] ClientError),
    /// The other side cannot be trusted, or speaks no TLS of ours. Nothing was sent.
    #[error("{}", UpstreamFault::Tls)]
    Tls(#[source] ClientError),
    /// No byte for too long.
    #[error("{}", UpstreamFault::Timeout)]
    Timeout(#[source] ClientError),
    /// The connection broke before there was an answer.
    #[error("{}", UpstreamFault::Broken)]
    Broken(#[source] ClientError),
}

impl UpstreamError {
    /// As metrics name it.
    pub fn fault(&self) -> UpstreamFault {
        match self {
            Self::Lookup(_) => UpstreamFault::Lookup,
            Self::Connect(_) => UpstreamFault::Connect,
            Self::Tls(_) => UpstreamFault::Tls,
            Self::Timeout(_) => UpstreamFault::Timeout,
            Self::Broken(_) => UpstreamFault::Broken,
        }
    }
}

/// The pool of connections to S3, or to a proxy.
pub struct Upstream<B> {
    client: Client<Connector, B>,
}

impl<B> Upstream<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A pool for the configured endpoint.
    pub fn new(upstream: &config::Upstream, limits: &config::Limits) -> Result<Self, TrustError> {
        Ok(Self::over(Link::to_s3(upstream, limits, POOL_IDLE)?))
    }

    /// A pool of connections that are made as the link says.
    pub fn over(link: Link) -> Self {
        Self::among(Names::System, link)
    }

    /// The same with a word in what names stand for.
    fn among(names: Names, link: Link) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(link.pool_idle)
            // `host` is signed, or the client's own business: it is set already.
            .set_host(false)
            // A request that was not begun to be sent goes to another connection; its body is untouched.
            .retry_canceled_requests(true)
            .build(Connector::new(link, names));
        Self { client }
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// `again` makes the same request anew, if nothing of it can have been used up and a second arrival would do no
    /// harm. It is used once, when a connection from the pool turns out to be closed already.
    pub async fn send(
        &self,
        request: Request<B>,
        again: Option<Request<B>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let result = match (self.client.request(request).await, again) {
            (Err(error), Some(again)) if was_stale(&error) => self.client.request(again).await,
            (result, _) => result,
        };
        let response = result.map_err(kind)?;
        if let Some(used) = response.extensions().get::<Used>() {
            used.mark();
        }
        Ok(response)
    }
}

/// Whether a connection that had served before ended without a byte of an answer.
fn was_stale(error: &ClientError) -> bool {
    let mut extensions = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extensions);
    }
    let served_before = extensions.get::<Used>().is_some_and(Used::get);
    let closed = causes(error).any(|cause| {
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
            || cause.downcast_ref::<io::Error>().is_some_and(|error| {
                use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
                // The last is rustls' word for an end without close_notify.
                matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
            })
    });
    served_before && closed
}

fn kind(error: ClientError) -> UpstreamError {
    let timed_out = |cause: Cause<'_>| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    let no_tls = |cause: Cause<'_>| matches!(cause.downcast_ref(), Some(ConnectError::Tls(_)));
    if causes(&error).any(no_tls) {
        UpstreamError::Tls(error)
    } else if causes(&error).any(<dyn std::error::Error>::is::<LookupError>) {
        UpstreamError::Lookup(error)
    } else if error.is_connect() {
        UpstreamError::Connect(error)
    } else if causes(&error).any(timed_out) {
        UpstreamError::Timeout(error)
    } else {
        UpstreamError::Broken(error)
    }
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

fn causes(error: &ClientError) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use http_body_util::{BodyExt, Empty};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A server that says its name to every request, until it is told to go.
    async fn server(name: &'static str) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, name));
            }
        });
        (address, serving)
    }

    async fn converse(mut stream: TcpStream, name: &str) {
        let mut request = [0; 4096];
        while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn told(addresses: &Arc<Mutex<Vec<SocketAddr>>>) -> Upstream<Empty<Bytes>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let link = Link {
            tls: Arc::new(tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth()),
            server_name: None,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5),
            pool_idle: Duration::from_mins(1),
            most: 8,
        };
        Upstream::among(Names::Told(addresses.clone()), link)
    }

    async fn ask(upstream: &Upstream<Empty<Bytes>>) -> Result<String, UpstreamError> {
        let request = || Request::get("http://s3.example/x").body(Empty::new()).unwrap();
        let response = upstream.send(request(), Some(request())).await?;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_name_that_moves_is_followed() {
        let (old, serving_old) = server("old").await;
        let (new, _serving_new) = server("new").await;
        let addresses = Arc::new(Mutex::new(vec![old]));
        let upstream = told(&addresses);
        assert_eq!(ask(&upstream).await.unwrap(), "old");
        // What is connected stays so; the name counts for the next connection.
        *addresses.lock().unwrap() = vec![new];
        assert_eq!(ask(&upstream).await.unwrap(), "old");
        serving_old.abort();
        let _ = serving_old.await;
        assert_eq!(ask(&upstream).await.unwrap(), "new");
        // One of two is gone: the other serves, whichever comes first.
        *addresses.lock().unwrap() = vec![old, new];
        for _ in 0..10 {
            assert_eq!(ask(&told(&addresses)).await.unwrap(), "new");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_lost_fails_until_it_is_found_again() {
        let (address, _serving) = server("here").await;
        let addresses = Arc::new(Mutex::new(Vec::new()));
        let upstream = told(&addresses);
        let error = ask(&upstream).await.unwrap_err();
        assert_eq!(error.fault(), UpstreamFault::Lookup);
        *addresses.lock().unwrap() = vec![address];
        assert_eq!(ask(&upstream).await.unwrap(), "here");
        // Connections that are there need no name.
        addresses.lock().unwrap().clear();
        assert_eq!(ask(&upstream).await.unwrap(), "here");
    }
}
