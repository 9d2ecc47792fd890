//! `proxy bootstrap plan`.

use std::path::PathBuf;

use clap::Args;

use super::super::{DONE, REFUSED};
use super::{connect, declaration, failed, say};
use crate::bootstrap::{Context, Plan};

pub(super) const EXAMPLE: &str = "\
Examples:
  proxy bootstrap plan -f bootstrap.yaml
  proxy bootstrap plan -f bootstrap.yaml --json | jq '.steps[].id'

Exit code: 0 nothing to do, 1 something to do or refused, 2 the declaration, 3 AWS cannot be asked";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The declaration, YAML.
    #[arg(long, short)]
    file: PathBuf,
    /// The plan as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    look(&arguments).await.unwrap_or_else(|code| code)
}

async fn look(arguments: &Arguments) -> Result<u8, u8> {
    let declaration = declaration(&arguments.file)?;
    let account = connect(&declaration).await?;
    let cx = Context::look(&account, &declaration.desired).await.map_err(|error| failed(&error))?;
    let plan = Plan::make(&cx).await.map_err(|error| failed(&error))?;
    if arguments.json {
        say(format_args!("{:#}\n", plan.to_json()));
    } else {
        say(&plan);
    }
    Ok(if plan.is_settled() { DONE } else { REFUSED })
}
