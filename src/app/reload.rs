//! Puts changed files, and what an agent says anew, in force; or keeps what was there and says why.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::server_tls::Source;
use super::{Reread, show_expiry};
use crate::config::{Config, Material};
use crate::process::FileWatch;
use crate::proxy::Proxy;
use crate::telemetry::Metrics;
use crate::tls::ServerTls;

/// How often mounted files are looked at. The kubelet itself takes up to a minute to update them.
pub(super) const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Puts changed files in force, or keeps what was there and says why.
pub(super) struct Reloader {
    pub(super) config: Config,
    pub(super) proxy: Arc<Proxy>,
    pub(super) tls: watch::Sender<Arc<ServerTls>>,
    pub(super) source: Source,
    pub(super) metrics: Metrics,
    pub(super) reread: Reread,
    /// What the configuration is read from.
    pub(super) files: FileWatch,
    /// What the configuration names.
    pub(super) mounted: FileWatch,
}

impl Reloader {
    pub(super) async fn run(mut self, mut reload: mpsc::Receiver<()>) {
        let mut tick = tokio::time::interval(WATCH_EVERY);
        let (mut asking, mut failed) = (true, false);
        loop {
            let asked = tokio::select! {
                asked = reload.recv(), if asking => {
                    asking = asked.is_some();
                    asking
                }
                () = self.source.changed() => true,
                _ = tick.tick() => false,
            };
            // The fingerprint is taken before the files are read: what changes in between counts as changed next time.
            let changed = self.files.changed() | self.mounted.changed();
            if changed || asked || failed {
                failed = !self.reload(failed && !asked);
                self.mounted.follow(ServerTls::files(&self.config.tls));
            }
        }
    }

    /// Whether what is in force is what the files say. A repeated failure is not told of again.
    fn reload(&mut self, again: bool) -> bool {
        let result = self.load();
        if let Err(error) = &result
            && !again
        {
            tracing::error!(error, "reload refused; the last good configuration stays in force");
        }
        if result.is_ok() || !again {
            self.metrics.reloaded(result.is_ok());
        }
        result.is_ok()
    }

    /// Everything is read before anything is replaced.
    fn load(&mut self) -> Result<(), String> {
        let config = (self.reread)().map_err(|problems| problems.to_string())?;
        let mut tls = config.tls.clone();
        if needs_restart(&self.config, &config) {
            tracing::warn!("changes beside 'grants' and the files of 'tls' take effect with the next start");
        }
        if matches!(tls.material, Material::Spiffe(_)) || matches!(self.source, Source::Agent(_)) {
            tls.material = self.config.tls.material.clone();
        }
        let before = self.tls.borrow().clone();
        let server =
            self.source.keys(&tls.material).and_then(|keys| ServerTls::new(&tls, keys, Some(&before)));
        let server = server.map_err(|error| error.to_string())?;
        show_expiry(&self.metrics, &server);
        self.tls.send_replace(Arc::new(server));
        self.proxy.replace_policy(config.policy.clone());
        tracing::info!(grants = config.policy.grants().len(), "reloaded");
        self.config = Config { tls, policy: config.policy, ..self.config.clone() };
        Ok(())
    }
}

/// Whether something differs that is only read at the start.
fn needs_restart(old: &Config, new: &Config) -> bool {
    let with_same = Config { tls: old.tls.clone(), policy: old.policy.clone(), ..new.clone() };
    let files = |config: &Config| matches!(config.tls.material, Material::Files(_));
    let agents = old.tls.material != new.tls.material && !(files(old) && files(new));
    agents || with_same.to_string() != old.to_string()
}
