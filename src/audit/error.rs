//! Why an audit cannot be made. What is damaged names its file and, where there is one, its row.

use std::fmt;

/// Where in a report something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    file: String,
    row: Option<u64>,
}

impl Spot {
    /// A file as a whole.
    pub(super) fn file(file: impl fmt::Display) -> Self {
        Self { file: file.to_string(), row: None }
    }

    /// A row of a file, from 1.
    pub(super) fn row(file: impl fmt::Display, row: u64) -> Self {
        Self { file: file.to_string(), row: Some(row) }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        self.row.map_or(Ok(()), |row| write!(f, ", row {row}"))
    }
}

/// Why there is no result. There is never half of one.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// What was to be read is not what it says it is.
    #[error("{spot}: {why}")]
    Damaged {
        /// Where.
        spot: Spot,
        /// What is wrong with it.
        why: String,
    },
    /// What was asked for cannot be done.
    #[error("{0}")]
    Usage(String),
    /// S3 did not give what it was asked for.
    #[error("{place}: {why}")]
    Store {
        /// What was asked for.
        place: String,
        /// What S3 or the way there said.
        why: String,
    },
    /// The disk that comparisons spill to.
    #[error("temporary files: {0}")]
    Spill(#[source] std::io::Error),
}

impl AuditError {
    pub(super) fn damaged(spot: Spot, why: impl fmt::Display) -> Self {
        Self::Damaged { spot, why: why.to_string() }
    }

    /// Whether the outside world is to blame, rather than what it was asked to read.
    pub fn is_outside(&self) -> bool {
        matches!(self, Self::Store { .. } | Self::Spill(_))
    }
}
