//! `manifest.json` and `manifest.checksum`: which files a report has, with their digests, and which columns.
//!
//! Read strictly: a manifest that says something unknown may mean something by it.

use md5::{Digest, Md5};
use serde::Deserialize;

use super::field::{Columns, Field, Kind};
use crate::audit::error::{AuditError, Spot};
use crate::audit::place::Place;
use crate::audit::store::Store;

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
pub enum Format {
    /// Quoted, without a header, gzip; keys are URL-encoded.
    #[serde(rename = "CSV")]
    Csv,
    /// Apache Parquet.
    #[serde(rename = "Parquet")]
    Parquet,
    /// Apache ORC.
    #[serde(rename = "ORC")]
    Orc,
}

/// One data file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataFile {
    /// In the destination bucket.
    pub(crate) key: String,
    /// Bytes.
    pub(crate) size: u64,
    #[serde(rename = "MD5checksum")]
    pub(crate) md5: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    source_bucket: String,
    destination_bucket: String,
    version: String,
    creation_timestamp: String,
    file_format: Format,
    file_schema: String,
    files: Vec<DataFile>,
}

/// A manifest that has been checked.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) place: Place,
    pub(crate) bucket: String,
    pub(crate) destination: String,
    /// Milliseconds since 1970, when S3 began to look.
    pub(crate) created: i64,
    pub(crate) format: Format,
    pub(crate) columns: Columns,
    pub(crate) files: Vec<DataFile>,
}

/// The only one that S3 has written so far.
const VERSION: &str = "2016-11-30";

impl Manifest {
    /// Reads and checks the manifest at a place, with the checksum beside it.
    pub(crate) fn read(store: &Store, place: Place) -> Result<Self, AuditError> {
        let text = store.small(&place)?;
        let checksum_place = place.folder().join("manifest.checksum");
        let checksum = store.small(&checksum_place)?;
        let checksum = String::from_utf8_lossy(&checksum).trim().to_ascii_lowercase();
        let found = hex::encode(Md5::digest(&text));
        if checksum != found {
            let why = format!("its MD5 is {found}, but {checksum_place} says '{}'", checksum.escape_debug());
            return Err(AuditError::damaged(Spot::file(&place), why));
        }
        let spot = Spot::file(&place);
        Self::parse(&text, place).map_err(|why| AuditError::damaged(spot, why))
    }

    fn parse(text: &[u8], place: Place) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if written.version != VERSION {
            return Err(format!("version '{}' is not known; {VERSION} is", written.version));
        }
        let created = written.creation_timestamp.parse();
        let created = created.map_err(|_| "creationTimestamp is no number of milliseconds".to_owned())?;
        let columns = columns(written.file_format, &written.file_schema)
            .and_then(Columns::new)
            .map_err(|why| format!("fileSchema: {why}"))?;
        if written.files.is_empty() {
            return Err("files: the list is empty, so there is nothing that could be right or wrong".into());
        }
        let arn = written.destination_bucket.rsplit(':').next().unwrap_or_default();
        Ok(Self {
            place,
            bucket: written.source_bucket,
            destination: arn.to_owned(),
            created,
            format: written.file_format,
            columns,
            files: written.files,
        })
    }
}

fn columns(format: Format, schema: &str) -> Result<Vec<Field>, String> {
    match format {
        Format::Csv => {
            let field = |name| Field::in_csv(name).ok_or_else(|| unknown(name));
            schema.split(',').map(|name| field(name.trim())).collect()
        }
        Format::Orc => {
            let inner = schema.trim().strip_prefix("struct<").and_then(|rest| rest.strip_suffix('>'));
            let inner = inner.ok_or("ORC has struct<name:type,…>")?;
            inner.split(',').map(|part| orc_field(part.trim())).collect()
        }
        Format::Parquet => {
            let inner = schema.trim().strip_prefix("message ").and_then(|rest| rest.strip_suffix('}'));
            let (_, inner) =
                inner.and_then(|rest| rest.split_once('{')).ok_or("Parquet has message … { … }")?;
            let parts = inner.split(';').map(str::trim).filter(|part| !part.is_empty());
            parts.map(parquet_field).collect()
        }
    }
}

fn unknown(name: &str) -> String {
    format!("the field '{}' is not known", name.escape_debug())
}

fn orc_field(part: &str) -> Result<Field, String> {
    let (name, kind) =
        part.split_once(':').ok_or_else(|| format!("'{}' has no type", part.escape_debug()))?;
    let field = Field::in_columns(name).ok_or_else(|| unknown(name))?;
    let expected = field.kind().map(|expected| match expected {
        Kind::Text => "string",
        Kind::Flag => "boolean",
        Kind::Number => "bigint",
        Kind::Time => "timestamp",
    });
    typed(field, kind, expected)
}

/// `optional int64 size`, with an annotation behind it.
fn parquet_field(part: &str) -> Result<Field, String> {
    let mut words = part.split_ascii_whitespace();
    let (Some("required" | "optional"), Some(kind), Some(name)) = (words.next(), words.next(), words.next())
    else {
        return Err(format!("'{}' is no column", part.escape_debug()));
    };
    let field = Field::in_columns(name).ok_or_else(|| unknown(name))?;
    let expected = field.kind().map(|expected| match expected {
        Kind::Text => "binary",
        Kind::Flag => "boolean",
        Kind::Number | Kind::Time => "int64",
    });
    typed(field, kind, expected)
}

fn typed(field: Field, found: &str, expected: Option<&str>) -> Result<Field, String> {
    match expected {
        Some(expected) if expected != found => {
            Err(format!("{field} is '{}' and should be '{expected}'", found.escape_debug()))
        }
        _ => Ok(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_of_every_format_name_the_same_columns() {
        let csv = columns(Format::Csv, "Bucket, Key, Size, LastModifiedDate, IsLatest").unwrap();
        let orc =
            "struct<bucket:string,key:string,size:bigint,last_modified_date:timestamp,is_latest:boolean>";
        let parquet = "message s3.inventory { required binary bucket (STRING); required binary key (UTF8); \
                       optional int64 size; optional int64 last_modified_date (TIMESTAMP(MILLIS,true)); \
                       optional boolean is_latest;}";
        assert_eq!(columns(Format::Orc, orc).unwrap(), csv);
        assert_eq!(columns(Format::Parquet, parquet).unwrap(), csv);
    }

    #[test]
    fn a_schema_with_something_unknown_or_of_another_type_is_refused() {
        let bad = [
            (Format::Csv, "Bucket, Key, Mood", "'Mood' is not known"),
            (Format::Orc, "struct<bucket:string,key:binary>", "should be 'string'"),
            (Format::Orc, "bucket:string", "struct<"),
            (Format::Parquet, "message m { required binary bucket; repeated binary key; }", "is no column"),
            (Format::Parquet, "message m { optional int32 size; }", "should be 'int64'"),
        ];
        for (format, schema, why) in bad {
            let error = columns(format, schema).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
