//! CSV: gzip, every value quoted, no header, `\n`. Keys are URL-encoded with `+` for a space, as HTML forms do.

use std::fs::File;
use std::io::{self, BufReader, Read};

use csv::{ByteRecord, ReaderBuilder};
use flate2::bufread::MultiGzDecoder;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::field::{Columns, Field};
use super::progress::Progress;
use super::row::{BUCKET_KEYS, BadValue, FLAGS, LEGAL_HOLDS, LOCK_MODES, Row, one_of};
use crate::audit::error::{AuditError, Spot};
use crate::s3::{Class, Encrypted, Replicated};

/// Larger than a page of the decoder, smaller than the cache.
const BUFFER: usize = 128 * 1024;

/// Bytes of a row, far above what a key and a list of a hundred grants come to: without a bound, a row without an end
/// would be taken into memory whole.
const LONGEST: usize = 1024 * 1024;

/// What is decompressed, with a bound on each row.
struct Rows<R> {
    from: R,
    /// Of this row, and of those behind it that have been read with it.
    left: usize,
}

impl<R: Read> Read for Rows<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("the row has no end"));
        }
        let most = into.len().min(self.left);
        let read = self.from.read(&mut into[..most])?;
        self.left -= read;
        Ok(read)
    }
}

/// Hands on every row with its number, from 1.
pub(super) fn read(
    file: File,
    name: &str,
    bucket: &str,
    columns: &Columns,
    progress: &Progress,
    mut each: impl FnMut(u64, &Row<'_>) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let source = BufReader::with_capacity(BUFFER, Counted { file, progress });
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER)
        .from_reader(Rows { from: MultiGzDecoder::new(source), left: LONGEST });
    let (mut record, mut key) = (ByteRecord::new(), Vec::new());
    for number in 1.. {
        let damaged = |why: String| AuditError::damaged(Spot::row(name, number), why);
        reader.get_mut().left = LONGEST;
        if !reader.read_byte_record(&mut record).map_err(|error| damaged(plain(&error)))? {
            break;
        }
        let row = row(&record, bucket, columns, &mut key).map_err(|BadValue(why)| damaged(why))?;
        each(number, &row)?;
        progress.row();
    }
    Ok(())
}

/// The csv crate counts records from 0 and adds lines and bytes; a row is enough.
fn plain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

fn row<'a>(
    record: &'a ByteRecord,
    bucket: &str,
    columns: &Columns,
    key: &'a mut Vec<u8>,
) -> Result<Row<'a>, BadValue> {
    let expected = columns.fields().len();
    if record.len() != expected {
        return Err(BadValue(format!("it has {} values, and the manifest names {expected}", record.len())));
    }
    let text = |field: Field| -> Result<&'a str, BadValue> {
        let Some(at) = columns.position(field) else { return Ok("") };
        std::str::from_utf8(&record[at]).map_err(|_| BadValue(format!("{field} is not UTF-8")))
    };
    let filled = |field| text(field).map(|text| (!text.is_empty()).then_some(text));
    let flag = |field| one_of(field, text(field)?, &FLAGS);
    let found = text(Field::Bucket)?;
    if found != bucket {
        return Err(BadValue(format!(
            "the bucket is '{}', and the manifest's sourceBucket '{bucket}'",
            found.escape_debug()
        )));
    }
    decode(text(Field::Key)?.as_bytes(), key)?;
    let key = std::str::from_utf8(key).map_err(|_| BadValue("the decoded key is not UTF-8".into()))?;
    if key.is_empty() {
        return Err(BadValue("the key is empty".into()));
    }
    let size = filled(Field::Size)?.map(str::parse).transpose();
    Ok(Row {
        key,
        version: filled(Field::VersionId)?,
        noncurrent: flag(Field::IsLatest)? == Some(false),
        delete_marker: flag(Field::IsDeleteMarker)? == Some(true),
        size: size.map_err(|_| BadValue("Size is no number of bytes".into()))?.unwrap_or(0),
        modified: time(Field::LastModifiedDate, text(Field::LastModifiedDate)?)?,
        etag: filled(Field::ETag)?,
        class: filled(Field::StorageClass)?.map(Class::of),
        multipart: flag(Field::IsMultipartUploaded)? == Some(true),
        replicated: one_of(Field::ReplicationStatus, text(Field::ReplicationStatus)?, &Replicated::ALL)?,
        encrypted: one_of(Field::EncryptionStatus, text(Field::EncryptionStatus)?, &Encrypted::ALL)?,
        retained_until: time(Field::ObjectLockRetainUntilDate, text(Field::ObjectLockRetainUntilDate)?)?,
        lock_mode: one_of(Field::ObjectLockMode, text(Field::ObjectLockMode)?, &LOCK_MODES)?,
        legal_hold: one_of(
            Field::ObjectLockLegalHoldStatus,
            text(Field::ObjectLockLegalHoldStatus)?,
            &LEGAL_HOLDS,
        )? == Some(true),
        bucket_key: one_of(Field::BucketKeyStatus, text(Field::BucketKeyStatus)?, &BUCKET_KEYS)?.flatten(),
        owner: filled(Field::ObjectOwner)?,
    })
}

/// `application/x-www-form-urlencoded`, strictly: what cannot be decoded names no object.
fn decode(encoded: &[u8], key: &mut Vec<u8>) -> Result<(), BadValue> {
    key.clear();
    let mut rest = encoded;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => key.push(b' '),
            b'%' => {
                let mut byte = [0];
                let hex = rest.get(..2).ok_or(());
                hex.and_then(|hex| hex::decode_to_slice(hex, &mut byte).map_err(|_| ())).map_err(|()| {
                    BadValue("the key is not URL-encoded: a '%' without two hexadecimal digits".into())
                })?;
                key.push(byte[0]);
                rest = &rest[2..];
            }
            byte => key.push(*byte),
        }
    }
    Ok(())
}

/// RFC 3339 to milliseconds.
fn time(field: Field, text: &str) -> Result<Option<i64>, BadValue> {
    if text.is_empty() {
        return Ok(None);
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        BadValue(format!("{field} '{}' is no time such as 2026-11-24T09:00:00.000Z", text.escape_debug()))
    })?;
    Ok(Some(time.unix_timestamp() * 1000 + i64::from(time.millisecond())))
}

/// Counts the compressed bytes.
struct Counted<'a> {
    file: File,
    progress: &'a Progress,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.progress.bytes(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_as_forms_are_and_strictly() {
        let decoded = |text: &str| {
            let mut key = Vec::new();
            decode(text.as_bytes(), &mut key).map(|()| String::from_utf8(key).unwrap())
        };
        assert_eq!(decoded("a+b%2Bc%2Fd/%E6%97%A5").unwrap(), "a b+c/d/日");
        for bad in ["%", "%4", "%zz", "a%2"] {
            assert!(decoded(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_milliseconds() {
        assert_eq!(time(Field::Size, "1970-01-01T00:00:01.250Z").unwrap(), Some(1250));
        assert_eq!(time(Field::Size, "").unwrap(), None);
        assert!(time(Field::Size, "yesterday").is_err());
    }
}
