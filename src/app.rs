//! Floor 5: the data plane, assembled. [`build`] binds everything or fails loudly; [`Bound::run`] serves until it is
//! told to stop and lets requests in flight finish.

pub mod bridge;
mod lifetime;
mod reload;
mod server_tls;
#[cfg(feature = "otlp")]
mod traces;
#[cfg(not(feature = "otlp"))]
#[path = "app/no_traces.rs"]
mod traces;
pub mod webhook;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::reload::Reloader;
use self::traces::Exporting;
use crate::admin;
use crate::config::{Config, Limits, Material, Problems};
use crate::credentials::Keyring;
use crate::net::{Accepting, PemError};
use crate::process::{FileWatch, Pending, Readiness};
use crate::proxy::{self, Listener, Proxy};
use crate::telemetry::{AccessLog, AccessLogWriter, Metrics, Stuckness};
use crate::tls::{Keys, ServerTls};
use crate::upstream::{TrustError, most_connections};

/// Why the data plane does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Certificates and keys.
    #[error("tls: {0}")]
    Tls(#[from] PemError),
    /// Trust in S3.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A port.
    #[error("{what}: {address} cannot be bound: {source}")]
    Bind {
        /// Which key of the configuration.
        what: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The access log's thread.
    #[error("the access log cannot be started: {0}")]
    Log(io::Error),
    /// The way to the collector.
    #[error("traces: {0}")]
    Traces(String),
    /// Two metrics of the same name.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Reads the configuration again, wherever it came from.
pub type Reread = Box<dyn Fn() -> Result<Config, Problems> + Send + Sync>;

/// A data plane that has its ports and certificates and is about to serve.
pub struct Bound {
    config: Config,
    listener: TcpListener,
    admin: TcpListener,
    proxy: Arc<Proxy>,
    /// `None` where an agent has to be waited for.
    tls: Option<ServerTls>,
    mounted: FileWatch,
    metrics: Metrics,
    readiness: Readiness,
    /// Held until the loops run.
    starting: Pending,
    keyring: Keyring,
    log: Stuckness,
    log_writer: AccessLogWriter,
    exporting: Option<Exporting>,
}

/// Connections of probes and scrapers at a time.
const ADMIN_CONNECTIONS: usize = 64;
/// Waiting connections in the kernel's queue, for bursts of pods that start together.
const BACKLOG: u32 = 1024;
/// For files, the runtime and the log.
const OTHER_DESCRIPTORS: usize = 64;

/// Open files that a process with these limits may come to need.
pub fn descriptors(limits: &Limits) -> usize {
    let sockets = proxy::sockets(limits).saturating_add(most_connections(limits));
    sockets.saturating_add(ADMIN_CONNECTIONS + OTHER_DESCRIPTORS)
}

/// For the last lines of the access log.
const LAST_LINES: Duration = Duration::from_secs(5);
/// For the last spans: worth less than the end of the process.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Binds ports and reads certificates. The access log goes to `log`.
pub fn build(config: Config, log: impl io::Write + Send + 'static) -> Result<Bound, StartError> {
    let metrics = Metrics::new()?.with_identities(config.metrics.identities)?;
    // Looked at before they are read: what changes in between is seen as a change.
    let mounted = FileWatch::new(ServerTls::files(&config.tls));
    let tls = match &config.tls.material {
        Material::Files(files) => Some(ServerTls::new(&config.tls, Keys::read(files)?, None)?),
        Material::Spiffe(_) => None,
    };
    let keyring = Keyring::new(&config, metrics.clone());
    let (log, log_writer) = AccessLog::start(log, config.limits.max_requests).map_err(StartError::Log)?;
    let stuckness = log.stuckness();
    let (traces, exporting) = traces::prepare(&config, &metrics)?.unzip();
    let proxy = Arc::new(Proxy::new(&config, keyring.clone(), log, metrics.clone(), traces)?);
    let listener = bind("listen", config.listen)?;
    let admin = bind("admin", config.admin)?;
    let readiness = Readiness::default();
    let starting = readiness.pending("starting");
    let watched = readiness.clone();
    metrics.watch_readiness(move || watched.missing().is_empty())?;
    let log = stuckness;
    Ok(Bound {
        config,
        listener,
        admin,
        proxy,
        tls,
        mounted,
        metrics,
        readiness,
        starting,
        keyring,
        log,
        log_writer,
        exporting,
    })
}

fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|source| StartError::Bind { what, address, source })
}

fn show_expiry(metrics: &Metrics, server: &ServerTls) {
    let since_epoch = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    metrics.certificate_expiry.set(since_epoch(server.not_after).as_secs_f64());
    metrics.crl_expiry.set(server.lists_until.map_or(0.0, |at| since_epoch(at).as_secs_f64()));
}

impl Bound {
    /// Where clients connect; the port that was chosen when the configuration says 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where the platform connects.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `stop` is cancelled, then drains. `reload` asks for the files to be read again, which also
    /// happens by itself when one of `files`, or one that the configuration names, changes. `files` were looked at before
    /// the configuration was read from them.
    pub async fn run(
        self,
        stop: CancellationToken,
        reload: mpsc::Receiver<()>,
        reread: Reread,
        files: FileWatch,
    ) {
        let Self {
            config,
            listener,
            admin,
            proxy,
            tls,
            mounted,
            metrics,
            readiness,
            starting,
            keyring,
            log,
            log_writer,
            exporting,
        } = self;
        let end_of_spans = CancellationToken::new();
        let exporting = exporting.map(|exporting| tokio::spawn(exporting.run(end_of_spans.clone())));
        let admin_stop = CancellationToken::new();
        let admin = Accepting::new(admin, ADMIN_CONNECTIONS);
        let admin = tokio::spawn(admin::serve(admin, metrics.clone(), readiness.clone(), admin_stop.clone()));
        let refresher = tokio::spawn(keyring.keep_fresh(config.clone(), readiness.clone()));
        let log = tokio::spawn(unready_while_stuck(log, readiness.clone()));
        if let Some((server, source)) = server_tls::first(&config.tls, tls, &readiness, &stop).await {
            show_expiry(&metrics, &server);
            let tls = watch::Sender::new(Arc::new(server));
            let accepting = Accepting::new(listener, proxy::sockets(&config.limits));
            let limits = config.limits.clone();
            let listener = Listener { accepting, tls: tls.subscribe(), limits, metrics: metrics.clone() };
            let (drain_timeout, reloaded) = (config.limits.drain_timeout, proxy.clone());
            let reloader = Reloader { config, proxy: reloaded, tls, source, metrics, reread, files, mounted };
            let reloader = tokio::spawn(lifetime::follow(reloader, reload));
            drop(starting);
            let accepting = |ending, tracker| proxy::serve(listener, proxy, ending, tracker);
            let _stopping = lifetime::serve(accepting, &readiness, stop, drain_timeout).await;
            reloader.abort();
            let _ = reloader.await;
        }
        end_of_spans.cancel();
        if let Some(mut exporting) = exporting
            && tokio::time::timeout(LAST_SPANS, &mut exporting).await.is_err()
        {
            exporting.abort();
        }
        log.abort();
        refresher.abort();
        admin_stop.cancel();
        let _ = (refresher.await, admin.await);
        tokio::task::spawn_blocking(move || log_writer.join_within(LAST_LINES)).await.unwrap_or_default();
        tracing::info!("stopped");
    }
}

/// Requests that cannot be recorded are refused: other replicas should get them.
async fn unready_while_stuck(mut log: Stuckness, readiness: Readiness) {
    while log.becomes(true).await {
        let _stuck = readiness.pending("access log");
        tracing::error!("the access log is not taken; requests are refused until it is");
        if !log.becomes(false).await {
            return;
        }
    }
}
