//! The proxy's own access log: JSON lines, among which a container's log may have others.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::lines;
use crate::audit::error::{AuditError, Spot};
use crate::audit::place::Place;
use crate::audit::store::Store;
use crate::telemetry::LoggedRequest;

/// How a file went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Read {
    pub(super) requests: u64,
    /// Lines that are none of the access log's.
    pub(super) others: u64,
}

/// Hands on every request with its time, milliseconds since 1970. An error where no line of a file can be read.
pub(super) fn read(
    store: &Store,
    place: &Place,
    mut each: impl FnMut(i64, &LoggedRequest) -> Result<(), AuditError>,
) -> Result<Read, AuditError> {
    let (mut read, mut first) = (Read::default(), None);
    lines::each(store, place, |number, line| {
        match request(line) {
            Ok((at, request)) => {
                read.requests += 1;
                each(at, &request)?;
            }
            Err(why) => {
                read.others += 1;
                first.get_or_insert((number, why));
            }
        }
        Ok(())
    })?;
    match first {
        Some((number, why)) if read.requests == 0 => {
            let why = format!("no line of it is one of the access log's; this one: {why}");
            Err(AuditError::damaged(Spot::row(place, number), why))
        }
        _ => Ok(read),
    }
}

fn request(line: &str) -> Result<(i64, LoggedRequest), String> {
    let request: LoggedRequest = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let time = OffsetDateTime::parse(&request.time, &Rfc3339).map_err(|error| format!("time: {error}"))?;
    Ok((time.unix_timestamp() * 1000 + i64::from(time.millisecond()), request))
}
