//! `proxy bootstrap destroy`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::{DONE, REFUSED, WORLD_FAILED};
use super::confirm::agreed;
use super::progress::Progress;
use super::{connect, declaration, failed, journal_file, lease_code, say, say_error, stopped};
use crate::bootstrap::{self, Context, Journal, Lease, Patience, Removal};

pub(super) const EXAMPLE: &str = "\
Example:
  proxy bootstrap destroy -f bootstrap.yaml

Only what carries the deployment's tag is taken away; a bucket that holds anything or is locked stays, and with it its key.

Exit code: 0 taken away, or nothing to take; 1 declined; 2 the declaration; 3 AWS failed part-way";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The declaration, YAML.
    #[arg(long, short)]
    file: PathBuf,
    /// Show what would be taken away, and do nothing.
    #[arg(long)]
    plan: bool,
    /// What would be taken away, as JSON; does nothing.
    #[arg(long)]
    json: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Where the journal is appended to [default: bootstrap-<name>.jsonl].
    #[arg(long)]
    journal: Option<PathBuf>,
    /// How long a step is repeated that AWS refuses for a while.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// Takes over from an apply that is known to be gone, by the number that the refusal names.
    #[arg(long)]
    break_lease: Option<u32>,
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    perform(&arguments).await.unwrap_or_else(|code| code)
}

async fn perform(arguments: &Arguments) -> Result<u8, u8> {
    let declaration = declaration(&arguments.file)?;
    let desired = &declaration.desired;
    let account = connect(&declaration).await?;
    let cx = Context::look(&account, desired).await.map_err(|error| failed(&error))?;
    let removal = Removal::make(&cx).await.map_err(|error| failed(&error))?;
    if arguments.json {
        say(format_args!("{:#}\n", removal.to_json()));
        return Ok(DONE);
    }
    say(&removal);
    if arguments.plan || removal.goes.is_empty() {
        return Ok(DONE);
    }
    if !arguments.yes && !agreed("take these away; it cannot be undone", desired.name.as_str()) {
        return Err(REFUSED);
    }
    let taken = Lease::take(&account, desired, arguments.break_lease).await;
    let mut lease = taken.map_err(|error| {
        say_error(&error);
        lease_code(&error)
    })?;
    let file = journal_file(&declaration, arguments.journal.clone());
    let mut journal = Journal::open(&file, lease.generation().to_string()).map_err(|error| {
        say_error(&std::io::Error::other(format!("{}: {error}", file.display())));
        WORLD_FAILED
    })?;
    let progress = Progress::start(removal.goes.len());
    let shown = |at, item: &bootstrap::Item<'_>| progress.at(at, &item.id());
    let patience = Patience(arguments.patience);
    let done = bootstrap::destroy(&cx, &removal, &mut lease, &mut journal, patience, shown).await;
    let ended = if done.is_ok() { lease.end().await } else { lease.release().await };
    if let Err(error) = ended {
        tracing::warn!(%error, "the lease could not be let go");
    }
    done.map(|()| DONE).map_err(|error| stopped(&error))
}
