//! The `guardrails` section, read and shown.

use std::fmt;
use std::str::FromStr;

use super::effective::quoted;
use super::reader::Section;
use crate::policy::{
    Algorithm, Encryption, Guardrails, ObjectLock, RequiredEncryption, RequiredRetention, Stance,
};
use crate::s3::LockMode;

const STANCES: [(&str, Stance); 2] = [("deny", Stance::Deny), ("allow", Stance::Allow)];
pub(super) const MODES: [(&str, LockMode); 2] =
    [("GOVERNANCE", LockMode::Governance), ("COMPLIANCE", LockMode::Compliance)];
/// Amazon S3 user guide, "Managing Object Lock": the longest retention is 100 years.
const MAX_DAYS: u32 = 36_500;

pub(super) fn read(section: &Section<'_>) -> Guardrails {
    let acl = section.one_of("acl", &STANCES).unwrap_or_default();
    let public_access = section.one_of("public_access", &STANCES).unwrap_or_default();
    let encryption = encryption(&section.section("encryption"));
    let object_lock = object_lock(&section.section("object_lock"));
    Guardrails { acl, public_access, encryption, object_lock }
}

fn encryption(section: &Section<'_>) -> Encryption {
    let algorithm = section.one_of("require", &Algorithm::ALL);
    let key: Option<Key> = section.optional("key");
    let add_if_missing = section.or("add_if_missing", false);
    let customer_keys = section.one_of("customer_keys", &STANCES);
    match (algorithm, &key) {
        (Some(Algorithm::Aes256), Some(_)) => section.problem("key", "SSE-S3 (AES256) has no key to choose"),
        (None, Some(_)) => section.problem("key", "needs 'require: aws:kms' or 'require: aws:kms:dsse'"),
        _ => {}
    }
    if algorithm.is_none() && add_if_missing {
        section.problem("add_if_missing", "there is nothing to add without 'require'");
    }
    if algorithm.is_some() && customer_keys == Some(Stance::Allow) {
        section.problem(
            "customer_keys",
            "an object with the client's own key is not encrypted as 'require' says",
        );
    }
    let key = key.map(|key| key.0);
    Encryption {
        require: algorithm.map(|algorithm| RequiredEncryption { algorithm, key, add_if_missing }),
        customer_keys: customer_keys.unwrap_or(if algorithm.is_some() {
            Stance::Deny
        } else {
            Stance::Allow
        }),
    }
}

fn object_lock(section: &Section<'_>) -> ObjectLock {
    let mode = section.one_of("require_mode", &MODES);
    let min_days: Option<u32> = section.optional("min_days");
    let add_if_missing = section.or("add_if_missing", false);
    if min_days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        section.problem("min_days", format!("must be from 1 to {MAX_DAYS}"));
    }
    if add_if_missing && (mode.is_none() || min_days.is_none()) {
        section.problem("add_if_missing", "needs 'require_mode' and 'min_days', which say what to add");
    }
    // A section that says nothing asks for nothing; one that says something means the lock.
    let meant = !section.says_nothing();
    let require = (mode.is_some() || min_days.is_some()).then(|| RequiredRetention {
        mode: mode.unwrap_or(LockMode::Governance),
        min_days: min_days.unwrap_or(0),
        add_if_missing,
    });
    ObjectLock {
        require,
        deny_governance_bypass: section.or("deny_governance_bypass", meant),
        deny_version_delete: section.or("deny_version_delete", meant),
    }
}

/// The ARN of a KMS key: an alias or a bare ID could come to mean another key.
struct Key(String);

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts[..] {
            ["arn", _, "kms", _, _, key]
                if key.starts_with("key/") && text.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err("must be the key's ARN, arn:aws:kms:<region>:<account>:key/<id>"),
        }
    }
}

fn stance(stance: Stance) -> &'static str {
    match stance {
        Stance::Deny => "deny",
        Stance::Allow => "allow",
    }
}

pub(super) fn show(f: &mut fmt::Formatter<'_>, guardrails: &Guardrails) -> fmt::Result {
    writeln!(f, "guardrails:\n  acl: {}", stance(guardrails.acl))?;
    writeln!(f, "  public_access: {}\n  encryption:", stance(guardrails.public_access))?;
    if let Some(required) = &guardrails.encryption.require {
        writeln!(f, "    require: {}", quoted(required.algorithm))?;
        if let Some(key) = &required.key {
            writeln!(f, "    key: {}", quoted(key))?;
        }
        writeln!(f, "    add_if_missing: {}", required.add_if_missing)?;
    }
    writeln!(f, "    customer_keys: {}", stance(guardrails.encryption.customer_keys))?;
    let lock = &guardrails.object_lock;
    writeln!(f, "  object_lock:")?;
    if let Some(required) = lock.require {
        writeln!(f, "    require_mode: {}", required.mode)?;
        if required.min_days > 0 {
            writeln!(f, "    min_days: {}", required.min_days)?;
        }
        writeln!(f, "    add_if_missing: {}", required.add_if_missing)?;
    }
    writeln!(f, "    deny_governance_bypass: {}", lock.deny_governance_bypass)?;
    writeln!(f, "    deny_version_delete: {}", lock.deny_version_delete)
}
