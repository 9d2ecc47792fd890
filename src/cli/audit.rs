//! `proxy audit`: arguments to an audit, its result to standard output and to files, and an exit code.

mod access;
mod inventory;

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::{BAD_USAGE, DONE, REFUSED, WORLD_FAILED, report};
use crate::audit::{AuditError, Place, Progress, Reach, Store};
use crate::config::Problems;

/// What is audited.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Review a report of S3 Inventory against rules, and against an earlier report.
    Inventory(Box<inventory::Arguments>),
    /// Review the proxy's access log: who touched what, what was denied, which grants were used; and, by S3's logs, what
    /// went past the proxy.
    Access(Box<access::Arguments>),
}

/// How S3 is reached, and where the result goes.
#[derive(Debug, Args)]
struct Ways {
    /// The region of the buckets; else as the environment says.
    #[arg(long)]
    region: Option<String>,
    /// Another S3 endpoint than AWS's, spoken to in path style.
    #[arg(long)]
    endpoint_url: Option<String>,
    /// What is written to standard output.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// Also write the result as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write the result as SARIF 2.1.0 to this file.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Also write the result as a page to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
    Sarif,
    Html,
}

/// Why there is nothing to show.
enum Failure {
    Rules(Problems),
    Audit(AuditError),
    Outside(String),
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Rules(problems)
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::Audit(error)
    }
}

/// A result, in the forms that it has.
struct Shown {
    clean: bool,
    text: String,
    json: String,
    sarif: String,
    html: String,
}

impl Ways {
    async fn store<'a>(&self, places: impl IntoIterator<Item = &'a Place>) -> Store {
        let reach = Reach { region: self.region.clone(), endpoint: self.endpoint_url.clone() };
        Store::reaching(&reach, places).await
    }

    /// Files first: who reads standard output finds them there.
    #[allow(clippy::print_stdout, reason = "this command's result is its output")]
    fn show(&self, shown: &Shown) -> Result<(), Failure> {
        for (file, text) in
            [(&self.json, &shown.json), (&self.sarif, &shown.sarif), (&self.html, &shown.html)]
        {
            if let Some(file) = file {
                let written = std::fs::write(file, text);
                written.map_err(|error| Failure::Outside(format!("{}: {error}", file.display())))?;
            }
        }
        print!(
            "{}",
            match self.output {
                Output::Text => &shown.text,
                Output::Json => &shown.json,
                Output::Sarif => &shown.sarif,
                Output::Html => &shown.html,
            }
        );
        Ok(())
    }
}

/// Decoders of other crates panic on what their formats do not allow, which is told as damage of the file; where in
/// their code is of interest to who looks for it.
fn tell_of_panics_quietly() {
    std::panic::set_hook(Box::new(|panic| tracing::debug!(%panic, "a decoder gave up")));
}

pub(super) async fn run(audit: Audit) -> u8 {
    tell_of_panics_quietly();
    let (shown, ways) = match audit {
        Audit::Inventory(arguments) => (inventory::run(&arguments).await, arguments.ways),
        Audit::Access(arguments) => (access::run(&arguments).await, arguments.ways),
    };
    match shown.and_then(|shown| ways.show(&shown).map(|()| shown.clean)) {
        Ok(true) => DONE,
        Ok(false) => REFUSED,
        Err(failure) => tell(&failure),
    }
}

#[allow(clippy::print_stderr, reason = "somebody is looking at the terminal")]
fn tell(failure: &Failure) -> u8 {
    let say = |error: &dyn Display| eprintln!("error: {error}");
    match failure {
        Failure::Rules(problems) => report(problems),
        Failure::Audit(error) => say(error),
        Failure::Outside(why) => say(why),
    }
    match failure {
        Failure::Audit(error) if error.is_outside() => WORLD_FAILED,
        Failure::Rules(_) | Failure::Audit(_) => BAD_USAGE,
        Failure::Outside(_) => WORLD_FAILED,
    }
}

fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Outside(error.to_string()))?;
    Ok(text + "\n")
}

/// Runs what blocks apart from the runtime.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuditError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| Failure::Outside(format!("the audit broke off: {error}")))??)
}

/// Runs what blocks apart from the runtime, with a bar on a terminal.
async fn with_bar<T: Send + 'static>(
    progress: Arc<Progress>,
    work: impl FnOnce() -> Result<T, AuditError> + Send + 'static,
) -> Result<T, Failure> {
    // Nothing is drawn where standard error is no terminal.
    let bar = ProgressBar::new(0);
    let style = "{bar:30} {bytes}/{total_bytes}  {msg}  {elapsed} (left: {eta})";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut working = tokio::task::spawn_blocking(work);
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let done = loop {
        tokio::select! {
            done = &mut working => break done,
            _ = tick.tick() => {
                let (bytes, total, rows) = progress.so_far();
                bar.set_length(total);
                bar.set_position(bytes);
                bar.set_message(format!("{rows} rows"));
            }
        }
    };
    bar.finish_and_clear();
    let done = done.map_err(|error| Failure::Outside(format!("the audit broke off: {error}")))?;
    Ok(done?)
}
