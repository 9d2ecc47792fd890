//! The columns that a report can have, as S3's user guide lists them ("Amazon S3 Inventory list"), with their names in
//! CSV and in Parquet and ORC.

use std::fmt;

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Flag,
    Number,
    Time,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Bucket,
    Key,
    VersionId,
    IsLatest,
    IsDeleteMarker,
    Size,
    LastModifiedDate,
    ETag,
    StorageClass,
    IsMultipartUploaded,
    ReplicationStatus,
    EncryptionStatus,
    ObjectLockRetainUntilDate,
    ObjectLockMode,
    ObjectLockLegalHoldStatus,
    IntelligentTieringAccessTier,
    BucketKeyStatus,
    ChecksumAlgorithm,
    ObjectAccessControlList,
    ObjectOwner,
    LifecycleExpirationDate,
    IntelligentTieringReferenceDate,
    ObjectLockEventHoldStatus,
    ObjectLockEventHoldDuration,
}

/// How many there are.
const COUNT: usize = 24;

impl Field {
    /// Every one, by its position: the name in CSV, the name in Parquet and ORC, and what stands in it. The API's list
    /// of optional fields has the last two since 2026; what type they have in columns is not documented, and we read neither.
    const ALL: [(Self, &'static str, &'static str, Option<Kind>); COUNT] = [
        (Self::Bucket, "Bucket", "bucket", Some(Kind::Text)),
        (Self::Key, "Key", "key", Some(Kind::Text)),
        (Self::VersionId, "VersionId", "version_id", Some(Kind::Text)),
        (Self::IsLatest, "IsLatest", "is_latest", Some(Kind::Flag)),
        (Self::IsDeleteMarker, "IsDeleteMarker", "is_delete_marker", Some(Kind::Flag)),
        (Self::Size, "Size", "size", Some(Kind::Number)),
        (Self::LastModifiedDate, "LastModifiedDate", "last_modified_date", Some(Kind::Time)),
        (Self::ETag, "ETag", "e_tag", Some(Kind::Text)),
        (Self::StorageClass, "StorageClass", "storage_class", Some(Kind::Text)),
        (Self::IsMultipartUploaded, "IsMultipartUploaded", "is_multipart_uploaded", Some(Kind::Flag)),
        (Self::ReplicationStatus, "ReplicationStatus", "replication_status", Some(Kind::Text)),
        (Self::EncryptionStatus, "EncryptionStatus", "encryption_status", Some(Kind::Text)),
        (
            Self::ObjectLockRetainUntilDate,
            "ObjectLockRetainUntilDate",
            "object_lock_retain_until_date",
            Some(Kind::Time),
        ),
        (Self::ObjectLockMode, "ObjectLockMode", "object_lock_mode", Some(Kind::Text)),
        (
            Self::ObjectLockLegalHoldStatus,
            "ObjectLockLegalHoldStatus",
            "object_lock_legal_hold_status",
            Some(Kind::Text),
        ),
        (
            Self::IntelligentTieringAccessTier,
            "IntelligentTieringAccessTier",
            "intelligent_tiering_access_tier",
            Some(Kind::Text),
        ),
        (Self::BucketKeyStatus, "BucketKeyStatus", "bucket_key_status", Some(Kind::Text)),
        (Self::ChecksumAlgorithm, "ChecksumAlgorithm", "checksum_algorithm", Some(Kind::Text)),
        (
            Self::ObjectAccessControlList,
            "ObjectAccessControlList",
            "object_access_control_list",
            Some(Kind::Text),
        ),
        (Self::ObjectOwner, "ObjectOwner", "object_owner", Some(Kind::Text)),
        (Self::LifecycleExpirationDate, "LifecycleExpirationDate", "lifecycle_expiration_date", None),
        (
            Self::IntelligentTieringReferenceDate,
            "IntelligentTieringReferenceDate",
            "intelligent_tiering_reference_date",
            None,
        ),
        (Self::ObjectLockEventHoldStatus, "ObjectLockEventHoldStatus", "object_lock_event_hold_status", None),
        (
            Self::ObjectLockEventHoldDuration,
            "ObjectLockEventHoldDuration",
            "object_lock_event_hold_duration",
            None,
        ),
    ];

    /// By its name in CSV.
    pub(crate) fn in_csv(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, csv, ..)| *csv == name).map(|(field, ..)| *field)
    }

    /// By its name in Parquet and ORC.
    pub(crate) fn in_columns(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, _, column, _)| *column == name).map(|(field, ..)| *field)
    }

    /// The name in Parquet and ORC.
    pub(crate) const fn column(self) -> &'static str {
        Self::ALL[self as usize].2
    }

    /// What stands in it; `None` where we do not look.
    pub(crate) const fn kind(self) -> Option<Kind> {
        Self::ALL[self as usize].3
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL[*self as usize].1)
    }
}

/// The columns of a report, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    fields: Vec<Field>,
    positions: [Option<usize>; COUNT],
}

impl Columns {
    /// `Err` says what is wrong with them.
    pub(crate) fn new(fields: Vec<Field>) -> Result<Self, String> {
        let mut positions = [None; COUNT];
        for (at, field) in fields.iter().enumerate() {
            if positions[*field as usize].replace(at).is_some() {
                return Err(format!("the field {field} occurs twice"));
            }
        }
        for field in [Field::Bucket, Field::Key] {
            if positions[field as usize].is_none() {
                return Err(format!("the field {field} is missing"));
            }
        }
        Ok(Self { fields, positions })
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Where a field stands, if it does.
    pub(crate) fn position(&self, field: Field) -> Option<usize> {
        self.positions[field as usize]
    }

    /// Whether the report says it.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.position(field).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_fields() {
        for (position, (field, csv, column, _)) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, position);
            assert_eq!((Field::in_csv(csv), Field::in_columns(column)), (Some(field), Some(field)));
        }
    }

    #[test]
    fn columns_have_bucket_and_key_and_nothing_twice() {
        assert!(Columns::new(vec![Field::Bucket, Field::Key, Field::Size]).unwrap().has(Field::Size));
        assert!(Columns::new(vec![Field::Bucket]).is_err());
        assert!(Columns::new(vec![Field::Bucket, Field::Key, Field::Key]).is_err());
    }
}
