//! `proxy bootstrap apply`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::{BAD_USAGE, DONE, REFUSED, WORLD_FAILED};
use super::confirm::{Confirmation, agreed};
use super::progress::Progress;
use super::{connect, declaration, failed, journal_file, lease_code, say, say_error, stopped};
use crate::bootstrap::{self, Account, Context, Journal, Lease, Patience, Plan};
use crate::config::Declaration;

pub(super) const EXAMPLE: &str = "\
Examples:
  proxy bootstrap apply -f bootstrap.yaml
  proxy bootstrap apply -f bootstrap.yaml --yes \\
    --confirm-irreversible reports-archive-123456789012-eu-west-1=COMPLIANCE:30

Stopped at any point, it goes on from there when it is run again.

Exit code: 0 in the wanted state, 1 not (refused, declined, or something is left for others), 2 the declaration,
3 AWS failed part-way";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The declaration, YAML.
    #[arg(long, short)]
    file: PathBuf,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// What is done although nobody can undo it: BUCKET=COMPLIANCE:DAYS or BUCKET=GOVERNANCE:DAYS, as the plan says it.
    #[arg(long, value_name = "BUCKET=MODE:DAYS")]
    confirm_irreversible: Vec<Confirmation>,
    /// The longest default retention that is let through at all, in days.
    #[arg(long, default_value_t = 3650)]
    max_retention_days: u32,
    /// Where the journal is appended to, a line of JSON an event [default: bootstrap-<name>.jsonl].
    #[arg(long)]
    journal: Option<PathBuf>,
    /// How long a step is repeated that AWS refuses for a while, or read until what was written shows.
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
    let account = connect(&declaration).await?;
    let mut cx = Context::look(&account, &declaration.desired).await.map_err(|error| failed(&error))?;
    let plan = Plan::make(&cx).await.map_err(|error| failed(&error))?;
    say(&plan);
    if !plan.refused.is_empty() {
        return Err(REFUSED);
    }
    if plan.steps.is_empty() {
        return Ok(if plan.is_settled() { DONE } else { REFUSED });
    }
    require_confirmed(&plan, arguments)?;
    if !arguments.yes && !agreed(&format!("do these {} steps", plan.steps.len()), "yes") {
        return Err(REFUSED);
    }
    carry_out(&declaration, &account, &mut cx, &plan, arguments).await?;
    settled(&cx).await
}

/// Every irreversible step has to be confirmed by its own words, and none may exceed the ceiling.
#[allow(clippy::print_stderr, reason = "somebody is looking at the terminal when a command is refused")]
fn require_confirmed(plan: &Plan<'_>, arguments: &Arguments) -> Result<(), u8> {
    let mut refused = false;
    for (bucket, retention) in plan.irreversible() {
        if retention.days > arguments.max_retention_days {
            eprintln!(
                "error: {bucket} would keep every object for {} days, and the ceiling is {}: raise --max-retention-days if \
                 that is meant",
                retention.days, arguments.max_retention_days
            );
            refused = true;
        } else if !arguments.confirm_irreversible.iter().any(|given| given.is_for(bucket, retention)) {
            eprintln!(
                "error: this cannot be undone by anybody: confirm it with --confirm-irreversible {bucket}={}:{}",
                retention.mode, retention.days
            );
            refused = true;
        }
    }
    if refused { Err(BAD_USAGE) } else { Ok(()) }
}

async fn carry_out<'d>(
    declaration: &Declaration,
    account: &'d Account,
    cx: &mut Context<'d>,
    plan: &Plan<'d>,
    arguments: &Arguments,
) -> Result<(), u8> {
    let taken = Lease::take(account, &declaration.desired, arguments.break_lease).await;
    let mut lease = taken.map_err(|error| {
        say_error(&error);
        lease_code(&error)
    })?;
    let file = journal_file(declaration, arguments.journal.clone());
    let done = match Journal::open(&file, lease.generation().to_string()) {
        Ok(mut journal) => {
            let progress = Progress::start(plan.steps.len());
            let shown = |at, step: &bootstrap::Step<'_>| progress.at(at, &step.item.id());
            let patience = Patience(arguments.patience);
            bootstrap::apply(cx, plan, &mut lease, &mut journal, patience, shown)
                .await
                .map_err(|error| stopped(&error))
        }
        Err(error) => {
            say_error(&std::io::Error::other(format!("{}: {error}", file.display())));
            Err(WORLD_FAILED)
        }
    };
    // What matters is how the steps went; a lease that is not let go ends by itself.
    if let Err(error) = lease.release().await {
        tracing::warn!(%error, "the lease could not be let go");
    }
    done
}

/// Looks at everything again.
async fn settled(cx: &Context<'_>) -> Result<u8, u8> {
    let left = Plan::make(cx).await.map_err(|error| failed(&error))?;
    if left.is_settled() {
        say("done: everything is as it should be\n");
        return Ok(DONE);
    }
    say("done, and not everything is as it should be:\n");
    say(&left);
    Ok(REFUSED)
}
