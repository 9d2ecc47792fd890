//! Parquet and ORC: batches of Arrow columns, turned to rows. Keys stand in them as they are.

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Schema, TimeUnit};
use orc_rust::ArrowReaderBuilder;
use orc_rust::projection::ProjectionMask as OrcMask;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::field::{Columns, Field, Kind};
use super::progress::Progress;
use super::row::{BUCKET_KEYS, BadValue, LEGAL_HOLDS, LOCK_MODES, Row, one_of};
use crate::audit::error::{AuditError, Spot};
use crate::s3::{Class, Encrypted, Replicated};

/// Rows at a time: enough to make the cost of a batch small, and a few megabytes with long keys.
const BATCH: usize = 8192;

/// What we look at; the rest of a file is not decoded.
const READ: [Field; 17] = [
    Field::Bucket,
    Field::Key,
    Field::VersionId,
    Field::IsLatest,
    Field::IsDeleteMarker,
    Field::Size,
    Field::LastModifiedDate,
    Field::ETag,
    Field::StorageClass,
    Field::IsMultipartUploaded,
    Field::ReplicationStatus,
    Field::EncryptionStatus,
    Field::ObjectLockRetainUntilDate,
    Field::ObjectLockMode,
    Field::ObjectLockLegalHoldStatus,
    Field::BucketKeyStatus,
    Field::ObjectOwner,
];

/// One file, as the manifest knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) bucket: &'a str,
    pub(super) columns: &'a Columns,
    /// Bytes of the file, for the progress.
    pub(super) size: u64,
}

impl Source<'_> {
    fn damaged(&self, why: impl std::fmt::Display) -> AuditError {
        AuditError::damaged(Spot::file(self.name), why)
    }
}

/// Hands on every row of a Parquet file with its number, from 1.
pub(super) fn read_parquet(
    file: File,
    source: Source<'_>,
    progress: &Progress,
    each: impl FnMut(u64, &Row<'_>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| source.damaged(error))?;
    check(builder.schema(), source.columns).map_err(|why| source.damaged(why))?;
    let total = builder.metadata().file_metadata().num_rows();
    let wanted: Vec<&str> = wanted(source.columns).map(Field::column).collect();
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let reader = builder.with_projection(mask).with_batch_size(BATCH).build();
    let reader = reader.map_err(|error| source.damaged(error))?;
    batches(reader, total.unsigned_abs(), source, progress, each)
}

/// Hands on every row of an ORC file with its number, from 1.
pub(super) fn read_orc(
    file: File,
    source: Source<'_>,
    progress: &Progress,
    each: impl FnMut(u64, &Row<'_>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let builder = ArrowReaderBuilder::try_new(file).map_err(|error| source.damaged(error))?;
    check(&builder.schema(), source.columns).map_err(|why| source.damaged(why))?;
    let total = builder.file_metadata().number_of_rows();
    let wanted: Vec<&str> = wanted(source.columns).map(Field::column).collect();
    let mask = OrcMask::named_roots(builder.file_metadata().root_data_type(), &wanted);
    let reader = builder.with_projection(mask).with_batch_size(BATCH).build();
    batches(reader, total, source, progress, each)
}

fn wanted(columns: &Columns) -> impl Iterator<Item = Field> {
    READ.into_iter().filter(|field| columns.has(*field))
}

/// The file has the columns that the manifest says, and no others.
fn check(schema: &Schema, columns: &Columns) -> Result<(), String> {
    for field in schema.fields() {
        let known = Field::in_columns(field.name());
        if known.is_none_or(|known| !columns.has(known)) {
            return Err(format!(
                "the column '{}' is not in the manifest's fileSchema",
                field.name().escape_debug()
            ));
        }
    }
    for field in columns.fields() {
        let found = schema.field_with_name(field.column());
        let found = found.map_err(|_| {
            format!("the column '{}' of the manifest's fileSchema is missing", field.column())
        })?;
        let fits = match (field.kind(), found.data_type()) {
            (None, _)
            | (Some(Kind::Text), DataType::Utf8)
            | (Some(Kind::Flag), DataType::Boolean)
            | (Some(Kind::Number), DataType::Int64)
            // Without the annotation a time is a plain number of milliseconds.
            | (Some(Kind::Time), DataType::Timestamp(..) | DataType::Int64) => true,
            (Some(_), _) => false,
        };
        if !fits {
            let (name, kind) = (field.column(), found.data_type());
            return Err(format!(
                "the column '{name}' has the type {kind}, which the manifest's fileSchema does not say"
            ));
        }
    }
    Ok(())
}

fn batches<E: std::fmt::Display>(
    reader: impl Iterator<Item = Result<RecordBatch, E>>,
    total: u64,
    source: Source<'_>,
    progress: &Progress,
    mut each: impl FnMut(u64, &Row<'_>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let mut before = 0;
    for batch in reader {
        let damaged = |row: u64, why: String| AuditError::damaged(Spot::row(source.name, row), why);
        let batch = batch.map_err(|error| damaged(before + 1, error.to_string()))?;
        let columns = Arrays::of(&batch).map_err(|why| source.damaged(why))?;
        for at in 0..batch.num_rows() {
            let number = before + at as u64 + 1;
            let row = columns.row(at, source.bucket).map_err(|BadValue(why)| damaged(number, why))?;
            each(number, &row)?;
            progress.row();
        }
        let rows = batch.num_rows() as u64;
        before += rows;
        progress.bytes(
            u64::try_from(u128::from(source.size) * u128::from(rows) / u128::from(total.max(1))).unwrap_or(0),
        );
    }
    if before == total {
        Ok(())
    } else {
        Err(source.damaged(format!("it says that it has {total} rows, and has {before}")))
    }
}

/// The columns of one batch that we read.
struct Arrays<'a> {
    bucket: &'a StringArray,
    key: &'a StringArray,
    version: Option<&'a StringArray>,
    latest: Option<&'a BooleanArray>,
    delete_marker: Option<&'a BooleanArray>,
    size: Option<&'a PrimitiveArray<Int64Type>>,
    modified: Option<Times<'a>>,
    etag: Option<&'a StringArray>,
    class: Option<&'a StringArray>,
    multipart: Option<&'a BooleanArray>,
    replicated: Option<&'a StringArray>,
    encrypted: Option<&'a StringArray>,
    retained_until: Option<Times<'a>>,
    lock_mode: Option<&'a StringArray>,
    legal_hold: Option<&'a StringArray>,
    bucket_key: Option<&'a StringArray>,
    owner: Option<&'a StringArray>,
}

impl<'a> Arrays<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, String> {
        let text = |field| column(batch, field, |array| array.as_string_opt::<i32>());
        let flag = |field| column(batch, field, |array| array.as_boolean_opt());
        let missing = |field: Field| format!("the column '{}' is missing", field.column());
        Ok(Self {
            bucket: text(Field::Bucket)?.ok_or_else(|| missing(Field::Bucket))?,
            key: text(Field::Key)?.ok_or_else(|| missing(Field::Key))?,
            version: text(Field::VersionId)?,
            latest: flag(Field::IsLatest)?,
            delete_marker: flag(Field::IsDeleteMarker)?,
            size: column(batch, Field::Size, |array| array.as_primitive_opt())?,
            modified: column(batch, Field::LastModifiedDate, Times::of)?,
            etag: text(Field::ETag)?,
            class: text(Field::StorageClass)?,
            multipart: flag(Field::IsMultipartUploaded)?,
            replicated: text(Field::ReplicationStatus)?,
            encrypted: text(Field::EncryptionStatus)?,
            retained_until: column(batch, Field::ObjectLockRetainUntilDate, Times::of)?,
            lock_mode: text(Field::ObjectLockMode)?,
            legal_hold: text(Field::ObjectLockLegalHoldStatus)?,
            bucket_key: text(Field::BucketKeyStatus)?,
            owner: text(Field::ObjectOwner)?,
        })
    }

    fn row(&self, at: usize, bucket: &str) -> Result<Row<'a>, BadValue> {
        let word = |array: Option<&'a StringArray>| text(array, at).unwrap_or("");
        let flag = |array: Option<&BooleanArray>| {
            array.filter(|array| array.is_valid(at)).map(|array| array.value(at))
        };
        let found = word(Some(self.bucket));
        if found != bucket {
            return Err(BadValue(format!(
                "the bucket is '{}', and the manifest's sourceBucket '{bucket}'",
                found.escape_debug()
            )));
        }
        let key = word(Some(self.key));
        if key.is_empty() {
            return Err(BadValue("the key is empty".into()));
        }
        let size = self.size.filter(|array| array.is_valid(at)).map_or(0, |array| array.value(at));
        Ok(Row {
            key,
            version: text(self.version, at),
            noncurrent: flag(self.latest) == Some(false),
            delete_marker: flag(self.delete_marker) == Some(true),
            size: u64::try_from(size).map_err(|_| BadValue("Size is below zero".into()))?,
            modified: self.modified.as_ref().and_then(|times| times.millis(at)),
            etag: text(self.etag, at),
            class: text(self.class, at).map(Class::of),
            multipart: flag(self.multipart) == Some(true),
            replicated: one_of(Field::ReplicationStatus, word(self.replicated), &Replicated::ALL)?,
            encrypted: one_of(Field::EncryptionStatus, word(self.encrypted), &Encrypted::ALL)?,
            retained_until: self.retained_until.as_ref().and_then(|times| times.millis(at)),
            lock_mode: one_of(Field::ObjectLockMode, word(self.lock_mode), &LOCK_MODES)?,
            legal_hold: one_of(Field::ObjectLockLegalHoldStatus, word(self.legal_hold), &LEGAL_HOLDS)?
                == Some(true),
            bucket_key: one_of(Field::BucketKeyStatus, word(self.bucket_key), &BUCKET_KEYS)?.flatten(),
            owner: text(self.owner, at),
        })
    }
}

fn text(array: Option<&StringArray>, at: usize) -> Option<&str> {
    let array = array.filter(|array| array.is_valid(at))?;
    Some(array.value(at)).filter(|text| !text.is_empty())
}

fn column<'a, T>(
    batch: &'a RecordBatch,
    field: Field,
    cast: impl FnOnce(&'a ArrayRef) -> Option<T>,
) -> Result<Option<T>, String> {
    let Some(array) = batch.column_by_name(field.column()) else { return Ok(None) };
    let cast = cast(array);
    let kind = || format!("the column '{}' has the type {}", field.column(), array.data_type());
    cast.map(Some).ok_or_else(kind)
}

/// Times in the units that writers use.
enum Times<'a> {
    Millis(&'a PrimitiveArray<TimestampMillisecondType>),
    Micros(&'a PrimitiveArray<TimestampMicrosecondType>),
    Nanos(&'a PrimitiveArray<TimestampNanosecondType>),
    Number(&'a PrimitiveArray<Int64Type>),
}

impl<'a> Times<'a> {
    fn of(array: &'a ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Timestamp(TimeUnit::Millisecond, _) => array.as_primitive_opt().map(Self::Millis),
            DataType::Timestamp(TimeUnit::Microsecond, _) => array.as_primitive_opt().map(Self::Micros),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => array.as_primitive_opt().map(Self::Nanos),
            DataType::Int64 => array.as_primitive_opt().map(Self::Number),
            _ => None,
        }
    }

    fn millis(&self, at: usize) -> Option<i64> {
        match self {
            Self::Millis(array) => array.is_valid(at).then(|| array.value(at)),
            Self::Micros(array) => array.is_valid(at).then(|| array.value(at).div_euclid(1000)),
            Self::Nanos(array) => array.is_valid(at).then(|| array.value(at).div_euclid(1_000_000)),
            Self::Number(array) => array.is_valid(at).then(|| array.value(at)),
        }
    }
}
