//! S3 server access logs (user guide, "Amazon S3 server access log format"): fields between spaces, quotes or brackets.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::lines;
use super::passage::{Reached, Witness};
use crate::audit::error::{AuditError, Spot};
use crate::audit::place::Place;
use crate::audit::store::Store;

/// `06/Feb/2019:00:00:38 +0000`.
const TIME: &[BorrowedFormatItem<'_>] = format_description!(
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

/// Hands on every request.
pub(super) fn read(
    store: &Store,
    place: &Place,
    mut each: impl FnMut(Reached) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    lines::each(store, place, |number, line| {
        // A line that is not understood might be the one that matters.
        let reached = parse(line).map_err(|why| AuditError::damaged(Spot::row(place, number), why))?;
        each(reached)
    })
}

fn parse(line: &str) -> Result<Reached, String> {
    let mut rest = line;
    let mut field = |name: &str| next(&mut rest).ok_or_else(|| format!("the field {name} is missing"));
    let _owner = field("bucket owner")?;
    let bucket = field("bucket")?;
    let at = field("time")?;
    let address = field("remote IP")?;
    let requester = field("requester")?;
    let request_id = field("request ID")?;
    let operation = field("operation")?;
    let key = field("key")?;
    let _uri = field("request URI")?;
    let _status = field("HTTP status")?;
    let error = field("error code")?;
    let time = OffsetDateTime::parse(at, TIME).map_err(|_| format!("'{}' is no time", at.escape_debug()))?;
    let said = |text: &str| (text != "-").then(|| text.to_owned());
    let by_aws = requester == "AmazonS3" || requester.starts_with("svc:") || operation.starts_with("S3.");
    Ok(Reached {
        witness: Witness::ServerLog,
        at: time.unix_timestamp() * 1000,
        request_id: request_id.to_owned(),
        principal: said(requester).unwrap_or_default(),
        address: address.to_owned(),
        operation: operation.to_owned(),
        bucket: bucket.to_owned(),
        key: said(key),
        error: said(error),
        by_aws,
    })
}

/// The next field without what it stands in.
fn next<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let text = rest.trim_start_matches(' ');
    let (open, close) = match text.chars().next()? {
        '"' => (1, "\""),
        '[' => (1, "]"),
        _ => (0, " "),
    };
    let inner = &text[open..];
    let (field, after) = match inner.split_once(close) {
        Some((field, after)) => (field, after),
        None if open == 0 => (inner, ""),
        None => return None,
    };
    *rest = after;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first line of the user guide's example.
    const LINE: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be amzn-s3-demo-bucket1 \
        [06/Feb/2019:00:00:38 +0000] 192.0.2.3 arn:aws:sts::123456789012:assumed-role/proxy/s3-access-proxy \
        3E57427F3EXAMPLE REST.GET.OBJECT a/b%2520c \"GET /a/b%20c?x=[1] HTTP/1.1\" 403 AccessDenied 113 - 7 - \"-\" \
        \"S3Console/0.4\" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 \
        ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2 - -";

    #[test]
    fn the_documented_line_is_read() {
        let reached = parse(LINE).unwrap();
        assert_eq!(reached.request_id, "3E57427F3EXAMPLE");
        assert_eq!(reached.at, 1_549_411_238_000);
        assert_eq!(
            (reached.key.as_deref(), reached.error.as_deref()),
            (Some("a/b%2520c"), Some("AccessDenied"))
        );
        assert!(!reached.by_aws && reached.principal.ends_with("assumed-role/proxy/s3-access-proxy"));
    }

    #[test]
    fn a_line_that_ends_early_is_refused() {
        for part in [10, 100, 180, 260] {
            assert!(parse(&LINE[..part]).is_err(), "{part}");
        }
    }
}
