//! An upstream of ours, in place of S3, for what a store cannot show: it keeps every byte that it gets and answers
//! with the bytes that it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Leaf, TRUSTED, Wire, eventually};

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// On which connection, counted from 0.
    pub(crate) connection: usize,
    /// The bytes of the head, with the empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body was as long as announced.
    pub(crate) whole: bool,
}

impl Seen {
    pub(crate) fn request_line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    /// The path and query.
    pub(crate) fn target(&self) -> &str {
        self.request_line().split(' ').nth(1).unwrap()
    }

    /// Header lines; names in lower case, values as sent.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let lines = self.head.trim_end().split("\r\n").skip(1);
        let pairs = lines.map(|line| line.split_once(':').unwrap());
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let headers = self.headers();
        let mut values = headers.iter().filter(|(other, _)| other == name);
        let value = values.next();
        assert!(values.next().is_none(), "{name} occurs twice: {}", self.head);
        value.map(|(_, value)| value.clone())
    }
}

/// What the upstream does with a request, one after the other.
pub(crate) enum Step {
    /// Reads the announced body.
    Body,
    /// Reads so many bytes.
    Take(usize),
    Send(Vec<u8>),
    /// Waits for a permit.
    Wait(Arc<Semaphore>),
    /// Does nothing any more, and keeps the connection.
    Silence,
    /// Says that nothing more will come, and goes on to listen.
    HalfClose,
    /// Ends the connection. Without it the next request is read.
    Close,
    /// The same in anger: what is under way is lost, both ways.
    Reset,
}

/// What is below a connection, with or without TLS.
trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

type Script = Arc<dyn Fn(&Seen) -> Vec<Step> + Send + Sync>;

/// Reads the body, then sends an answer.
pub(crate) fn answer(bytes: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Step::Body, Step::Send(bytes.as_ref().to_vec())]
}

/// A running upstream.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    encrypted: bool,
    log: Arc<Log>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    connections: Mutex<usize>,
    open: Mutex<usize>,
    sent: Mutex<usize>,
    requests: Mutex<BTreeMap<usize, Seen>>,
}

impl Log {
    /// The request's number.
    fn arrived(&self, seen: Seen) -> usize {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let at = requests.len();
        requests.insert(at, seen);
        at
    }

    fn change<T>(&self, at: usize, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(at).or_default())
    }
}

impl Upstream {
    /// Answers every request with an empty 200.
    pub(crate) async fn start() -> Self {
        Self::scripted(|_| answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await
    }

    /// Does what the script says, over plain TCP.
    pub(crate) async fn scripted(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::serve(Arc::new(script), None).await
    }

    /// The same over TLS.
    pub(crate) async fn encrypted(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::showing(&TRUSTED.server(), script).await
    }

    /// The same with any certificate.
    pub(crate) async fn showing(
        server: &Leaf,
        script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![server.certificate.clone()], server.key())
            .unwrap();
        Self::serve(Arc::new(script), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn serve(script: Script, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let encrypted = acceptor.is_some();
        let accepting = tokio::spawn(accept(listener, acceptor, script, log.clone()));
        Self { address, encrypted, log, accepting }
    }

    /// As the proxy's configuration names it.
    pub(crate) fn endpoint(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Every request so far, in the order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.requests.lock().unwrap().values().cloned().collect()
    }

    /// The only request so far.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen.remove(0)
    }

    /// The latest request.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("nothing has arrived")
    }

    /// Waits for a request's head.
    pub(crate) async fn arrival(&self) -> Seen {
        eventually("a request at the upstream", async || self.seen().pop()).await
    }

    /// Bytes of answers that somebody has taken.
    pub(crate) fn sent(&self) -> usize {
        *self.log.sent.lock().unwrap()
    }

    /// Connections that nobody has closed yet.
    pub(crate) fn open(&self) -> usize {
        *self.log.open.lock().unwrap()
    }

    /// Connections so far, whether or not a request came on them.
    pub(crate) fn connections(&self) -> usize {
        *self.log.connections.lock().unwrap()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The connections belong to this future, so that aborting it ends them too.
async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, script: Script, log: Arc<Log>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let number = {
            let mut count = log.connections.lock().unwrap();
            *count += 1;
            *count - 1
        };
        *log.open.lock().unwrap() += 1;
        let (acceptor, script, log) = (acceptor.clone(), script.clone(), log.clone());
        connections.spawn(async move {
            connection(stream, acceptor, number, script, log.clone()).await;
            *log.open.lock().unwrap() -= 1;
        });
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    number: usize,
    script: Script,
    log: Arc<Log>,
) {
    match acceptor {
        None => serve(Wire::new(stream), number, &script, &log).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(Wire::new(stream), number, &script, &log).await;
            }
        }
    }
}

async fn serve<S: Socket>(mut wire: Wire<S>, number: usize, script: &Script, log: &Log) {
    while let Ok(head) = wire.until(b"\r\n\r\n").await {
        let seen = Seen { connection: number, head: String::from_utf8(head).unwrap(), ..Seen::default() };
        let at = log.arrived(seen.clone());
        for step in script(&seen) {
            match step {
                Step::Body => {
                    if !body(&mut wire, &seen, at, log).await {
                        return;
                    }
                }
                Step::Send(bytes) => {
                    for piece in bytes.chunks(64 * 1024) {
                        if wire.try_send(piece).await.is_err() {
                            return;
                        }
                        *log.sent.lock().unwrap() += piece.len();
                    }
                }
                Step::Wait(gate) => gate.acquire().await.unwrap().forget(),
                Step::Take(count) => {
                    let Ok(bytes) = wire.exactly(count).await else { return };
                    log.change(at, |seen| seen.body.extend_from_slice(&bytes));
                }
                Step::Silence => std::future::pending().await,
                Step::HalfClose => wire.stream.shutdown().await.unwrap(),
                Step::Close => return,
                Step::Reset => {
                    let socket = SockRef::from(wire.stream.tcp());
                    return socket.set_linger(Some(Duration::ZERO)).unwrap();
                }
            }
        }
    }
}

async fn body<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    seen: &Seen,
    at: usize,
    log: &Log,
) -> bool {
    let length: usize = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut left = length;
    while left > 0 {
        let mut some = wire.some().await;
        if some.is_empty() {
            return false;
        }
        if some.len() > left {
            wire.put_back(some.split_off(left));
        }
        left -= some.len();
        log.change(at, |seen| seen.body.extend_from_slice(&some));
    }
    log.change(at, |seen| seen.whole = true);
    true
}
