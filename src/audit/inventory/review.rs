//! What a report comes to: the findings first, then what the bucket holds.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::compare::Changes;
use super::field::{Columns, Field};
use super::judge::{Check, Judge, Unchecked};
use super::manifest::{Format, Manifest};
use super::tally::{AGES, Found, SAMPLES, Sample, Sum, Tally};
use crate::s3::{Class, Encrypted, Replicated};
use crate::spec::price;

/// Prefixes in a result.
const PREFIXES: usize = 20;

/// A reviewed report.
#[derive(Debug, Clone, Serialize)]
pub struct Review {
    /// The bucket that it lists.
    pub bucket: String,
    /// Its manifest.
    pub manifest: String,
    /// When S3 began to look, RFC 3339.
    pub created: String,
    /// How it is written.
    pub format: Format,
    /// Its data files.
    pub files: usize,
    /// Its rows: versions and delete markers.
    pub rows: u64,
    /// Nothing was found, and everything that was asked for could be checked.
    pub clean: bool,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// What could not be checked.
    pub unchecked: Vec<Unchecked>,
    /// Objects with any finding but that there are too many noncurrent ones, which no single object is to blame for.
    pub affected: Sum,
    /// Current objects.
    pub current: Sum,
    /// Noncurrent versions.
    pub noncurrent: Sum,
    /// Delete markers.
    pub delete_markers: u64,
    /// Objects that were uploaded in parts; complete ones, for incomplete uploads are in no report.
    pub multipart: Sum,
    /// Objects under a legal hold.
    pub legal_hold: Sum,
    /// US dollars a month, and what carrying out the lifecycle would save of them.
    pub cost: Cost,
    /// By storage class and age.
    pub storage: Vec<Stored>,
    /// By encryption; empty if the report does not tell.
    pub encryption: Vec<Part>,
    /// By Object Lock; empty if the report does not tell.
    pub lock: Vec<Part>,
    /// By replication; empty if the report does not tell.
    pub replication: Vec<Part>,
    /// The prefixes with the most bytes in findings, then the largest.
    pub prefixes: Vec<Prefix>,
    /// What became of the objects since an earlier report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// One kind of finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Its ID.
    pub check: &'static str,
    /// In words.
    pub title: &'static str,
    /// Whether data is at risk, rather than money.
    pub grave: bool,
    /// How many objects.
    #[serde(flatten)]
    pub sum: Sum,
    /// How many in the earlier report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Sum>,
    /// The first of them.
    pub first: Vec<Sample>,
}

/// An estimate.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// For all that is stored.
    pub monthly_usd: f64,
    /// What would be saved.
    pub saving_usd: f64,
    /// Whose prices.
    pub prices: &'static str,
}

/// One storage class.
#[derive(Debug, Clone, Serialize)]
pub struct Stored {
    /// Its name.
    pub class: &'static str,
    /// All of it.
    #[serde(flatten)]
    pub sum: Sum,
    /// By age.
    pub ages: Vec<Part>,
}

/// A part of the whole.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// Which.
    pub name: &'static str,
    /// How much.
    #[serde(flatten)]
    pub sum: Sum,
}

/// What lies below a prefix.
#[derive(Debug, Clone, Serialize)]
pub struct Prefix {
    /// `None` stands for all prefixes that are not told apart.
    #[serde(rename = "prefix")]
    pub name: Option<String>,
    /// All of it.
    #[serde(flatten)]
    pub sum: Sum,
    /// What of it is noncurrent.
    pub noncurrent: Sum,
    /// What of it has findings.
    pub found: Sum,
}

/// The comparison with an earlier report.
#[derive(Debug, Clone, Serialize)]
pub struct Since {
    /// The earlier report's manifest.
    pub manifest: String,
    /// When it was begun.
    pub created: String,
    /// What changed.
    #[serde(flatten)]
    pub changes: Changes,
}

impl Review {
    pub(super) fn new(
        manifest: &Manifest,
        judge: &Judge,
        mut tally: Tally,
        before: Option<((&Manifest, Tally), Changes)>,
    ) -> Self {
        let shares_saving = settle_shares(&mut tally);
        let (since, before) = match before {
            None => (None, None),
            Some(((earlier, mut tally), changes)) => {
                settle_shares(&mut tally);
                let (manifest, created) = (earlier.place.to_string(), rfc3339(earlier.created));
                (Some(Since { manifest, created, changes }), Some(tally))
            }
        };
        let findings = findings(&mut tally, before.as_ref());
        let unchecked = judge.unchecked(&manifest.columns);
        let columns = &manifest.columns;
        Self {
            bucket: manifest.bucket.clone(),
            manifest: manifest.place.to_string(),
            created: rfc3339(manifest.created),
            format: manifest.format,
            files: manifest.files.len(),
            rows: tally.rows,
            clean: findings.is_empty() && !unchecked.iter().any(|unchecked| unchecked.asked),
            findings,
            unchecked,
            affected: tally.affected,
            current: tally.current,
            noncurrent: tally.noncurrent,
            delete_markers: tally.delete_markers,
            multipart: tally.multipart,
            legal_hold: tally.legal_hold,
            cost: Cost {
                monthly_usd: cents(tally.cost),
                saving_usd: cents(tally.saving + shares_saving),
                prices: price::SOURCE,
            },
            storage: storage(&tally),
            encryption: told(
                columns,
                Field::EncryptionStatus,
                &tally.encryption,
                &names(&Encrypted::ALL, "not said"),
            ),
            lock: told(
                columns,
                Field::ObjectLockMode,
                &tally.locks,
                &["no retention", "GOVERNANCE", "COMPLIANCE"],
            ),
            replication: told(
                columns,
                Field::ReplicationStatus,
                &tally.replication,
                &names(&Replicated::ALL, "not replicated"),
            ),
            prefixes: prefixes(&tally),
            since,
        }
    }
}

/// Turns shares that are too large into findings; the answer is what less of them would save, US dollars a month.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn settle_shares(tally: &mut Tally) -> f64 {
    let mut saving = 0.0;
    for share in std::mem::take(&mut tally.shares) {
        let allowed = share.all.bytes as f64 * f64::from(share.percent) / 100.0;
        let bytes = share.noncurrent.sum.bytes as f64;
        if bytes > allowed {
            saving += share.cost * (1.0 - allowed / bytes);
            tally.found[Check::Noncurrent as usize].merge(share.noncurrent);
        }
    }
    saving
}

fn findings(tally: &mut Tally, before: Option<&Tally>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (check, ..) in Check::ALL {
        let Found { sum, samples } = std::mem::take(&mut tally.found[check as usize]);
        let earlier = before.map(|before| before.found[check as usize].sum);
        if sum.objects > 0 {
            debug_assert!(samples.len() <= SAMPLES);
            findings.push(Finding {
                check: check.id(),
                title: check.title(),
                grave: check.is_grave(),
                sum,
                earlier,
                first: samples,
            });
        }
    }
    findings.sort_by_key(|finding| !finding.grave);
    findings
}

fn names<T>(words: &[(&'static str, T)], none: &'static str) -> Vec<&'static str> {
    words.iter().map(|(name, _)| *name).chain([none]).collect()
}

/// The parts that there are, if the report tells.
fn told(columns: &Columns, field: Field, sums: &[Sum], names: &[&'static str]) -> Vec<Part> {
    if !columns.has(field) {
        return Vec::new();
    }
    let parts = names.iter().zip(sums).map(|(name, sum)| Part { name, sum: *sum });
    parts.filter(|part| part.sum.objects > 0).collect()
}

fn storage(tally: &Tally) -> Vec<Stored> {
    let mut storage = Vec::new();
    for ((class, _), ages) in Class::ALL.into_iter().zip(&tally.by_class_and_age) {
        let sum = ages.iter().fold(Sum::default(), |all, age| Sum {
            objects: all.objects + age.objects,
            bytes: all.bytes + age.bytes,
        });
        if sum.objects > 0 {
            let ages = AGES.iter().zip(ages).map(|((_, name), sum)| Part { name, sum: *sum }).collect();
            storage.push(Stored { class, sum, ages });
        }
    }
    storage
}

fn prefixes(tally: &Tally) -> Vec<Prefix> {
    let mut prefixes: Vec<_> =
        tally.prefixes.iter().map(|(prefix, below)| (Some(prefix.clone()), *below)).collect();
    prefixes.sort_by(|(a, one), (b, two)| {
        (two.found.bytes, two.found.objects, two.all.bytes, a).cmp(&(
            one.found.bytes,
            one.found.objects,
            one.all.bytes,
            b,
        ))
    });
    let mut rest = tally.other;
    for (_, below) in prefixes.drain(PREFIXES.min(prefixes.len())..) {
        rest.merge(below);
    }
    if rest.all.objects > 0 {
        prefixes.push((None, rest));
    }
    let prefix = |(name, below): (Option<String>, super::tally::Below)| Prefix {
        name,
        sum: below.all,
        noncurrent: below.noncurrent,
        found: below.found,
    };
    prefixes.into_iter().map(prefix).collect()
}

fn rfc3339(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000)).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{millis} ms"))
}

/// Two digits: no estimate has more.
fn cents(dollars: f64) -> f64 {
    (dollars * 100.0).round() / 100.0
}
