//! `proxy audit inventory`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Failure, Shown, Ways, with_bar};
use crate::audit::{Earlier, Inventory, Place, Progress, review};
use crate::config::{Declaration, ObjectRules};

/// Which report, and the rules.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  proxy audit inventory s3://logs/inventory/reports-prod/all/ --rules rules.yaml --earlier previous
                                       the latest report of an inventory, compared with the one before
  proxy audit inventory ./2026-11-22T01-00Z --html review.html
                                       a report that has been copied here; also as a page

Exit code: 0 clean, 1 findings, 2 damaged report or bad usage, 3 AWS failed")]
pub(in crate::cli) struct Arguments {
    /// A manifest.json, the folder of one report, or the folder of an inventory, of which the latest report is taken;
    /// here or `s3://BUCKET/KEY`.
    report: Place,
    /// What objects must be, YAML; without it, only what is wrong anywhere is looked for.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The declaration of the account side, YAML, as the rules: what it says of the bucket's objects.
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "rules")]
    spec: Option<PathBuf>,
    /// A report to compare with; 'previous' is the one before in the same inventory.
    #[arg(long, value_name = "REPORT|previous")]
    earlier: Option<String>,
    /// How many folders deep keys are counted together.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    depth: u8,
    #[command(flatten)]
    pub(super) ways: Ways,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Shown, Failure> {
    let rules = match (&arguments.rules, &arguments.spec) {
        (Some(file), _) => ObjectRules::load(file)?,
        (None, Some(file)) => ObjectRules::from(&Declaration::load(file)?.desired),
        (None, None) => ObjectRules::default(),
    };
    let earlier = match arguments.earlier.as_deref() {
        None => None,
        Some("previous") => Some(Earlier::Previous),
        Some(place) => Some(Earlier::At(place.parse().map_err(|why: String| usage(&why))?)),
    };
    let inventory =
        Inventory { report: arguments.report.clone(), earlier, rules, depth: usize::from(arguments.depth) };
    let other = inventory.earlier.iter().filter_map(|earlier| match earlier {
        Earlier::Previous => None,
        Earlier::At(place) => Some(place),
    });
    let store = arguments.ways.store([&inventory.report].into_iter().chain(other)).await;
    let progress = Arc::new(Progress::default());
    let shared = progress.clone();
    let review = with_bar(progress, move || review(&store, &inventory, &shared)).await?;
    Ok(Shown {
        clean: review.clean,
        text: review.to_string(),
        json: super::pretty(&review)?,
        sarif: super::pretty(&review.to_sarif())?,
        html: review.to_html(),
    })
}

fn usage(why: &str) -> Failure {
    Failure::Audit(crate::audit::AuditError::Usage(format!("--earlier: {why}")))
}
