//! Text files line by line, gzip or not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::audit::error::{AuditError, Spot};
use crate::audit::place::Place;
use crate::audit::store::Store;

/// Longer lines are none of any log that we know.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A file as text, decompressed by its first bytes.
pub(super) fn open(store: &Store, place: &Place) -> Result<Box<dyn BufRead>, AuditError> {
    let mut file: BufReader<File> = BufReader::with_capacity(128 * 1024, store.open(place)?);
    let start = file.fill_buf().map_err(|error| AuditError::damaged(Spot::file(place), error))?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(128 * 1024, MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    })
}

/// Hands on every line that is not empty with its number, from 1.
pub(super) fn each(
    store: &Store,
    place: &Place,
    mut line: impl FnMut(u64, &str) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let mut file = open(store, place)?;
    let mut bytes = Vec::new();
    for number in 1.. {
        let damaged = |why: &dyn std::fmt::Display| AuditError::damaged(Spot::row(place, number), why);
        bytes.clear();
        let read =
            file.by_ref().take(LONGEST).read_until(b'\n', &mut bytes).map_err(|error| damaged(&error))?;
        if read == 0 {
            break;
        }
        if read as u64 == LONGEST {
            return Err(damaged(&"the line has no end"));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged(&"it is not UTF-8"))?.trim();
        if !text.is_empty() {
            line(number, text)?;
        }
    }
    Ok(())
}
