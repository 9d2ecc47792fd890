//! One row of a report: one object, version or delete marker.

use crate::s3::{Class, Encrypted, LockMode, Replicated};

/// A row, borrowed from what was read. A field that the report does not have is as if it were empty; whether it has it
/// is for [`Columns`](super::field::Columns) to say.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "columns of the report, which are such")]
pub(crate) struct Row<'a> {
    pub(crate) key: &'a str,
    pub(crate) version: Option<&'a str>,
    pub(crate) noncurrent: bool,
    pub(crate) delete_marker: bool,
    /// Bytes.
    pub(crate) size: u64,
    /// Milliseconds since 1970.
    pub(crate) modified: Option<i64>,
    pub(crate) etag: Option<&'a str>,
    pub(crate) class: Option<Class>,
    pub(crate) multipart: bool,
    pub(crate) replicated: Option<Replicated>,
    pub(crate) encrypted: Option<Encrypted>,
    /// Milliseconds since 1970.
    pub(crate) retained_until: Option<i64>,
    pub(crate) lock_mode: Option<LockMode>,
    pub(crate) legal_hold: bool,
    /// Whether a bucket key is used; `None` where that says nothing.
    pub(crate) bucket_key: Option<bool>,
    pub(crate) owner: Option<&'a str>,
}

/// Where a value is not what the column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadValue(pub(crate) String);

/// One of a closed list of words; empty is none of them.
pub(crate) fn one_of<T: Copy>(
    field: super::field::Field,
    word: &str,
    words: &[(&str, T)],
) -> Result<Option<T>, BadValue> {
    if word.is_empty() {
        return Ok(None);
    }
    let found = words.iter().find(|(name, _)| *name == word).map(|(_, value)| Some(*value));
    found.ok_or_else(|| BadValue(format!("{field} '{}' is not known", word.escape_debug())))
}

/// Words of the remaining columns.
pub(crate) const LOCK_MODES: [(&str, LockMode); 2] =
    [("GOVERNANCE", LockMode::Governance), ("COMPLIANCE", LockMode::Compliance)];
pub(crate) const LEGAL_HOLDS: [(&str, bool); 2] = [("ON", true), ("OFF", false)];
pub(crate) const FLAGS: [(&str, bool); 2] = [("true", true), ("false", false)];
pub(crate) const BUCKET_KEYS: [(&str, Option<bool>); 3] =
    [("ENABLED", Some(true)), ("DISABLED", Some(false)), ("NOT_APPLICABLE", None)];
