//! The rules against one row. What a rule needs and the report does not have is said once, and never passes for right.

use std::collections::BTreeSet;
use std::fmt;

use super::field::{Columns, Field};
use super::row::Row;
use crate::config::{ObjectRule, ObjectRules};
use crate::s3::{BucketName, Class, Encrypted, Replicated};
use crate::spec::price;

/// Milliseconds of a day and of an hour.
const DAY: i64 = 24 * HOUR;
const HOUR: i64 = 3_600_000;
/// S3 does not move smaller objects (user guide, "Constraints and considerations for transitions", since 2024-09).
const SMALLEST_MOVED: u64 = 128 * 1024;

/// What can be wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// Not encrypted, or in another way than asked for.
    Encryption,
    /// SSE-KMS without a bucket key.
    BucketKey,
    /// No retention.
    NotLocked,
    /// A retention that is too short, or weaker than asked for.
    LockTooWeak,
    /// Replication has failed.
    ReplicationFailed,
    /// Replication has been pending for too long.
    ReplicationPending,
    /// Not replicated, and it should be.
    NotReplicated,
    /// A dearer class than its age asks for.
    StorageClass,
    /// Still there, and it should have expired.
    NotExpired,
    /// Too large a part of what lies below a prefix is noncurrent.
    Noncurrent,
    /// Somebody else's.
    Owner,
}

impl Check {
    /// Every one by its position: ID, what it says, and whether data is at risk rather than money.
    pub(super) const ALL: [(Self, &'static str, &'static str, bool); 11] = [
        (Self::Encryption, "encryption", "not encrypted as the rules ask", true),
        (
            Self::BucketKey,
            "bucket-key",
            "SSE-KMS without a bucket key, so that every request asks KMS",
            false,
        ),
        (Self::NotLocked, "not-locked", "no retention, and the rules ask for one", true),
        (
            Self::LockTooWeak,
            "lock-too-weak",
            "a retention that is shorter or weaker than the rules ask",
            true,
        ),
        (Self::ReplicationFailed, "replication-failed", "replication has failed", true),
        (Self::ReplicationPending, "replication-pending", "replication has been pending for too long", true),
        (Self::NotReplicated, "not-replicated", "not replicated, and the rules ask for it", true),
        (Self::StorageClass, "storage-class", "in a dearer class than its age asks for", false),
        (Self::NotExpired, "not-expired", "still there after it should have expired", false),
        (
            Self::Noncurrent,
            "noncurrent",
            "too large a part of what lies below the prefix is noncurrent",
            false,
        ),
        (Self::Owner, "owner", "owned by somebody else", true),
    ];
    pub(super) const COUNT: usize = Self::ALL.len();

    /// For machines.
    pub(super) const fn id(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// For people.
    pub(super) const fn title(self) -> &'static str {
        Self::ALL[self as usize].2
    }

    /// Whether data is at risk, rather than money.
    pub(super) const fn is_grave(self) -> bool {
        Self::ALL[self as usize].3
    }

    /// What it reads.
    const fn needs(self) -> &'static [Field] {
        match self {
            Self::Encryption => &[Field::EncryptionStatus],
            Self::BucketKey => &[Field::EncryptionStatus, Field::BucketKeyStatus],
            Self::NotLocked => &[Field::ObjectLockMode, Field::ObjectLockRetainUntilDate],
            Self::LockTooWeak => {
                &[Field::ObjectLockMode, Field::ObjectLockRetainUntilDate, Field::LastModifiedDate]
            }
            Self::ReplicationFailed | Self::NotReplicated => &[Field::ReplicationStatus],
            Self::ReplicationPending => &[Field::ReplicationStatus, Field::LastModifiedDate],
            Self::StorageClass => &[Field::StorageClass, Field::LastModifiedDate, Field::Size],
            Self::NotExpired => &[Field::LastModifiedDate],
            Self::Noncurrent => &[Field::IsLatest, Field::Size],
            Self::Owner => &[Field::ObjectOwner],
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A check that was asked for and that this report cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Unchecked {
    /// Which.
    pub check: &'static str,
    /// What the report does not have.
    pub missing: Vec<String>,
    /// Whether a rule asked for it; otherwise it is only what is always looked at.
    pub asked: bool,
}

/// What is wrong with one row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Verdict {
    found: u16,
    /// US dollars a month that carrying out the lifecycle would save.
    pub(super) saving: f64,
}

impl Verdict {
    fn add(&mut self, check: Check) {
        self.found |= 1 << check as u16;
    }

    pub(super) const fn is_clean(self) -> bool {
        self.found == 0
    }

    pub(super) fn checks(self) -> impl Iterator<Item = Check> {
        Check::ALL
            .into_iter()
            .map(|(check, ..)| check)
            .filter(move |check| self.found & (1 << *check as u16) != 0)
    }
}

/// The rules for one report.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    rules: Vec<ObjectRule>,
    pending: i64,
    slack: i64,
    /// Milliseconds since 1970: when the report was begun. Ages are counted to then.
    now: i64,
    /// Checks that the report has the columns for.
    able: [bool; Check::COUNT],
}

impl Judge {
    pub(super) fn new(rules: &ObjectRules, bucket: &BucketName, columns: &Columns, now: i64) -> Self {
        let fits = |rule: &&ObjectRule| rule.bucket.as_ref().is_none_or(|pattern| pattern.matches(bucket));
        let able = Check::ALL.map(|(check, ..)| check.needs().iter().all(|field| columns.has(*field)));
        Self {
            rules: rules.rules.iter().filter(fits).cloned().collect(),
            pending: i64::from(rules.pending_hours) * HOUR,
            slack: i64::from(rules.slack_days) * DAY,
            now,
            able,
        }
    }

    /// The rules that speak of this bucket.
    pub(super) fn rules(&self) -> &[ObjectRule] {
        &self.rules
    }

    /// What this report cannot answer.
    pub(super) fn unchecked(&self, columns: &Columns) -> Vec<Unchecked> {
        let asked: BTreeSet<Check> = self.rules.iter().flat_map(asks).collect();
        let always = [Check::Encryption, Check::ReplicationFailed, Check::ReplicationPending];
        let all: BTreeSet<Check> = asked.iter().copied().chain(always).collect();
        let unable = all.into_iter().filter(|check| !self.able[*check as usize]);
        unable
            .map(|check| Unchecked {
                check: check.id(),
                missing: check
                    .needs()
                    .iter()
                    .filter(|field| !columns.has(**field))
                    .map(ToString::to_string)
                    .collect(),
                asked: asked.contains(&check),
            })
            .collect()
    }

    fn able(&self, check: Check) -> bool {
        self.able[check as usize]
    }

    /// What is wrong with a row, but for what only the whole report tells.
    pub(super) fn judge(&self, row: &Row<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        // A delete marker has no content, so there is nothing that could be encrypted, locked or moved.
        if row.delete_marker {
            return verdict;
        }
        let age = row.modified.map_or(0, |modified| self.now - modified);
        match row.replicated {
            Some(Replicated::Failed) => verdict.add(Check::ReplicationFailed),
            Some(Replicated::Pending) if self.able(Check::ReplicationPending) && age > self.pending => {
                verdict.add(Check::ReplicationPending);
            }
            _ => {}
        }
        if self.able(Check::Encryption) && matches!(row.encrypted, None | Some(Encrypted::No)) {
            verdict.add(Check::Encryption);
        }
        for rule in self.rules.iter().filter(|rule| row.key.starts_with(rule.prefix.as_str())) {
            self.protection(rule, row, &mut verdict);
            self.lifecycle(rule, row, age, &mut verdict);
        }
        verdict
    }

    fn protection(&self, rule: &ObjectRule, row: &Row<'_>, verdict: &mut Verdict) {
        let unlike = |word: Encrypted| !rule.encryption.contains(&word);
        if self.able(Check::Encryption) && !rule.encryption.is_empty() && row.encrypted.is_none_or(unlike) {
            verdict.add(Check::Encryption);
        }
        // DSSE-KMS cannot have one.
        let kms = row.encrypted == Some(Encrypted::Kms);
        if rule.bucket_key && self.able(Check::BucketKey) && kms && row.bucket_key != Some(true) {
            verdict.add(Check::BucketKey);
        }
        if let Some((mode, days)) = rule.retention {
            // S3 counts from its own clock; the stored times differ by less than a second.
            let short = |until: i64, modified: i64| until - modified < i64::from(days) * DAY - HOUR;
            match (row.lock_mode, row.retained_until, row.modified) {
                (Some(found), Some(until), Some(modified))
                    if self.able(Check::LockTooWeak) && (found < mode || short(until, modified)) =>
                {
                    verdict.add(Check::LockTooWeak);
                }
                (None, ..) | (_, None, _) if self.able(Check::NotLocked) => verdict.add(Check::NotLocked),
                _ => {}
            }
        }
        if rule.replicated && self.able(Check::NotReplicated) && row.replicated.is_none() {
            verdict.add(Check::NotReplicated);
        }
        let owner = row.owner.unwrap_or("");
        if !rule.owners.is_empty()
            && self.able(Check::Owner)
            && !rule.owners.iter().any(|known| known == owner)
        {
            verdict.add(Check::Owner);
        }
    }

    /// Rules on current objects; for how long a version has been noncurrent, no report says.
    fn lifecycle(&self, rule: &ObjectRule, row: &Row<'_>, age: i64, verdict: &mut Verdict) {
        if row.noncurrent {
            return;
        }
        let over = |days: u32| age > i64::from(days) * DAY + self.slack;
        let class = row.class.unwrap_or(Class::Standard);
        if rule.expire_after_days.is_some_and(over) && self.able(Check::NotExpired) {
            verdict.add(Check::NotExpired);
            verdict.saving = verdict.saving.max(price::monthly(class, row.size));
            return;
        }
        let due = rule.transitions.iter().rev().find(|(days, _)| over(*days)).map(|(_, class)| *class);
        if let Some(due) = due
            && self.able(Check::StorageClass)
            && row.size >= SMALLEST_MOVED
            && dearer(class, due)
        {
            verdict.add(Check::StorageClass);
            let saving = price::monthly(class, row.size) - price::monthly(due, row.size);
            verdict.saving = verdict.saving.max(saving);
        }
    }
}

/// Whether objects of the first class could still move on to the second (user guide, "Supported transitions").
fn dearer(class: Class, due: Class) -> bool {
    // Not ours to say what a new class may become.
    class == Class::Other || rank(class) < rank(due)
}

const fn rank(class: Class) -> u8 {
    match class {
        Class::Standard | Class::ReducedRedundancy | Class::Other => 0,
        Class::StandardIa => 1,
        Class::IntelligentTiering => 2,
        Class::OnezoneIa => 3,
        Class::GlacierIr => 4,
        Class::Glacier => 5,
        Class::DeepArchive => 6,
    }
}

fn asks(rule: &ObjectRule) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut ask = |asked: bool, of: &[Check]| {
        if asked {
            checks.extend_from_slice(of);
        }
    };
    ask(!rule.encryption.is_empty(), &[Check::Encryption]);
    ask(rule.bucket_key, &[Check::BucketKey]);
    ask(rule.retention.is_some(), &[Check::NotLocked, Check::LockTooWeak]);
    ask(rule.replicated, &[Check::ReplicationFailed, Check::ReplicationPending, Check::NotReplicated]);
    ask(!rule.transitions.is_empty(), &[Check::StorageClass]);
    ask(rule.expire_after_days.is_some(), &[Check::NotExpired]);
    ask(rule.noncurrent_percent.is_some(), &[Check::Noncurrent]);
    ask(!rule.owners.is_empty(), &[Check::Owner]);
    checks
}
