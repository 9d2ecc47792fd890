//! Puts changed files, and what an agent says anew, in force; or keeps what was there and says why.

use std::sync::Arc;

use tokio::sync::watch;

use super::lifetime::InForce;
use super::server_tls::Source;
use super::{Reread, show_expiry};
use crate::config::{Config, Material};
use crate::process::FileWatch;
use crate::proxy::Proxy;
use crate::telemetry::Metrics;
use crate::tls::ServerTls;

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

impl InForce for Reloader {
    fn changed(&mut self) -> bool {
        self.files.changed() | self.mounted.changed()
    }

    async fn told(&mut self) {
        self.source.changed().await;
    }

    fn count(&self, good: bool) {
        self.metrics.reloaded(good);
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
        self.mounted.follow(ServerTls::files(&self.config.tls));
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
