//! CloudTrail's files: one JSON document with records, of which the data and management events of S3 count.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::lines;
use super::passage::{Reached, Witness};
use crate::audit::error::{AuditError, Spot};
use crate::audit::place::Place;
use crate::audit::store::Store;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_time: String,
    event_source: String,
    event_name: String,
    #[serde(default, rename = "sourceIPAddress")]
    address: String,
    #[serde(default, rename = "requestID")]
    request_id: Option<String>,
    error_code: Option<String>,
    user_identity: Identity,
    request_parameters: Option<Parameters>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    r#type: String,
    arn: Option<String>,
    principal_id: Option<String>,
    invoked_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    bucket_name: Option<String>,
    key: Option<String>,
}

/// Hands on every request to S3 that names a bucket. Digest files and other folders' files are not CloudTrail's events
/// and are refused: a whole bucket of a trail is read by its `CloudTrail/` folder.
pub(super) fn read(
    store: &Store,
    place: &Place,
    mut each: impl FnMut(Reached) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let file: File = serde_json::from_reader(lines::open(store, place)?)
        .map_err(|error| AuditError::damaged(Spot::file(place), error))?;
    for (at, record) in file.records.into_iter().enumerate() {
        if record.event_source != "s3.amazonaws.com" {
            continue;
        }
        let reached =
            reached(record).map_err(|why| AuditError::damaged(Spot::row(place, at as u64 + 1), why))?;
        reached.map_or(Ok(()), &mut each)?;
    }
    Ok(())
}

fn reached(record: Record) -> Result<Option<Reached>, String> {
    let (bucket, key) = record.request_parameters.map_or((None, None), |of| (of.bucket_name, of.key));
    let Some(bucket) = bucket else { return Ok(None) };
    let time = OffsetDateTime::parse(&record.event_time, &Rfc3339);
    let time = time.map_err(|_| format!("eventTime '{}' is no time", record.event_time.escape_debug()))?;
    let request_id = record.request_id.ok_or("requestID is missing")?;
    let identity = record.user_identity;
    // Where a service acts for somebody (Athena with a user's rights), that somebody is the principal.
    let by_aws = identity.r#type == "AWSService";
    let principal = identity.arn.or(identity.invoked_by).or(identity.principal_id).unwrap_or_default();
    Ok(Some(Reached {
        witness: Witness::Trail,
        at: time.unix_timestamp() * 1000,
        request_id,
        principal,
        address: record.address,
        operation: record.event_name,
        bucket,
        key,
        error: record.error_code,
        by_aws,
    }))
}
