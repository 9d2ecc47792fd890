//! `proxy bootstrap`: a declaration to a command on the account, the result to standard output and an exit code: 0 in the
//! wanted state, 1 drift or refused, 2 the declaration or the usage, 3 AWS failed.

mod render;

use std::path::Path;

use clap::{Args, Subcommand};

use super::{BAD_USAGE, report};
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
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match &arguments.command {
        Command::Render(arguments) => render::run(arguments),
    }
}

/// The declaration, or the exit code when it is no good.
fn declaration(file: &Path) -> Result<Declaration, u8> {
    Declaration::load(file).map_err(|problems| {
        report(&problems);
        BAD_USAGE
    })
}
