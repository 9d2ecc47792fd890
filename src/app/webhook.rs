//! The webhook, assembled. [`build`] binds everything or fails loudly; [`Bound::run`] serves until it is told to stop
//! and lets reviews in flight finish.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::lifetime::{self, InForce};
use super::{ADMIN_CONNECTIONS, StartError, bind};
use crate::admin;
use crate::cluster::Cluster;
use crate::config::{Injection, Problems, WebhookConfig, WebhookTls};
use crate::inject::{self, Listener, Registration, RegistrationError};
use crate::net::Accepting;
use crate::process::{FileWatch, Pending, Readiness};
use crate::telemetry::WebhookMetrics;
use crate::tls::OneSidedTls;

/// Reads the configuration again, wherever it came from.
pub type Reread = Box<dyn Fn() -> Result<WebhookConfig, Problems> + Send + Sync>;

/// Connections at a time. An API server keeps a few; a cluster has three of them.
const CONNECTIONS: usize = 512;

/// A webhook that has its ports and is about to serve.
pub struct Bound {
    config: WebhookConfig,
    listener: TcpListener,
    admin: TcpListener,
    cluster: Option<Cluster>,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    mounted: FileWatch,
    metrics: WebhookMetrics,
    readiness: Readiness,
    /// Held until there is a certificate that the API server knows.
    unknown: Option<Pending>,
}

/// Binds ports and reads the certificate, if it is somebody else's. For one of its own, `cluster` is the API server.
pub fn build(config: WebhookConfig, cluster: Option<Cluster>) -> Result<Bound, StartError> {
    let metrics = WebhookMetrics::new()?;
    let readiness = Readiness::default();
    let mut unknown = Some(readiness.pending("the certificate is not known to the API server yet"));
    // Looked at before they are read: what changes in between is seen as a change.
    let mounted = FileWatch::new(files(&config.tls));
    let tls = watch::Sender::new(None);
    if let WebhookTls::Files { certificate, private_key } = &config.tls {
        show(&OneSidedTls::load(certificate, private_key)?, &tls, &metrics);
        unknown = None;
    }
    let listener = bind("listen", config.listen)?;
    let admin = bind("admin", config.admin)?;
    Ok(Bound { config, listener, admin, cluster, tls, mounted, metrics, readiness, unknown })
}

fn files(tls: &WebhookTls) -> Vec<PathBuf> {
    match tls {
        WebhookTls::Files { certificate, private_key } => vec![certificate.clone(), private_key.clone()],
        WebhookTls::SelfManaged(_) => Vec::new(),
    }
}

fn show(server: &OneSidedTls, tls: &watch::Sender<Option<Arc<ServerConfig>>>, metrics: &WebhookMetrics) {
    let since_epoch = server.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    metrics.certificate_expiry.set(since_epoch.as_secs_f64());
    tls.send_replace(Some(server.config.clone()));
}

impl Bound {
    /// Where the API server connects; the port that was chosen when the configuration says 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where the platform connects.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `stop` is cancelled, then drains. `reload` asks for the files to be read again, which also
    /// happens by itself when one of `files` or the certificate changes.
    pub async fn run(
        self,
        stop: CancellationToken,
        reload: mpsc::Receiver<()>,
        reread: Reread,
        files: FileWatch,
    ) {
        let Self { config, listener, admin, cluster, tls, mounted, metrics, readiness, unknown } = self;
        let admin_stop = CancellationToken::new();
        let admin = Accepting::new(admin, ADMIN_CONNECTIONS);
        let admin = tokio::spawn(admin::serve(admin, metrics.clone(), readiness.clone(), admin_stop.clone()));
        let settings = watch::Sender::new(Arc::new(config.injection.clone()));
        let listener = Listener {
            accepting: Accepting::new(listener, CONNECTIONS),
            tls: tls.subscribe(),
            settings: settings.subscribe(),
            metrics: metrics.clone(),
        };
        let keeper = match (&config.tls, cluster) {
            (WebhookTls::SelfManaged(managed), Some(cluster)) => {
                let registration = Registration::new(cluster, managed.clone());
                let (tls, metrics) = (tls.clone(), metrics.clone());
                Some(tokio::spawn(keep_known(registration, tls, metrics, unknown)))
            }
            _ => None,
        };
        let reloader =
            Reloader { tls_source: config.tls.clone(), settings, tls, metrics, reread, files, mounted };
        let reloader = tokio::spawn(lifetime::follow(reloader, reload));
        let accepting = |ending, tracker| inject::serve(listener, ending, tracker);
        let _stopping = lifetime::serve(accepting, &readiness, stop, config.drain_timeout).await;
        if let Some(keeper) = keeper {
            keeper.abort();
        }
        reloader.abort();
        admin_stop.cancel();
        let _ = admin.await;
        tracing::info!("stopped");
    }
}

/// Between rounds: soon enough to mend what a `helm upgrade` or a controller has set back.
const ROUND: Duration = Duration::from_mins(1);
/// After a round that failed, doubled up to half of that.
const AGAIN: Duration = Duration::from_millis(250);

/// Keeps the own certificate fresh and known.
async fn keep_known(
    mut registration: Registration,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    metrics: WebhookMetrics,
    mut unknown: Option<Pending>,
) {
    let mut pause = AGAIN;
    loop {
        let settled = registration.settle(OffsetDateTime::now_utc()).await;
        let server = settled.map(|leaf| leaf.map(|leaf| (leaf.chain.clone(), leaf.key.clone_key())));
        match server {
            Ok(leaf) => {
                if let Some((chain, key)) = leaf {
                    match OneSidedTls::new(chain, key) {
                        Ok(server) => show(&server, &tls, &metrics),
                        Err(error) => tracing::error!(%error, "our own certificate is not usable"),
                    }
                    metrics.reloads.with_label_values(&["ok"]).inc();
                    tracing::info!("a new certificate");
                }
                unknown = unknown.filter(|_| tls.borrow().is_none());
                pause = AGAIN;
                tokio::time::sleep(ROUND).await;
            }
            Err(RegistrationError::Conflict(what)) => {
                tracing::debug!(what, "changed by another; looked at again");
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => {
                metrics.reloads.with_label_values(&["error"]).inc();
                tracing::error!(%error, "the certificate cannot be made known");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ROUND / 2);
            }
        }
    }
}

/// Puts changed files in force, or keeps what was there and says why.
struct Reloader {
    tls_source: WebhookTls,
    settings: watch::Sender<Arc<Injection>>,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    metrics: WebhookMetrics,
    reread: Reread,
    files: FileWatch,
    mounted: FileWatch,
}

impl InForce for Reloader {
    fn changed(&mut self) -> bool {
        self.files.changed() | self.mounted.changed()
    }

    fn count(&self, good: bool) {
        self.metrics.reloads.with_label_values(&[if good { "ok" } else { "error" }]).inc();
    }

    /// Everything is read before anything is replaced.
    fn load(&mut self) -> Result<(), String> {
        let config = (self.reread)().map_err(|problems| problems.to_string())?;
        if std::mem::discriminant(&config.tls) != std::mem::discriminant(&self.tls_source) {
            return Err("whose certificate is shown is read at the start only; start again".to_owned());
        }
        if let WebhookTls::Files { certificate, private_key } = &config.tls {
            let server = OneSidedTls::load(certificate, private_key).map_err(|error| error.to_string())?;
            show(&server, &self.tls, &self.metrics);
        }
        self.mounted.follow(files(&config.tls));
        self.settings.send_replace(Arc::new(config.injection));
        tracing::info!("reloaded");
        Ok(())
    }
}
