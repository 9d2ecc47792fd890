//! Use cases of a bucket. A profile is a set of defaults and of statements in the bucket's policy.

use std::fmt;

/// What a bucket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Objects that workloads read and write.
    ApplicationData,
    /// Written once, kept for a time that nobody can shorten.
    WormArchive,
    /// Where S3 and CloudTrail deliver logs and inventories; nobody else writes.
    LogSink,
    /// Read by many, written by named loaders.
    AnalyticsRead,
    /// Shared with named principals of other accounts.
    DataExchange,
}

impl Profile {
    /// Every profile, with its name in the declaration.
    pub const ALL: [(&'static str, Self); 5] = [
        ("application-data", Self::ApplicationData),
        ("worm-archive", Self::WormArchive),
        ("log-sink", Self::LogSink),
        ("analytics-read", Self::AnalyticsRead),
        ("data-exchange", Self::DataExchange),
    ];

    /// As the declaration writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationData => "application-data",
            Self::WormArchive => "worm-archive",
            Self::LogSink => "log-sink",
            Self::AnalyticsRead => "analytics-read",
            Self::DataExchange => "data-exchange",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
