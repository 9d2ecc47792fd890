//! Floor 5: the command line. Arguments in, an exit code out: 0 done, 1 refused, 2 usage or configuration, 3 the
//! outside world failed.

#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "bootstrap")]
mod bootstrap;
mod connect;
mod doctor;
mod explain;
mod inject;
mod webhook;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::config::{self, Config, Problems};
use crate::process::{FileWatch, Signal, Signals, raise_descriptors};
use crate::telemetry::{LogFormat, start_log};

/// Mutual-TLS access to Amazon S3 for Kubernetes workloads.
#[derive(Debug, Parser)]
#[command(
    name = "proxy",
    version,
    about,
    after_help = "\
Examples:
  proxy check --config config.yaml     every problem of a configuration, or its effective form
  proxy run --config config.yaml       serve until SIGTERM; SIGHUP or a changed file reloads
  proxy explain --config config.yaml --identity spiffe://cluster.local/ns/app/sa/api \
    --method GET --url /reports/daily/x     would it be allowed, and by which grant
  proxy audit inventory s3://logs/inventory/reports/all/  the latest S3 Inventory report against the rules
  proxy connect --to HOST:PORT …       plain HTTP on loopback, for clients that cannot present a certificate
  proxy inject -f pod.yaml             manifests with the sidecar added

Every value of the configuration can be set by environment: S3PROXY_UPSTREAM__REGION=eu-west-1"
)]
struct Arguments {
    /// How the process's own log looks on standard error; the access log on standard output is always JSON.
    #[arg(long, value_enum, default_value = "json", global = true)]
    log_format: LogFormat,
    /// Also log what is only of interest when something is wrong.
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the data plane.
    #[command(after_help = "Example:\n  proxy run --config /etc/s3-access-proxy/config.yaml")]
    Run {
        /// The configuration, YAML.
        #[arg(long)]
        config: PathBuf,
    },
    /// Check a configuration without starting anything; the files that it names need not be there.
    #[command(after_help = "Example:\n  proxy check --config config.yaml && echo good")]
    Check {
        /// The configuration, YAML.
        #[arg(long)]
        config: PathBuf,
    },
    /// Say what would become of a request, and why.
    Explain(explain::Arguments),
    /// Check what is stored, and who touched it, after the fact.
    #[cfg(feature = "audit")]
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Lead clients that cannot present a certificate to a proxy: plain HTTP on loopback in, mTLS out.
    #[command(after_help = connect::EXAMPLE)]
    Connect(Box<connect::Arguments>),
    /// Look at everything that a proxy needs, from where it stands.
    Doctor(Box<doctor::Arguments>),
    /// Add the sidecar to manifests.
    Inject(inject::Arguments),
    /// Answer the cluster's API server: add the sidecar to new pods, refuse those that cannot have it.
    Webhook(webhook::Arguments),
    /// The AWS side: buckets, roles and the way to S3, from one declaration.
    #[cfg(feature = "bootstrap")]
    Bootstrap(bootstrap::Arguments),
}

const DONE: u8 = 0;
const REFUSED: u8 = 1;
const BAD_USAGE: u8 = 2;
const WORLD_FAILED: u8 = 3;

/// For what still runs in threads of its own when everything else has ended.
const LAST_LOOK_UPS: Duration = Duration::from_secs(1);

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    // clap itself exits with 2 for bad usage and 0 for help.
    let arguments = Arguments::parse();
    start_log(arguments.log_format, arguments.verbose);
    ExitCode::from(match arguments.command {
        Command::Check { config } => check(&config),
        Command::Run { config } => run(config),
        Command::Explain(arguments) => explain::run(&arguments),
        #[cfg(feature = "audit")]
        Command::Audit(audit) => in_runtime(audit::run(audit)),
        Command::Connect(arguments) => in_runtime(connect::run(*arguments)),
        Command::Doctor(arguments) => in_runtime(doctor::run(*arguments)),
        Command::Inject(arguments) => inject::run(&arguments),
        Command::Webhook(arguments) => webhook::run(&arguments),
        #[cfg(feature = "bootstrap")]
        Command::Bootstrap(arguments) => in_runtime(bootstrap::run(arguments)),
    })
}

/// The variables that matter to a configuration; others may hold secrets and are not even looked at.
fn environment() -> Result<Vec<(String, String)>, Problems> {
    let known = |name: &str| name.starts_with("S3PROXY_") || config::INHERITED.contains(&name);
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if known(&name) {
            let text = |_| Problems::single(format!("the environment variable {name} is not UTF-8"));
            variables.push((name.clone(), value.into_string().map_err(text)?));
        }
    }
    Ok(variables)
}

/// The configuration of a file and of this process's environment.
fn load(file: &Path) -> Result<Config, Problems> {
    Config::load(file, &environment()?)
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this command's result is its output")]
fn check(file: &Path) -> u8 {
    match load(file) {
        Ok(config) => {
            for warning in &config.warnings {
                eprintln!("warning: {warning}");
            }
            print!("{config}");
            DONE
        }
        Err(problems) => {
            report(&problems);
            BAD_USAGE
        }
    }
}

#[allow(clippy::print_stderr, reason = "somebody is looking at the terminal when a start fails")]
fn report(problems: &Problems) {
    for problem in problems.iter() {
        eprintln!("error: {problem}");
    }
}

fn run(file: PathBuf) -> u8 {
    // Looked at before it is read: what changes in between is seen as a change.
    let files = FileWatch::new(vec![file.clone()]);
    let config = match load(&file) {
        Ok(config) => config,
        Err(problems) => {
            report(&problems);
            return BAD_USAGE;
        }
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    allow_descriptors(app::descriptors(&config.limits) as u64);
    in_runtime(serve(file, config, files))
}

fn in_runtime(serving: impl Future<Output = u8>) -> u8 {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(serving);
            // A name look-up is a thread that waits for somebody else.
            runtime.shutdown_timeout(LAST_LOOK_UPS);
            code
        }
        Err(error) => {
            tracing::error!(%error, "the runtime cannot be started");
            WORLD_FAILED
        }
    }
}

/// Raises the limit on open files, and warns where even that is not enough.
fn allow_descriptors(needed: u64) {
    match raise_descriptors() {
        Ok(allowed) if allowed >= needed => {}
        Ok(allowed) => tracing::warn!(
            allowed,
            needed,
            "the process may not open as many files as limits.max_connections may need; raise its limit (ulimit -n)"
        ),
        Err(error) => tracing::warn!(%error, "the limit on open files cannot be raised"),
    }
}

async fn serve(file: PathBuf, config: Config, files: FileWatch) -> u8 {
    let signals = Signals::listen();
    let bound = match app::build(config, std::io::stdout()) {
        Ok(bound) => bound,
        Err(error) => return not_started(&error),
    };
    let (Ok(signals), Ok(address), Ok(admin)) = (signals, bound.address(), bound.admin_address()) else {
        tracing::error!("signals or sockets are not available");
        return WORLD_FAILED;
    };
    tracing::info!(listen = %address, admin = %admin, version = env!("CARGO_PKG_VERSION"), "listening");
    let reread = Box::new(move || load(&file));
    while_obeying(signals, |stop, reloads| bound.run(stop, reloads, reread, files)).await
}

/// Serves until signals say otherwise.
async fn while_obeying<F: Future<Output = ()>>(
    signals: Signals,
    serving: impl FnOnce(CancellationToken, mpsc::Receiver<()>) -> F,
) -> u8 {
    let (stop, (reload, reloads)) = (CancellationToken::new(), mpsc::channel(1));
    let watcher = tokio::spawn(obey(signals, stop.clone(), reload));
    tokio::select! {
        () = serving(stop, reloads) => DONE,
        // A second SIGTERM: now means now.
        _ = watcher => WORLD_FAILED,
    }
}

/// A process that does not start: whether a port is taken, or what it was told is wrong.
fn not_started(error: &app::StartError) -> u8 {
    tracing::error!("{error}");
    if matches!(error, app::StartError::Bind { .. }) { WORLD_FAILED } else { BAD_USAGE }
}

/// Ends when the process has been told to stop twice.
async fn obey(mut signals: Signals, stop: CancellationToken, reload: mpsc::Sender<()>) {
    loop {
        match signals.next().await {
            // A reload that is waiting already will see this change too.
            Signal::Reload => drop(reload.try_send(())),
            Signal::Stop if stop.is_cancelled() => return,
            Signal::Stop => stop.cancel(),
        }
    }
}
