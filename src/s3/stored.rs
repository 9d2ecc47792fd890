//! How objects are stored, in the words of S3 Inventory: encryption, replication, storage class.

use std::fmt;

/// How an object is encrypted. Which KMS key it is under, no report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encrypted {
    /// Not at all: written before January 2023.
    No,
    /// With S3's own keys.
    SseS3,
    /// With KMS.
    Kms,
    /// With KMS, twice.
    DsseKms,
    /// With a key that the client brings.
    Customer,
}

impl Encrypted {
    /// Every one, with the report's word for it.
    pub const ALL: [(&'static str, Self); 5] = [
        ("NOT-SSE", Self::No),
        ("SSE-S3", Self::SseS3),
        ("SSE-KMS", Self::Kms),
        ("DSSE-KMS", Self::DsseKms),
        ("SSE-C", Self::Customer),
    ];
}

/// Where replication stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicated {
    /// Under way.
    Pending,
    /// Done.
    Completed,
    /// Given up.
    Failed,
    /// It is itself a copy from elsewhere.
    Replica,
}

impl Replicated {
    /// Every one, with the report's word for it.
    pub const ALL: [(&'static str, Self); 4] = [
        ("PENDING", Self::Pending),
        ("COMPLETED", Self::Completed),
        ("FAILED", Self::Failed),
        ("REPLICA", Self::Replica),
    ];
}

/// A storage class. One that is new on AWS is [`Class::Other`]: it is counted, and no rule takes it for the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What an upload gets that says nothing.
    Standard,
    /// Of old.
    ReducedRedundancy,
    /// Moves by itself.
    IntelligentTiering,
    /// Infrequent access.
    StandardIa,
    /// Infrequent access, in one zone.
    OnezoneIa,
    /// An archive that answers at once.
    GlacierIr,
    /// An archive that takes minutes to hours.
    Glacier,
    /// An archive that takes half a day.
    DeepArchive,
    /// None of these.
    Other,
}

impl Class {
    /// Every one by its position, with the report's word for it.
    pub const ALL: [(&'static str, Self); 9] = [
        ("STANDARD", Self::Standard),
        ("REDUCED_REDUNDANCY", Self::ReducedRedundancy),
        ("INTELLIGENT_TIERING", Self::IntelligentTiering),
        ("STANDARD_IA", Self::StandardIa),
        ("ONEZONE_IA", Self::OnezoneIa),
        ("GLACIER_IR", Self::GlacierIr),
        ("GLACIER", Self::Glacier),
        ("DEEP_ARCHIVE", Self::DeepArchive),
        ("other", Self::Other),
    ];

    /// By the report's word.
    pub fn of(word: &str) -> Self {
        Self::ALL.iter().find(|(name, _)| *name == word).map_or(Self::Other, |(_, class)| *class)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL[*self as usize].0)
    }
}
