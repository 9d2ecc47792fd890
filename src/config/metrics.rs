//! The section `metrics`: what is counted beyond the defaults, read and shown.

use std::fmt;

use super::reader::Section;

/// The `metrics` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Identities that get a label of their own; every further one is `other`. With 0 there are no such metrics.
    pub identities: usize,
}

/// Each identity is a series of several metrics; scrapers choke on more.
const MOST_IDENTITIES: usize = 10_000;

pub(super) fn read(section: &Section<'_>) -> MetricsSettings {
    let identities = section.or("identities", 0);
    if identities > MOST_IDENTITIES {
        section.problem("identities", format!("must be at most {MOST_IDENTITIES}"));
    }
    MetricsSettings { identities }
}

impl fmt::Display for MetricsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "metrics:\n  identities: {}", self.identities)
    }
}
