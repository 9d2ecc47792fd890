//! `proxy bootstrap verify`.

use std::path::PathBuf;

use clap::Args;
use time::OffsetDateTime;

use super::super::{DONE, REFUSED, WORLD_FAILED};
use super::{connect, declaration, failed, say, say_error};
use crate::bootstrap::{Probes, Report, look, probe};

pub(super) const EXAMPLE: &str = "\
Examples:
  proxy bootstrap verify -f bootstrap.yaml
  proxy bootstrap verify -f bootstrap.yaml --html report.html
  proxy bootstrap verify -f bootstrap.yaml --json | jq '.controls[] | select(.verdict == \"FAIL\")'

What could not be read fails, with the reason: it is no pass. Buckets need not have been made by apply.

Exit code: 0 everything holds or is waived, 1 something fails, 2 the declaration, 3 AWS cannot be asked";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The declaration, YAML; its waivers count.
    #[arg(long, short)]
    file: PathBuf,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
    /// Write the report as a page, besides: one file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Only read settings: send neither the unsigned request nor the one without TLS that each bucket has to refuse.
    #[arg(long)]
    no_probes: bool,
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    perform(&arguments).await.unwrap_or_else(|code| code)
}

async fn perform(arguments: &Arguments) -> Result<u8, u8> {
    let declaration = declaration(&arguments.file)?;
    let desired = &declaration.desired;
    let account = connect(&declaration).await?;
    let seen = look(&account, desired).await.map_err(|error| failed(&error))?;
    let probes = if arguments.no_probes { Probes::default() } else { probe(&account, desired).await };
    let report = Report::judge(desired, &seen, &probes, OffsetDateTime::now_utc());
    if arguments.json {
        say(format_args!("{:#}\n", report.to_json()));
    } else {
        say(&report);
    }
    if let Some(file) = &arguments.html {
        std::fs::write(file, report.to_html()).map_err(|error| {
            say_error(&std::io::Error::other(format!("{}: {error}", file.display())));
            WORLD_FAILED
        })?;
    }
    Ok(if report.holds() { DONE } else { REFUSED })
}
