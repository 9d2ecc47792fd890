//! The process's own log: structured lines on standard error, apart from the access log on standard output.

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading in a terminal.
    Text,
}

/// Installs the log for the whole process. A second call has no effect.
///
/// `verbose` shows our own debug lines. Libraries never go below `warn`: at `trace`, the signing library prints
/// requests, and what a library prints tomorrow is not ours to know.
pub fn start(format: LogFormat, verbose: bool) {
    let own = if verbose { Level::DEBUG } else { Level::INFO };
    let targets = Targets::new().with_default(LevelFilter::WARN).with_target("s3_access_proxy", own);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(targets);
    // A process that already has a log, such as a test binary, keeps it.
    let _ = match format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer).try_init(),
    };
}

/// An error and its causes, in one line. What the SDK's errors say of themselves ("dispatch failure") tells nobody anything.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
