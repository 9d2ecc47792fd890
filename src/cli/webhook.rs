//! `proxy webhook`: its arguments, and the server that they ask for.

use std::path::PathBuf;

use clap::Args;

use super::{BAD_USAGE, WORLD_FAILED, environment, in_runtime, not_started, report, while_obeying};
use crate::app::webhook;
use crate::cluster::{Cluster, SERVICE_ACCOUNT};
use crate::config::{Problems, WebhookConfig, WebhookTls};
use crate::process::{FileWatch, Signals};

/// What `proxy webhook` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  proxy webhook --config /etc/s3-access-proxy/webhook.yaml

It answers the API server at /mutate and /validate until SIGTERM; docs/injection.md has the configuration.")]
pub(super) struct Arguments {
    /// The configuration, YAML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the ServiceAccount's token and the API server's root are, for a certificate of its own.
    #[arg(long, value_name = "FOLDER", default_value = SERVICE_ACCOUNT)]
    service_account: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    // Looked at before it is read: what changes in between is seen as a change.
    let files = FileWatch::new(vec![arguments.config.clone()]);
    let file = arguments.config.clone();
    let reread = move || -> Result<WebhookConfig, Problems> { WebhookConfig::load(&file, &environment()?) };
    let config = match reread() {
        Ok(config) => config,
        Err(problems) => {
            report(&problems);
            return BAD_USAGE;
        }
    };
    let cluster = match &config.tls {
        WebhookTls::Files { .. } => None,
        WebhookTls::SelfManaged(_) => match Cluster::of_environment(&arguments.service_account) {
            Ok(cluster) => Some(cluster),
            Err(error) => {
                tracing::error!("tls.self_managed: {error}");
                return BAD_USAGE;
            }
        },
    };
    in_runtime(serve(config, cluster, Box::new(reread), files))
}

async fn serve(
    config: WebhookConfig,
    cluster: Option<Cluster>,
    reread: webhook::Reread,
    files: FileWatch,
) -> u8 {
    let signals = Signals::listen();
    let bound = match webhook::build(config, cluster) {
        Ok(bound) => bound,
        Err(error) => return not_started(&error),
    };
    let (Ok(signals), Ok(address), Ok(admin)) = (signals, bound.address(), bound.admin_address()) else {
        tracing::error!("signals or sockets are not available");
        return WORLD_FAILED;
    };
    tracing::info!(listen = %address, admin = %admin, version = env!("CARGO_PKG_VERSION"), "listening");
    while_obeying(signals, |stop, reloads| bound.run(stop, reloads, reread, files)).await
}
