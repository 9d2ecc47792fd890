//! The bridge, assembled. [`build`] binds everything or fails loudly; [`Bound::run`] serves until it is told to stop
//! and lets requests in flight finish.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::lifetime::{self, InForce};
use super::{ADMIN_CONNECTIONS, bind};
use crate::admin;
use crate::connect::{self, Bridge, Destination, Listener, Timeouts};
use crate::net::{Accepting, LocalAddress, LocalListener, PemError};
use crate::process::{FileWatch, Pending, Readiness};
use crate::telemetry::BridgeMetrics;
use crate::tls::{ClientFiles, ClientTls};

/// How a bridge is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The proxy.
    pub to: Destination,
    /// The certificate to show it, and whom to trust.
    pub files: ClientFiles,
    /// For clients, on this machine only.
    pub listen: LocalAddress,
    /// For the platform: plain HTTP with `/livez`, `/readyz` and `/metrics`.
    pub admin: Option<SocketAddr>,
    /// Clients' connections at a time.
    pub max_connections: usize,
    /// From the first byte of a request head to its last.
    pub header_timeout: Duration,
    /// On the way to the proxy.
    pub timeouts: Timeouts,
    /// For requests in flight after SIGTERM.
    pub drain_timeout: Duration,
}

/// Why a bridge does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificate, its key or the roots.
    #[error(transparent)]
    Tls(#[from] PemError),
    /// The clients' address.
    #[error("{address} cannot be bound: {source}")]
    Listen {
        /// Where.
        address: LocalAddress,
        /// Why not.
        source: io::Error,
    },
    /// The platform's.
    #[error(transparent)]
    Admin(super::StartError),
    /// Two metrics of the same name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A bridge that has its addresses and its certificate and is about to serve.
pub struct Bound {
    options: Options,
    listener: LocalListener,
    admin: Option<TcpListener>,
    tls: ClientTls,
    watch: FileWatch,
    metrics: BridgeMetrics,
    readiness: Readiness,
    /// Held until the proxy has been reached.
    unreached: Pending,
}

/// Reads the certificate and binds.
pub fn build(options: Options) -> Result<Bound, StartError> {
    let metrics = BridgeMetrics::new()?;
    // Before the first read: what changes meanwhile counts as changed.
    let watch = FileWatch::new(options.files.all());
    let tls = ClientTls::load(&options.files)?;
    let admin = options.admin.map(|address| bind("admin", address)).transpose().map_err(StartError::Admin)?;
    let listener = LocalListener::bind(&options.listen)
        .map_err(|source| StartError::Listen { address: options.listen.clone(), source })?;
    let readiness = Readiness::default();
    let unreached = readiness.pending("the proxy has not been reached yet");
    let watched = readiness.clone();
    metrics.watch_readiness(move || watched.missing().is_empty())?;
    Ok(Bound { options, listener, admin, tls, watch, metrics, readiness, unreached })
}

impl Bound {
    /// Where clients connect; the port that was chosen when 0 was asked for.
    pub fn address(&self) -> io::Result<LocalAddress> {
        self.listener.address()
    }

    /// Where the platform connects, if it may.
    pub fn admin_address(&self) -> io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Serves until `stop` is cancelled, then drains. `reload` asks for the files to be read again, which also happens
    /// by itself when one of them changes.
    pub async fn run(self, stop: CancellationToken, reload: mpsc::Receiver<()>) {
        let Self { options, listener, admin, tls, watch, metrics, readiness, unreached } = self;
        show_expiry(&metrics, &tls);
        let admin_stop = CancellationToken::new();
        let admin = admin.map(|listener| {
            let accepting = Accepting::new(listener, ADMIN_CONNECTIONS);
            tokio::spawn(admin::serve(accepting, metrics.clone(), readiness.clone(), admin_stop.clone()))
        });
        let bridge = Arc::new(Bridge::new(options.to.clone(), options.timeouts, &tls, metrics.clone()));
        let files = options.files.clone();
        let reloader = Reloader { files, watch, bridge: bridge.clone(), metrics };
        let reloader = tokio::spawn(lifetime::follow(reloader, reload));
        let reaching = tokio::spawn(reach(options.clone(), unreached));

        let listener = Listener {
            accepting: Accepting::new(listener, options.max_connections),
            header_timeout: options.header_timeout,
            // Longer than the proxy's side by what it takes to reach it, so that its silence still leads to an answer.
            idle_timeout: options.timeouts.idle + options.timeouts.connect,
        };
        let accepting = |ending, tracker| connect::serve(listener, bridge, ending, tracker);
        let _stopping = lifetime::serve(accepting, &readiness, stop, options.drain_timeout).await;
        reaching.abort();
        reloader.abort();
        admin_stop.cancel();
        if let Some(admin) = admin {
            let _ = admin.await;
        }
        tracing::info!("stopped");
    }
}

/// Between attempts to reach the proxy at the start.
const REACH_EVERY: Duration = Duration::from_secs(1);

/// Tries until the proxy lets us in. Afterwards the bridge stays ready: a pod that goes out of service because S3 is
/// away helps nobody, and its requests say so themselves.
async fn reach(options: Options, unreached: Pending) {
    let mut tick = tokio::time::interval(REACH_EVERY);
    let mut told = None;
    loop {
        tick.tick().await;
        let attempt = async {
            let tls = ClientTls::load(&options.files).map_err(io::Error::other)?;
            connect::reach(&options.to, &tls, options.timeouts.connect).await
        };
        match attempt.await {
            Ok(()) => break,
            Err(error) if told.as_ref() != Some(&error.to_string()) => {
                tracing::warn!(%error, to = %options.to, "the proxy cannot be reached yet");
                told = Some(error.to_string());
            }
            Err(_) => {}
        }
    }
    drop(unreached);
    tracing::info!(to = %options.to, "ready");
}

fn show_expiry(metrics: &BridgeMetrics, tls: &ClientTls) {
    let since_epoch = tls.not_after.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    metrics.certificate_expiry.set(since_epoch.as_secs_f64());
}

/// Puts a changed certificate in force, or keeps the old one and says why.
struct Reloader {
    files: ClientFiles,
    watch: FileWatch,
    bridge: Arc<Bridge>,
    metrics: BridgeMetrics,
}

impl InForce for Reloader {
    fn changed(&mut self) -> bool {
        self.watch.changed()
    }

    fn load(&mut self) -> Result<(), String> {
        let tls = ClientTls::load(&self.files).map_err(|error| error.to_string())?;
        show_expiry(&self.metrics, &tls);
        self.bridge.replace_tls(&tls);
        tracing::info!("reloaded");
        Ok(())
    }

    fn count(&self, good: bool) {
        self.metrics.reloaded(good);
    }
}
