//! Sends a signed request over a pooled connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Uri};
use http::{Request, Response};
use http_body::Body;

use super::connector::{ConnectError, Connector, Link, TrustError};
use super::line::{Line, ReplyBody};
use super::pool::Pool;
use super::resolver::{LookupError, Names};
use crate::config;
use crate::telemetry::UpstreamFault;

/// S3 closes connections that rest; reports say from 5 to 20 seconds (AWSCore.jl#35, vector#9703, aiobotocore#21).
/// Ours are given up before, so that a request rarely meets one that is just being closed.
const POOL_IDLE: Duration = Duration::from_secs(4);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An exchange that failed below HTTP.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name has no address. Nothing was sent.
    #[error("{}", UpstreamFault::Lookup)]
    Lookup(#[source] Cause),
    /// No connection: TCP, or the time allowed for all of it. Nothing was sent.
    #[error("{}", UpstreamFault::Connect)]
    Connect(#[source] Cause),
    /// The other side cannot be trusted, or speaks no TLS of ours. Nothing was sent.
    #[error("{}", UpstreamFault::Tls)]
    Tls(#[source] Cause),
    /// No byte for too long.
    #[error("{}", UpstreamFault::Timeout)]
    Timeout(#[source] Cause),
    /// The connection broke before there was an answer.
    #[error("{}", UpstreamFault::Broken)]
    Broken(#[source] Cause),
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

impl From<ConnectError> for UpstreamError {
    fn from(error: ConnectError) -> Self {
        if matches!(error, ConnectError::Tls(_)) {
            Self::Tls(error.into())
        } else if causes(&error).any(<dyn std::error::Error>::is::<LookupError>) {
            Self::Lookup(error.into())
        } else {
            Self::Connect(error.into())
        }
    }
}

impl From<hyper::Error> for UpstreamError {
    fn from(error: hyper::Error) -> Self {
        if kinds(&error).any(|kind| kind == io::ErrorKind::TimedOut) {
            Self::Timeout(error.into())
        } else {
            Self::Broken(error.into())
        }
    }
}

/// The pool of connections to S3, or to a proxy.
pub struct Upstream<B: Body<Data = Bytes> + 'static> {
    connector: Connector,
    pool: Arc<Pool<B>>,
}

impl<B> Upstream<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Cause>,
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
        Self { pool: Pool::new(link.pool_idle), connector: Connector::new(link, names) }
    }

    /// Sends a request and waits for the head of the answer. The request's address is absolute, and its `host` is set
    /// already: it is signed, or the client's own business.
    ///
    /// `again` makes the same request anew, if nothing of it can have been used up and a second arrival would do no
    /// harm. It is asked once, when a connection from the pool turns out to be closed already. A request that was not
    /// begun to be sent goes to another connection in any case; its body is untouched.
    pub async fn send(
        &self,
        request: Request<B>,
        again: impl FnOnce() -> Option<Request<B>>,
    ) -> Result<Response<ReplyBody<B>>, UpstreamError> {
        let to = request.uri().clone();
        let mut request = in_origin_form(request);
        let mut again = Some(again);
        loop {
            let mut line = self.line(&to).await?;
            let mut failed = match line.exchange(request).await {
                Ok(answer) => {
                    let pool = Arc::downgrade(&self.pool);
                    return Ok(answer.map(|body| ReplyBody::new(body, line, pool)));
                }
                Err(failed) => failed,
            };
            let next = match failed.take_message() {
                Some(unsent) if line.was_pooled() => Some(unsent),
                None if line.has_served() && was_stale(failed.error()) => {
                    again.take().and_then(|again| again()).map(in_origin_form)
                }
                _ => None,
            };
            request = match next {
                Some(next) => next,
                None => return Err(failed.into_error().into()),
            };
        }
    }

    /// A connection that rests, or becomes free, or else a new one.
    async fn line(&self, to: &Uri) -> Result<Line<B>, UpstreamError> {
        let host = to.authority().cloned();
        let host = host.ok_or_else(|| UpstreamError::Connect("the address has no host".into()))?;
        let mut free = loop {
            match self.pool.take(&host) {
                Ok(mut line) => {
                    if line.is_ready() {
                        return Ok(line);
                    }
                }
                Err(free) => break free,
            }
        };
        let mut opened = Box::pin(open(self.connector.clone(), to.clone(), host));
        tokio::select! {
            biased;
            Ok(line) = &mut free => {
                // What has been begun serves the next one.
                let pool = self.pool.clone();
                tokio::spawn(async move {
                    if let Ok(line) = opened.await {
                        pool.put(line);
                    }
                });
                Ok(line)
            }
            opened = &mut opened => {
                // What came in the same moment does too.
                free.close();
                if let Ok(line) = free.try_recv() {
                    self.pool.put(line);
                }
                opened
            }
        }
    }
}

async fn open<B>(connector: Connector, to: Uri, host: Authority) -> Result<Line<B>, UpstreamError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Cause>,
{
    Ok(Line::new(connector.connect(to).await?, host).await?)
}

/// As a request line has it: path and query (RFC 9112 section 3.2.1).
fn in_origin_form<B>(mut request: Request<B>) -> Request<B> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    request
}

/// Whether a connection ended without a byte of an answer. If it had served before, S3 only tired of waiting.
fn was_stale(error: &hyper::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    // The last is rustls' word for an end without close_notify.
    let closed = |kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof);
    error.is_incomplete_message() || kinds(error).any(closed)
}

fn kinds(error: &hyper::Error) -> impl Iterator<Item = io::ErrorKind> {
    causes(error).filter_map(|cause| cause.downcast_ref()).map(io::Error::kind)
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| cause.source())
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
        let response = upstream.send(request(), || Some(request())).await?;
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

    /// S3 may close a connection in the moment between the look at it and its use.
    #[tokio::test]
    async fn a_request_that_meets_a_closed_connection_comes_back() {
        let (address, serving) = server("here").await;
        let (other, _serving_other) = server("there").await;
        let upstream = told(&Arc::new(Mutex::new(vec![address])));
        let to = Uri::from_static("http://s3.example/x");
        let mut line = upstream.line(&to).await.unwrap();
        let request = || Request::get("/x").header("host", "s3.example").body(Empty::new()).unwrap();
        let answer = line.exchange(request()).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "here");
        assert!(line.is_ready());
        serving.abort();
        let _ = serving.await;
        // By the time that somebody else has answered, the end of this one has been heard of.
        let mut there = TcpStream::connect(other).await.unwrap();
        there.write_all(b"x").await.unwrap();
        assert!(there.read(&mut [0; 64]).await.unwrap() > 0);
        let exchange = tokio::time::timeout(Duration::from_secs(5), line.exchange(request()));
        let mut failed = exchange.await.expect("it hangs").unwrap_err();
        assert!(failed.take_message().is_some(), "it was not sent, and is gone all the same");
        assert!(!line.is_ready());
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
