//! `proxy bootstrap`: a declaration to a command on the account, the result to standard output and an exit code: 0 in the
//! wanted state, 1 drift or refused, 2 the declaration or the usage, 3 AWS failed.

mod apply;
mod carrying;
mod confirm;
mod destroy;
mod plan;
mod progress;
mod render;
mod verify;

use std::path::Path;

use clap::{Args, Subcommand};

use super::{BAD_USAGE, REFUSED, WORLD_FAILED, report};
use crate::bootstrap::{Account, AccountError, ApplyError, CallError, LeaseError};
use crate::config::Declaration;

/// What to do with the account side.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the account side as files: CloudFormation, policies, the matching configuration. Offline.
    #[command(after_help = render::EXAMPLE)]
    Render(render::Arguments),
    /// Read the account and show what apply would do; changes nothing.
    #[command(after_help = plan::EXAMPLE)]
    Plan(plan::Arguments),
    /// Make the account what the declaration says.
    #[command(after_help = apply::EXAMPLE)]
    Apply(apply::Arguments),
    /// Read everything afresh and judge it, control by control; changes nothing.
    #[command(after_help = verify::EXAMPLE)]
    Verify(verify::Arguments),
    /// Take away what the declaration made, as far as that loses nothing.
    #[command(after_help = destroy::EXAMPLE)]
    Destroy(destroy::Arguments),
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    match arguments.command {
        Command::Render(arguments) => render::run(&arguments),
        Command::Plan(arguments) => Box::pin(plan::run(arguments)).await,
        Command::Apply(arguments) => Box::pin(apply::run(arguments)).await,
        Command::Verify(arguments) => Box::pin(verify::run(arguments)).await,
        Command::Destroy(arguments) => Box::pin(destroy::run(arguments)).await,
    }
}

/// The declaration, or the exit code when it is no good.
fn declaration(file: &Path) -> Result<Declaration, u8> {
    Declaration::load(file).map_err(|problems| {
        report(&problems);
        BAD_USAGE
    })
}

async fn connect(declaration: &Declaration) -> Result<Account, u8> {
    Account::connect(&declaration.desired).await.map_err(|error| {
        let code = match error {
            AccountError::OtherAccount { .. } => BAD_USAGE,
            AccountError::NoRoots | AccountError::Call(_) => WORLD_FAILED,
        };
        say_error(&error);
        code
    })
}

/// Says it, and returns the code of a failure of AWS.
fn failed(error: &CallError) -> u8 {
    say_error(error);
    WORLD_FAILED
}

fn stopped(error: &ApplyError) -> u8 {
    say_error(error);
    match error {
        ApplyError::Changed { .. } | ApplyError::Stopped => REFUSED,
        ApplyError::Lease(lease) => lease_code(lease),
        ApplyError::Step { .. } | ApplyError::Journal(_) => WORLD_FAILED,
    }
}

fn lease_code(error: &LeaseError) -> u8 {
    match error {
        LeaseError::Held { .. } | LeaseError::Lost => REFUSED,
        LeaseError::Call(_) => WORLD_FAILED,
    }
}

#[allow(clippy::print_stderr, reason = "somebody is looking at the terminal when a command fails")]
fn say_error(error: &dyn std::error::Error) {
    eprintln!("error: {error}");
}

#[allow(clippy::print_stdout, reason = "this command's result is its output")]
fn say(text: impl std::fmt::Display) {
    print!("{text}");
}
