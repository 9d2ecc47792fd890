//! What stored objects must be: the file of `proxy audit inventory --rules`, or what a declaration of the account side
//! comes to.

use std::path::Path;
use std::str::FromStr;

use super::document;
use super::guardrails::MODES;
use super::reader::{Notebook, Problems, Section};
use crate::policy::BucketPattern;
use crate::s3::{Class, Encrypted, LockMode};
use crate::spec::{Desired, DesiredBucket, Encryption, LifecycleRule, Versioning};

/// One rule; whatever it leaves out, it does not ask for. Every rule whose bucket and prefix fit an object applies to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectRule {
    /// For messages; unique.
    pub name: String,
    /// `None` is every bucket.
    pub bucket: Option<BucketPattern>,
    /// Start of keys; empty is the whole bucket.
    pub prefix: String,
    /// Which encryption will do; empty: any.
    pub encryption: Vec<Encrypted>,
    /// Objects under SSE-KMS use a bucket key.
    pub bucket_key: bool,
    /// How firmly and how long at the least, in days from when the version was written.
    pub retention: Option<(LockMode, u32)>,
    /// Every object is replicated.
    pub replicated: bool,
    /// Where objects are by their age in days, from young to old.
    pub transitions: Vec<(u32, Class)>,
    /// Days after which a current object is gone.
    pub expire_after_days: Option<u32>,
    /// Percent of bytes that may be noncurrent below one prefix.
    pub noncurrent_percent: Option<u8>,
    /// Canonical user IDs that may own objects; empty: any.
    pub owners: Vec<String>,
}

/// The rules, and what is allowed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRules {
    /// The rules.
    pub rules: Vec<ObjectRule>,
    /// Hours that a replication may be pending.
    pub pending_hours: u32,
    /// Days that S3 takes to carry lifecycle rules out: they run once a day, and what they have marked waits.
    pub slack_days: u32,
}

impl Default for ObjectRules {
    fn default() -> Self {
        Self { rules: Vec::new(), pending_hours: 24, slack_days: 2 }
    }
}

impl ObjectRules {
    /// Reads a file.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Problems::single(format!("{} cannot be read: {error}", file.display())))?;
        Self::parse(&text)
    }

    /// Reads a document.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let root = document::read(text, &[]).map_err(Problems::all)?;
        let notebook = Notebook::default();
        let rules = {
            let root = Section::root(&root, &notebook);
            let mut rules = Vec::<ObjectRule>::new();
            for section in root.sections("rules") {
                let rule = rule(&section);
                if rules.iter().any(|other| other.name == rule.name) {
                    section.problem("name", format!("another rule has the name '{}' too", rule.name));
                }
                rules.push(rule);
            }
            if rules.is_empty() {
                root.problem("rules", "missing: at least one rule; without rules leave --rules out");
            }
            let default = Self::default();
            Self {
                rules,
                pending_hours: root.or("pending_hours", default.pending_hours),
                slack_days: root.or("slack_days", default.slack_days),
            }
        };
        let problems = notebook.into_problems();
        if problems.is_empty() { Ok(rules) } else { Err(Problems::all(problems)) }
    }
}

/// Of a bucket that keeps versions: more than half of it noncurrent means that nothing cleans up.
const NONCURRENT_PERCENT: u8 = 50;

impl From<&Desired> for ObjectRules {
    /// What a declaration says of the objects in its buckets.
    fn from(desired: &Desired) -> Self {
        Self { rules: desired.buckets.iter().flat_map(declared).collect(), ..Self::default() }
    }
}

fn declared(bucket: &DesiredBucket) -> Vec<ObjectRule> {
    let base = |name: String, prefix: &str| ObjectRule {
        name,
        bucket: bucket.name.parse().ok(),
        prefix: prefix.to_owned(),
        ..ObjectRule::default()
    };
    let versioned = matches!(bucket.versioning, Versioning::On(_));
    let whole = ObjectRule {
        encryption: match bucket.encryption {
            Encryption::SseS3 => vec![Encrypted::SseS3],
            // Twice is more than once.
            Encryption::SseKms(_) => vec![Encrypted::Kms, Encrypted::DsseKms],
        },
        bucket_key: matches!(bucket.encryption, Encryption::SseKms(_)),
        retention: bucket.object_lock.as_ref().map(|lock| (lock.mode, lock.days)),
        noncurrent_percent: versioned.then_some(NONCURRENT_PERCENT),
        ..base(bucket.base.to_string(), "")
    };
    let lifecycle = |rule: &LifecycleRule| ObjectRule {
        transitions: rule
            .transitions
            .iter()
            .map(|step| (step.after_days, Class::of(step.class.as_str())))
            .collect(),
        expire_after_days: rule.expire_after_days,
        ..base(format!("{} {}", bucket.base, rule.id), &rule.prefix)
    };
    let replicated = bucket.replication.iter().flat_map(|replication| &replication.rules);
    let replicated = replicated
        .map(|(id, prefix)| ObjectRule { replicated: true, ..base(format!("{} {id}", bucket.base), prefix) });
    [whole].into_iter().chain(bucket.lifecycle.iter().map(lifecycle)).chain(replicated).collect()
}

fn rule(section: &Section<'_>) -> ObjectRule {
    let lifecycle = section.section("lifecycle");
    let mut rule = ObjectRule {
        name: section.required("name", "a name for the findings").unwrap_or_default(),
        bucket: section.optional("bucket"),
        prefix: section.or("prefix", String::new()),
        encryption: section
            .list::<Word<Encrypted>>("encryption")
            .unwrap_or_default()
            .into_iter()
            .map(|Word(word)| word)
            .collect(),
        bucket_key: section.or("bucket_key", false),
        retention: retention(&section.section("object_lock")),
        replicated: section.or("replicated", false),
        transitions: lifecycle.sections("transitions").iter().filter_map(transition).collect(),
        expire_after_days: lifecycle.optional("expire_after_days"),
        noncurrent_percent: section.optional("noncurrent_percent"),
        owners: section.list("owners").unwrap_or_default(),
    };
    rule.transitions.sort_by_key(|(days, _)| *days);
    if rule.noncurrent_percent.is_some_and(|percent| percent > 100) {
        section.problem("noncurrent_percent", "must be from 0 to 100");
    }
    if asks_nothing(&rule) {
        section.problem("name", "the rule asks for nothing");
    }
    rule
}

fn asks_nothing(rule: &ObjectRule) -> bool {
    let ObjectRule { name, bucket, prefix, .. } = rule.clone();
    *rule == ObjectRule { name, bucket, prefix, ..ObjectRule::default() }
}

fn retention(section: &Section<'_>) -> Option<(LockMode, u32)> {
    if section.says_nothing() {
        return None;
    }
    let mode = section.one_of("mode", &MODES).unwrap_or(LockMode::Governance);
    Some((mode, section.or("min_days", 0)))
}

fn transition(section: &Section<'_>) -> Option<(u32, Class)> {
    let days = section.required("after_days", "days from when the object was written");
    let class: Option<Word<Class>> = section.required("class", "a storage class such as STANDARD_IA");
    Some((days?, class?.0))
}

/// A word of a report.
struct Word<T>(T);

impl FromStr for Word<Encrypted> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        named(text, &Encrypted::ALL)
    }
}

impl FromStr for Word<Class> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        named(text, &Class::ALL[..Class::ALL.len() - 1])
    }
}

fn named<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<Word<T>, String> {
    let found = words.iter().find(|(name, _)| *name == text).map(|(_, word)| Word(*word));
    let names = || words.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("is not one of {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let text = "
rules:
  - name: archive
    bucket: archive-*
    prefix: a/
    encryption: [SSE-KMS, DSSE-KMS]
    object_lock: { mode: COMPLIANCE, min_days: 30 }
    lifecycle:
      transitions: [{ after_days: 90, class: GLACIER }, { after_days: 30, class: STANDARD_IA }]
      expire_after_days: 365
    noncurrent_percent: 20
pending_hours: 12
";
        let rules = ObjectRules::parse(text).unwrap();
        let rule = &rules.rules[0];
        assert_eq!(rule.encryption, [Encrypted::Kms, Encrypted::DsseKms]);
        assert_eq!(rule.retention, Some((LockMode::Compliance, 30)));
        assert_eq!(rule.transitions, [(30, Class::StandardIa), (90, Class::Glacier)]);
        assert_eq!((rules.pending_hours, rules.slack_days), (12, 2));
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let text = "
rules:
  - name: a
    encryption: [AES256]
    noncurrent_percent: 101
    lifecycle: { transitions: [{ after_days: 1, class: COLD }] }
  - name: a
    retention: 3
";
        let problems = ObjectRules::parse(text).unwrap_err().to_string();
        for part in [
            "rules[0].encryption[0]: 'AES256': is not one of NOT-SSE, SSE-S3",
            "rules[0].noncurrent_percent: must be from 0 to 100 (line 5)",
            "rules[0].lifecycle.transitions[0].class: 'COLD': is not one of STANDARD",
            "rules[1].retention: unknown key",
            "another rule has the name 'a' too",
            "the rule asks for nothing",
        ] {
            assert!(problems.contains(part), "{part}\n{problems}");
        }
    }
}
