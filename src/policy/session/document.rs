//! Rules in the words of IAM: which statements say the same, and what is left out where none does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use crate::policy::decide::Rule;
use crate::policy::grant::Effect;
use crate::policy::pattern::{ActionPattern, BucketPattern};
use crate::s3::{Action, KeyPrefix, Resource};

/// How closely a policy follows the grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Width {
    /// As closely as IAM can say it, at any length: a list that would show denied keys is denied too.
    Exact,
    /// As closely as IAM can say it.
    Narrow,
    /// Each grant's prefixes shortened to what they have in common.
    CommonPrefix,
    /// Whole buckets; only denials of whole buckets.
    Buckets,
}

/// The document for some rules, however long it becomes.
pub(in crate::policy) fn document(partition: &str, allow: &[&Rule], deny: &[&Rule], width: Width) -> String {
    let mut all = statements(partition, allow, deny, width);
    all.push(keys_of_kms());
    ascii(&json!({ "Version": "2012-10-17", "Statement": all }).to_string())
}

/// The statements about S3 for some rules.
pub(in crate::policy) fn statements(
    partition: &str,
    allow: &[&Rule],
    deny: &[&Rule],
    width: Width,
) -> Vec<Value> {
    let mut statements = Statements { arn: format!("arn:{partition}:s3:::"), parts: BTreeMap::new() };
    for rule in allow {
        statements.allow(rule, width);
    }
    for rule in deny {
        statements.deny(rule, width);
    }
    statements.into_json()
}

/// S3 uses the caller's right to a KMS key, so without this nothing that is encrypted with one could be reached. It
/// gives no access by itself: the key is only to be had by way of an S3 request that is allowed.
fn keys_of_kms() -> Value {
    json!({
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
        "Condition": { "StringLike": { "kms:ViaService": "s3.*" } },
    })
}

/// Lists that S3 judges by the condition key `s3:prefix`. `ListBucketMultipartUploads` is no such one, so for it the
/// policy has to admit the whole bucket.
///
/// Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
pub(super) const LISTS_BY_PREFIX: [Action; 2] = [Action::ListBucket, Action::ListBucketVersions];

/// Actions and condition of a statement; resources gather behind it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    denies: bool,
    actions: BTreeSet<String>,
    prefixes: Option<BTreeSet<String>>,
}

struct Statements {
    arn: String,
    parts: BTreeMap<Head, BTreeSet<String>>,
}

impl Statements {
    fn allow(&mut self, rule: &Rule, width: Width) {
        let Some(prefixes) = &rule.prefixes else {
            return self.whole_buckets(rule, &rule.buckets);
        };
        let common;
        let prefixes: &[KeyPrefix] = match width {
            Width::Exact | Width::Narrow => prefixes,
            Width::CommonPrefix => {
                common = [common_prefix(prefixes)];
                &common
            }
            Width::Buckets => {
                let whole = [KeyPrefix::new("")];
                self.objects(rule, &rule.buckets, &whole);
                return self.lists(rule, &rule.buckets, None);
            }
        };
        self.objects(rule, &rule.buckets, prefixes);
        self.lists(rule, &rule.buckets, Some(below(prefixes)));
    }

    /// Only what IAM can say exactly: a denial that reached further would refuse what is granted.
    fn deny(&mut self, rule: &Rule, width: Width) {
        match &rule.prefixes {
            None => {
                let exact: Vec<_> = rule.buckets.iter().filter(|b| ends_in_wildcard(b)).cloned().collect();
                if !exact.is_empty() {
                    self.whole_buckets(rule, &exact);
                }
            }
            Some(_) if width == Width::Buckets => {}
            Some(prefixes) => {
                let exact: Vec<_> = rule.buckets.iter().filter(|b| is_literal(b)).cloned().collect();
                if !exact.is_empty() {
                    self.objects(rule, &exact, prefixes);
                    let mut patterns = below(prefixes);
                    if width == Width::Exact {
                        patterns.extend(prefixes.iter().flat_map(above));
                    }
                    self.lists(rule, &exact, Some(patterns));
                }
            }
        }
    }

    fn whole_buckets(&mut self, rule: &Rule, buckets: &[BucketPattern]) {
        let any = |resource: Resource| {
            Action::ALL.iter().any(|&a| rule.actions.contains(a) && a.resource() == resource)
        };
        let (on_keys, on_buckets) = (any(Resource::Object), any(Resource::Bucket));
        let mut resources = BTreeSet::new();
        for bucket in buckets {
            let bucket = format!("{}{bucket}", self.arn);
            // A star behind the name reaches the keys too.
            let both = bucket.ends_with('*');
            if on_keys && !both {
                resources.insert(format!("{bucket}/*"));
            }
            if on_buckets || both {
                resources.insert(bucket);
            }
        }
        self.add(rule, actions(&rule.actions_as_written), None, resources);
    }

    fn objects(&mut self, rule: &Rule, buckets: &[BucketPattern], prefixes: &[KeyPrefix]) {
        let on_keys = |pattern: &&ActionPattern| {
            Action::ALL.iter().any(|&a| pattern.set().contains(a) && a.resource() == Resource::Object)
        };
        let on_keys: Vec<_> = rule.actions_as_written.iter().filter(on_keys).cloned().collect();
        let mut resources = BTreeSet::new();
        for bucket in buckets {
            resources
                .extend(prefixes.iter().map(|p| format!("{}{bucket}/{}*", self.arn, literal(p.as_str()))));
        }
        self.add(rule, actions(&on_keys), None, resources);
    }

    fn lists(&mut self, rule: &Rule, buckets: &[BucketPattern], patterns: Option<BTreeSet<String>>) {
        let named = |actions: &[Action]| -> BTreeSet<String> {
            let granted = actions.iter().filter(|&&action| rule.actions.contains(action));
            granted.map(ToString::to_string).collect()
        };
        let resources: BTreeSet<String> =
            buckets.iter().map(|bucket| format!("{}{bucket}", self.arn)).collect();
        self.add(rule, named(&LISTS_BY_PREFIX), patterns, resources.clone());
        if rule.effect == Effect::Allow {
            self.add(rule, named(&[Action::ListBucketMultipartUploads]), None, resources);
        }
    }

    fn add(
        &mut self,
        rule: &Rule,
        actions: BTreeSet<String>,
        prefixes: Option<BTreeSet<String>>,
        resources: BTreeSet<String>,
    ) {
        if !actions.is_empty() && !resources.is_empty() {
            let head = Head { denies: rule.effect == Effect::Deny, actions, prefixes };
            self.parts.entry(head).or_default().extend(resources);
        }
    }

    /// Statements that differ only in their actions become one.
    fn into_json(self) -> Vec<Value> {
        let mut merged: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (head, resources) in self.parts {
            merged.entry((head.denies, head.prefixes, resources)).or_default().extend(head.actions);
        }
        let statement = |((denies, prefixes, resources), actions): ((bool, Option<_>, _), _)| {
            let mut statement = json!({
                "Effect": if denies { "Deny" } else { "Allow" },
                "Action": one_or_many(actions),
                "Resource": one_or_many(resources),
            });
            if let Some(prefixes) = prefixes {
                // Without a prefix the key is absent and nothing here speaks of it: HeadBucket looks the same to IAM.
                statement["Condition"] = json!({ "StringLike": { "s3:prefix": one_or_many(prefixes) } });
            }
            statement
        };
        merged.into_iter().map(statement).collect()
    }
}

/// Prefixes of lists that show only keys below.
fn below(prefixes: &[KeyPrefix]) -> BTreeSet<String> {
    prefixes.iter().map(|prefix| format!("{}*", literal(prefix.as_str()))).collect()
}

/// Prefixes of lists that show keys below and others too: every start of the prefix.
fn above(prefix: &KeyPrefix) -> Vec<String> {
    prefix.as_str().char_indices().map(|(at, _)| literal(&prefix.as_str()[..at])).collect()
}

fn one_or_many(texts: BTreeSet<String>) -> Value {
    let mut texts: Vec<String> = texts.into_iter().collect();
    if texts.len() == 1 { texts.remove(0).into() } else { texts.into() }
}

/// Patterns as they are written, where IAM reads them alike; else the actions that they stand for.
fn actions(patterns: &[ActionPattern]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for pattern in patterns {
        let text = pattern.to_string();
        if text == "*" {
            names.insert("s3:*".to_owned());
        } else if text.to_ascii_lowercase().starts_with("s3:") && !text.contains('?') {
            names.insert(text);
        } else {
            let matching = Action::ALL.iter().filter(|&&action| pattern.set().contains(action));
            names.extend(matching.map(ToString::to_string));
        }
    }
    if names.contains("s3:*") { BTreeSet::from(["s3:*".to_owned()]) } else { names }
}

fn is_literal(bucket: &BucketPattern) -> bool {
    !bucket.to_string().contains('*')
}

/// Whether IAM reads the pattern as the proxy does. A `*` in an ARN also matches `/`: with more of the name behind it,
/// it would reach into the keys of other buckets.
pub(in crate::policy) fn ends_in_wildcard(bucket: &BucketPattern) -> bool {
    !bucket.to_string().trim_end_matches('*').contains('*')
}

fn common_prefix(prefixes: &[KeyPrefix]) -> KeyPrefix {
    let first = prefixes.first().map_or("", KeyPrefix::as_str);
    let shared = |end: usize| prefixes.iter().all(|prefix| prefix.as_str().starts_with(&first[..end]));
    let ends = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|&end| shared(end)).last().unwrap_or(0);
    KeyPrefix::new(&first[..end])
}

/// Text that stands for itself where IAM reads wildcards and variables.
///
/// Source: IAM user guide, "IAM policy elements: Variables and tags", special characters.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' | '?' | '$' => escaped.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// STS takes U+0020 to U+00FF in a policy; JSON can write every character in ASCII.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}
