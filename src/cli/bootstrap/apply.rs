//! `proxy bootstrap apply`.

use std::path::PathBuf;

use clap::Args;

use super::super::{BAD_USAGE, DONE, REFUSED};
use super::carrying::{Carrying, release};
use super::confirm::{Confirmation, agreed};
use super::progress::Progress;
use super::{connect, declaration, failed, say, stopped};
use crate::bootstrap::{self, Account, Context, Plan};
use crate::config::Declaration;

pub(super) const EXAMPLE: &str = "\
Examples:
  proxy bootstrap apply -f bootstrap.yaml
  proxy bootstrap apply -f bootstrap.yaml --yes \\
    --confirm-irreversible reports-archive-123456789012-eu-west-1-an=COMPLIANCE:30

Stopped at any point, it goes on from there when it is run again.

Exit code: 0 in the wanted state, 1 not (refused, declined, or something is left for others), 2 the declaration,
3 AWS failed part-way";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The declaration, YAML.
    #[arg(long, short)]
    file: PathBuf,
    /// What is done although nobody can undo it: BUCKET=COMPLIANCE:DAYS or BUCKET=GOVERNANCE:DAYS, as the plan says it.
    #[arg(long, value_name = "BUCKET=MODE:DAYS")]
    confirm_irreversible: Vec<Confirmation>,
    /// The longest default retention that is let through at all, in days.
    #[arg(long, default_value_t = 3650)]
    max_retention_days: u32,
    #[command(flatten)]
    carrying: Carrying,
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
    if !arguments.carrying.yes && !agreed(&format!("do these {} steps", plan.steps.len()), "yes") {
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
    let carrying = &arguments.carrying;
    let (mut lease, mut journal) = carrying.begin(account, declaration).await?;
    let progress = Progress::start(plan.steps.len());
    let shown = |at, step: &bootstrap::Step<'_>| progress.at(at, &step.item.id());
    let done = bootstrap::apply(cx, plan, &mut lease, &mut journal, carrying.patience(), shown).await;
    release(lease).await;
    done.map_err(|error| stopped(&error))
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
