//! The loads. Connections repeat one request as fast as it is answered; after a warm-up, what happens within a window
//! counts: requests, bytes, the time of each, and the CPU time that the program under load has used meanwhile.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustls::ClientConfig;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::cpu;
use crate::exchange::{Connection, Upload};
use crate::http2::Streams;
use crate::tls::{self, Manner};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to.
    #[arg(long)]
    to: SocketAddr,
    /// Where the certificates are.
    #[arg(long)]
    folder: PathBuf,
    /// Put objects in place of getting them.
    #[arg(long)]
    put: bool,
    /// Put them in `aws-chunked` with signed chunks.
    #[arg(long, requires = "put")]
    signed_chunks: bool,
    /// Bytes of an object.
    #[arg(long, default_value_t = 1024)]
    size: u64,
    /// At a time.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Requests at a time on each, over HTTP/2.
    #[arg(long)]
    streams: Option<usize>,
    /// Identities, which the connections take in turn.
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// Prefixes of each identity, which its requests take in turn.
    #[arg(long, default_value_t = 1)]
    prefixes: usize,
    /// A connection for each request.
    #[arg(long)]
    new_connections: bool,
    /// Resume the TLS session of an earlier one.
    #[arg(long, requires = "new_connections")]
    resume: bool,
    /// Open the connections, get one object on each, say so, and let them rest until standard input ends.
    #[arg(long)]
    rest: bool,
    /// Seconds before the window, and of the window.
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The process whose CPU time counts.
    #[arg(long)]
    pid: Option<u32>,
}

/// What all connections share.
#[derive(Debug, Default)]
struct Tally {
    counting: AtomicBool,
    over: AtomicBool,
    bytes: AtomicU64,
    times: Mutex<Vec<u32>>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let manner = Manner { resume: arguments.resume, http2: arguments.streams.is_some() };
    let configs: Vec<Arc<ClientConfig>> = (0..arguments.clients)
        .map(|number| tls::client(&arguments.folder, number, manner))
        .collect::<anyhow::Result<_>>()?;
    if arguments.rest {
        return rest(&arguments, &configs).await;
    }
    let tally = Arc::new(Tally::default());
    let all: Vec<Requests> = (0..arguments.clients).map(|number| Requests::new(&arguments, number)).collect();
    let mut tasks = JoinSet::new();
    for i in 0..arguments.connections {
        let (number, tally) = (i % arguments.clients, tally.clone());
        let requests = all[number].starting_at(i);
        let (to, config) = (arguments.to, configs[number].clone());
        match arguments.streams {
            Some(streams) => {
                let connection = Streams::open(to, &config).await?;
                for _ in 0..streams {
                    tasks.spawn(streaming(connection.clone(), requests.clone(), tally.clone()));
                }
            }
            None if arguments.new_connections => drop(tasks.spawn(connecting(to, config, requests, tally))),
            None => drop(tasks.spawn(repeating(to, config, requests, tally))),
        }
    }
    let report = window(&arguments, &tally).await?;
    while let Some(ended) = tasks.join_next().await {
        ended?.context("a request failed")?;
    }
    println!("{report}");
    Ok(())
}

/// Waits for the warm-up, then for the window, and sums up.
async fn window(arguments: &Arguments, tally: &Tally) -> anyhow::Result<serde_json::Value> {
    let cpu = || arguments.pid.map_or(Ok(0.0), cpu::seconds);
    tokio::time::sleep(Duration::from_secs_f64(arguments.warm_up)).await;
    tally.counting.store(true, Ordering::Relaxed);
    let (began, cpu_before, bytes_before) = (Instant::now(), cpu()?, tally.bytes.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs_f64(arguments.seconds)).await;
    tally.counting.store(false, Ordering::Relaxed);
    let (took, cpu_after, bytes_after) =
        (began.elapsed().as_secs_f64(), cpu()?, tally.bytes.load(Ordering::Relaxed));
    tally.over.store(true, Ordering::Relaxed);
    let mut times = std::mem::take(&mut *tally.times.lock().unwrap_or_else(PoisonError::into_inner));
    times.sort_unstable();
    let milliseconds = |part: f64| {
        let at = (times.len() as f64 * part) as usize;
        times.get(at.min(times.len().saturating_sub(1))).map_or(0.0, |&time| f64::from(time) / 1000.0)
    };
    Ok(json!({
        "requests": times.len(),
        "seconds": took,
        "bytes": bytes_after - bytes_before,
        "cpu": cpu_after - cpu_before,
        "p50": milliseconds(0.5),
        "p99": milliseconds(0.99),
        "p99.9": milliseconds(0.999),
    }))
}

impl Tally {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    fn took(&self, began: Instant) {
        if self.counting.load(Ordering::Relaxed) {
            let time = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
            self.times.lock().unwrap_or_else(PoisonError::into_inner).push(time);
        }
    }
}

/// The requests of one client, over and over.
#[derive(Debug, Clone)]
struct Requests {
    /// Paths, and the heads of HTTP/1.1 that ask for them.
    all: Arc<[(String, Vec<u8>)]>,
    upload: Upload,
    next: usize,
}

impl Requests {
    fn new(arguments: &Arguments, client: usize) -> Self {
        let Arguments { size, put, .. } = *arguments;
        let upload = match (put, arguments.signed_chunks) {
            (false, _) => Upload::Nothing,
            (true, false) => Upload::Plain(size),
            (true, true) => Upload::SignedChunks(size),
        };
        let one = |prefix| {
            let path = format!("/bench/client-{client}/prefix-{prefix}/{size}");
            let head = head(&path, put, upload);
            (path, head)
        };
        Self { all: (0..arguments.prefixes).map(one).collect(), upload, next: 0 }
    }

    /// For another connection, which does not ask for the same at the same time.
    fn starting_at(&self, next: usize) -> Self {
        Self { next, ..self.clone() }
    }

    fn next(&mut self) -> &(String, Vec<u8>) {
        self.next += 1;
        &self.all[self.next % self.all.len()]
    }
}

/// With what an SDK sends along; its signature is worth nothing to whoever signs anew.
fn head(path: &str, put: bool, upload: Upload) -> Vec<u8> {
    let method = if put { "PUT" } else { "GET" };
    let (hash, framing) = match upload {
        Upload::SignedChunks(size) => (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            format!("content-encoding: aws-chunked\r\nx-amz-decoded-content-length: {size}\r\n"),
        ),
        _ => ("UNSIGNED-PAYLOAD", String::new()),
    };
    let length = if put { format!("content-length: {}\r\n", upload.length()) } else { String::new() };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\naccept-encoding: identity\r\n\
         user-agent: Boto3/1.43.0 md/Botocore#1.43.0 ua/2.1 os/linux md/arch#x86_64 lang/python#3.13.0\r\n\
         x-amz-content-sha256: {hash}\r\nx-amz-date: 20261124T000000Z\r\n\
         amz-sdk-invocation-id: 6f2d1f0e-6d2b-4d0c-9c56-0d8f6a6f9e51\r\namz-sdk-request: attempt=1\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=AKIDCLIENT/20261124/us-east-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
         Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n{framing}{length}\r\n"
    )
    .into_bytes()
}

async fn repeating(
    to: SocketAddr,
    config: Arc<ClientConfig>,
    mut requests: Requests,
    tally: Arc<Tally>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(to, &config).await?;
    while tally.goes_on() {
        let began = Instant::now();
        let upload = requests.upload;
        connection.exchange(&requests.next().1, upload, &tally.bytes).await?;
        tally.took(began);
    }
    Ok(())
}

async fn connecting(
    to: SocketAddr,
    config: Arc<ClientConfig>,
    mut requests: Requests,
    tally: Arc<Tally>,
) -> anyhow::Result<()> {
    while tally.goes_on() {
        let began = Instant::now();
        let mut connection = Connection::open(to, &config).await?;
        let upload = requests.upload;
        connection.exchange(&requests.next().1, upload, &tally.bytes).await?;
        tally.took(began);
        connection.close().await;
    }
    Ok(())
}

async fn streaming(mut connection: Streams, mut requests: Requests, tally: Arc<Tally>) -> anyhow::Result<()> {
    while tally.goes_on() {
        let began = Instant::now();
        connection.exchange(&requests.next().0, &tally.bytes).await?;
        tally.took(began);
    }
    Ok(())
}

/// Connections that do nothing any more.
async fn rest(arguments: &Arguments, configs: &[Arc<ClientConfig>]) -> anyhow::Result<()> {
    let mut resting = Vec::with_capacity(arguments.connections);
    for i in 0..arguments.connections {
        let number = i % arguments.clients;
        let mut connection = Connection::open(arguments.to, &configs[number]).await?;
        let mut requests = Requests::new(arguments, number);
        let upload = requests.upload;
        connection.exchange(&requests.next().1, upload, &AtomicU64::new(0)).await?;
        resting.push(connection);
    }
    println!("resting");
    let mut end = [0];
    let _ = tokio::io::stdin().read(&mut end).await;
    Ok(())
}
