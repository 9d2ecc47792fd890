//! What cannot be, with the place in the declaration and what to write instead.

use std::fmt;

/// One thing in the declaration that AWS would refuse, or that would lock somebody out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The key path, such as `buckets[0].object_lock`.
    pub path: String,
    /// What is wrong, why, and how to mend it.
    pub message: String,
}

impl Refusal {
    /// A refusal of the value at a key path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
