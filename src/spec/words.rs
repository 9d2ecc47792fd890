//! Small words of the declaration that are judged once, at the door.

use std::fmt;
use std::str::FromStr;

use crate::s3::LockMode;

/// A short name: 2 to 32 of `a-z 0-9 -`, starting with a letter and ending with a letter or digit. It becomes part of the
/// names of buckets, roles and rules, so it has the narrowest of their alphabets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(String);

/// Text that is no [`Word`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("2 to 32 of a-z 0-9 - that start with a letter and end with a letter or digit")]
pub struct WordError;

impl Word {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Word {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let well_formed = (2..=32).contains(&text.len())
            && text.bytes().all(inner)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(WordError) }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The default retention of a bucket with Object Lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionChoice {
    /// Compliance can be undone by nobody, the account's root included.
    pub mode: LockMode,
    /// From an object's creation.
    pub days: u32,
}
