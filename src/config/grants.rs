//! The `grants` section.

use std::fmt;
use std::str::FromStr;

use super::reader::Section;
use crate::policy::{Effect, Grant, Policy};

pub(super) fn read(root: &Section<'_>) -> Policy {
    let mut grants: Vec<Grant> = Vec::new();
    for section in root.sections("grants") {
        let grant = grant(&section);
        if let Some(grant) = grant {
            if grants.iter().any(|other| other.name == grant.name) {
                section.problem("name", format!("another grant has the name '{}' too", grant.name));
            }
            grants.push(grant);
        }
    }
    Policy::new(grants)
}

fn grant(section: &Section<'_>) -> Option<Grant> {
    let name: Option<Name> = section.required("name", "a name for the log");
    let effects = [("allow", Effect::Allow), ("deny", Effect::Deny)];
    let effect = section.one_of("effect", &effects).unwrap_or(Effect::Allow);
    let identities =
        filled(section, "identities", "at least one, such as spiffe://cluster.local/ns/app/sa/*");
    let buckets = filled(section, "buckets", "at least one bucket's name, or '*'");
    let actions = filled(section, "actions", "at least one, such as s3:GetObject");
    let prefixes = section.list("prefixes");
    let role = section.optional("role_arn");
    if effect == Effect::Deny && role.is_some() {
        section.problem("role_arn", "a grant that denies acts as nobody");
    }
    if prefixes.as_ref().is_some_and(Vec::is_empty) {
        section.problem("prefixes", "the list holds nothing valid; leave it out to grant the whole bucket");
    }
    Some(Grant {
        name: name?.0.into(),
        effect,
        identities: identities?,
        buckets: buckets?,
        prefixes,
        actions: actions?,
        role,
    })
}

fn filled<T: FromStr<Err: fmt::Display>>(
    section: &Section<'_>,
    key: &'static str,
    what: &str,
) -> Option<Vec<T>> {
    let list = section.list(key);
    if list.as_ref().is_none_or(Vec::is_empty) {
        section.problem(key, format!("missing: {what}"));
    }
    list
}

/// A grant's name: printable and short, because every log line carries it.
struct Name(String);

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let printable = text.chars().all(|c| !c.is_control());
        if printable && (1..=128).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a name has 1 to 128 printable characters")
        }
    }
}
