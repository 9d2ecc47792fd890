//! Words of a bucket's storage: classes, lifecycle rules, inventory.

use std::fmt;

/// Where objects go as they age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StorageClass {
    /// Infrequent access.
    StandardIa,
    /// Infrequent access, in one zone.
    OnezoneIa,
    /// Moves by itself.
    IntelligentTiering,
    /// An archive that answers at once.
    GlacierIr,
    /// An archive that takes minutes to hours.
    Glacier,
    /// An archive that takes half a day.
    DeepArchive,
}

impl StorageClass {
    /// Every class, with its name in the API.
    pub const ALL: [(&'static str, Self); 6] = [
        ("STANDARD_IA", Self::StandardIa),
        ("ONEZONE_IA", Self::OnezoneIa),
        ("INTELLIGENT_TIERING", Self::IntelligentTiering),
        ("GLACIER_IR", Self::GlacierIr),
        ("GLACIER", Self::Glacier),
        ("DEEP_ARCHIVE", Self::DeepArchive),
    ];

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A step of an object's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Days from creation, or from becoming noncurrent.
    pub after_days: u32,
    /// Where to.
    pub class: StorageClass,
}

/// One lifecycle rule. The API's filter is always sent, even for the empty prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LifecycleRule {
    /// Its ID in the bucket; what this program owns starts with `s3ap-`. Empty in the declaration, where none is given.
    pub id: String,
    /// For keys below it; empty is the whole bucket.
    pub prefix: String,
    /// Of current objects, by age.
    pub transitions: Vec<Transition>,
    /// Days from creation until the current object expires.
    pub expire_after_days: Option<u32>,
    /// Of noncurrent versions.
    pub noncurrent_transitions: Vec<Transition>,
    /// Days from becoming noncurrent until a version is deleted.
    pub noncurrent_expire_after_days: Option<u32>,
    /// Days until the parts of an upload that was never completed are deleted.
    pub abort_multipart_after_days: Option<u32>,
    /// Whether delete markers without versions behind them are removed.
    pub expired_delete_markers: bool,
}

/// How often an inventory is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InventoryFrequency {
    /// Every day.
    Daily,
    /// On Sundays.
    Weekly,
}

impl InventoryFrequency {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "Daily",
            Self::Weekly => "Weekly",
        }
    }
}

/// What an inventory's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InventoryFormat {
    /// Gzipped CSV.
    Csv,
    /// Apache ORC.
    Orc,
    /// Apache Parquet.
    Parquet,
}

impl InventoryFormat {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Orc => "ORC",
            Self::Parquet => "Parquet",
        }
    }
}
