//! Lines of the access log, read back.

use std::io::BufRead;

use crate::telemetry::{LoggedRequest, Seen};

/// A log of which nothing can be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// Which one, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A whole log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Requests that were no operation of S3's, that were refused for another reason than what is granted, or of which
    /// the line does not tell every access.
    pub(super) untold: u64,
    /// Lines that are none of the access log's, such as the last one of a log that was cut.
    pub(super) unreadable: u64,
}

/// Reads a log line by line and hands on what was seen. Empty lines do not count; an error if no line can be read.
pub(super) fn read(log: impl BufRead, mut each: impl FnMut(Seen)) -> Result<Log, BadLine> {
    let (mut whole, mut first_bad, mut readable) = (Log::default(), None, false);
    for (i, text) in log.lines().enumerate() {
        let line = text.map_err(|error| error.to_string()).and_then(|text| match text.trim() {
            "" => Ok(None),
            text => serde_json::from_str::<LoggedRequest>(text).map_err(|error| error.to_string()).map(Some),
        });
        match line.and_then(|line| line.map(|line| line.seen()).transpose()) {
            Ok(None) => {}
            Ok(Some(told)) => {
                readable = true;
                match told {
                    Some(seen) => each(seen),
                    None => whole.untold += 1,
                }
            }
            Err(why) => {
                whole.unreadable += 1;
                first_bad.get_or_insert(BadLine { line: i + 1, why });
            }
        }
    }
    match first_bad {
        Some(bad) if !readable => Err(bad),
        _ => Ok(whole),
    }
}
