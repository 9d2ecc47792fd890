//! S3 Inventory reports against the rules: read whole or not at all, counted in bounded memory, told as one [`Review`].

mod columnar;
mod compare;
mod csv;
mod field;
mod html;
mod judge;
mod locate;
mod manifest;
mod progress;
mod read;
mod review;
mod row;
mod tally;
mod text;

use self::compare::{Comparison, Side};
use self::judge::Judge;
use self::manifest::Manifest;
use self::read::Reading;
use self::tally::Tally;
use super::error::{AuditError, Spot};
use super::place::Place;
use super::store::Store;
use crate::config::ObjectRules;

pub use progress::Progress;
pub use review::Review;

/// Which report to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// The one before, of the same inventory.
    Previous,
    /// This one.
    At(Place),
}

/// What to review, and how.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// A manifest, a report's folder, or an inventory's folder: then its latest report.
    pub report: Place,
    /// What to compare it with.
    pub earlier: Option<Earlier>,
    /// The rules; without any, what is wrong everywhere is looked for.
    pub rules: ObjectRules,
    /// Prefixes end at this `/` of a key.
    pub depth: usize,
}

/// Reviews a report. Blocks, for minutes where a report is large.
pub fn review(store: &Store, inventory: &Inventory, progress: &Progress) -> Result<Review, AuditError> {
    let manifest = Manifest::read(store, locate::manifest(store, &inventory.report)?)?;
    let earlier = match &inventory.earlier {
        None => None,
        Some(Earlier::Previous) => Some(locate::before(store, &manifest.place)?),
        Some(Earlier::At(place)) => Some(locate::manifest(store, place)?),
    };
    let earlier = earlier.map(|place| Manifest::read(store, place)).transpose()?;
    if let Some(other) = earlier.as_ref().filter(|other| other.bucket != manifest.bucket) {
        let why = format!(
            "--earlier: {} is of the bucket '{}', not '{}'",
            other.place, other.bucket, manifest.bucket
        );
        return Err(AuditError::Usage(why));
    }
    let comparison =
        earlier.as_ref().map(|other| Comparison::new(&other.columns, &manifest.columns)).transpose()?;
    let judge = judge(inventory, &manifest)?;
    let count = |manifest: &Manifest, judge: &Judge, side| {
        let reading = Reading { store, manifest, progress };
        count(reading, judge, inventory.depth, comparison.as_ref().map(|comparison| (comparison, side)))
    };
    let before = match &earlier {
        Some(manifest) => {
            Some((manifest, count(manifest, &self::judge(inventory, manifest)?, Side::Earlier)?))
        }
        None => None,
    };
    let tally = count(&manifest, &judge, Side::Later)?;
    let changes = comparison.map(|comparison| comparison.finish()).transpose()?;
    Ok(Review::new(&manifest, &judge, tally, before.zip(changes)))
}

fn judge(inventory: &Inventory, manifest: &Manifest) -> Result<Judge, AuditError> {
    let bucket = manifest.bucket.parse();
    let bucket = bucket.map_err(|error| {
        AuditError::damaged(
            Spot::file(&manifest.place),
            format!("sourceBucket '{}': {error}", manifest.bucket),
        )
    })?;
    let judge = Judge::new(&inventory.rules, &bucket, &manifest.columns, manifest.created);
    if judge.rules().is_empty() && !inventory.rules.rules.is_empty() {
        return Err(AuditError::Usage(format!(
            "no rule speaks of the bucket '{bucket}', which the report lists"
        )));
    }
    Ok(judge)
}

fn count(
    reading: Reading<'_>,
    judge: &Judge,
    depth: usize,
    comparison: Option<(&Comparison, Side)>,
) -> Result<Tally, AuditError> {
    let shares = || {
        let rules = judge.rules().iter();
        rules.filter_map(|rule| Some((rule.prefix.clone(), rule.noncurrent_percent?)))
    };
    let empty = || Tally::new(reading.manifest.created, depth, shares());
    let tallies = reading.rows(
        || (empty(), Vec::new()),
        |(tally, record), file, number, row| {
            tally.count(file, number, row, judge.judge(row));
            comparison.map_or(Ok(()), |(comparison, side)| comparison.add(side, row, record))
        },
    )?;
    let mut whole = empty();
    for (tally, _) in tallies {
        whole.merge(tally);
    }
    Ok(whole)
}
