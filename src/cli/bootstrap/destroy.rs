//! `proxy bootstrap destroy`.

use std::path::PathBuf;

use clap::Args;

use super::super::{DONE, REFUSED};
use super::carrying::{Carrying, release};
use super::confirm::agreed;
use super::progress::Progress;
use super::{connect, declaration, failed, say, stopped};
use crate::bootstrap::{self, Context, Removal};

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
    /// Schedule the KMS key for deletion too: what was ever encrypted with it, and lies anywhere still, is lost in 30 days.
    #[arg(long)]
    delete_key: bool,
    #[command(flatten)]
    carrying: Carrying,
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    perform(&arguments).await.unwrap_or_else(|code| code)
}

async fn perform(arguments: &Arguments) -> Result<u8, u8> {
    let declaration = declaration(&arguments.file)?;
    let desired = &declaration.desired;
    let account = connect(&declaration).await?;
    let cx = Context::look(&account, desired).await.map_err(|error| failed(&error))?;
    let removal = Removal::make(&cx, arguments.delete_key).await.map_err(|error| failed(&error))?;
    if arguments.json {
        say(format_args!("{:#}\n", removal.to_json()));
        return Ok(DONE);
    }
    say(&removal);
    if arguments.plan || removal.goes.is_empty() {
        return Ok(DONE);
    }
    if !arguments.carrying.yes && !agreed("take these away; it cannot be undone", desired.name.as_str()) {
        return Err(REFUSED);
    }
    let carrying = &arguments.carrying;
    let (mut lease, mut journal) = carrying.begin(&account, &declaration).await?;
    let progress = Progress::start(removal.goes.len());
    let shown = |at, item: &bootstrap::Item<'_>| progress.at(at, &item.id());
    let done = bootstrap::destroy(&cx, &removal, &mut lease, &mut journal, carrying.patience(), shown).await;
    if done.is_err() {
        release(lease).await;
    } else if let Err(error) = lease.end().await {
        tracing::warn!(%error, "the lease's log group could not be taken away");
    }
    done.map(|()| DONE).map_err(|error| stopped(&error))
}
