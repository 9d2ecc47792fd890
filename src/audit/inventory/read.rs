//! Every row of a report, by as many threads as there are processors. A file is checked against the manifest before
//! its first row is read.

use std::fs::File;
use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use md5::{Digest, Md5};

use super::columnar::{Source, read_orc, read_parquet};
use super::manifest::{DataFile, Format, Manifest};
use super::progress::Progress;
use super::row::Row;
use super::{csv, locate};
use crate::audit::error::{AuditError, Spot};
use crate::audit::place::Place;
use crate::audit::store::Store;

/// More threads wait for the disk.
const MAX_THREADS: usize = 8;

/// What is read, and with what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) store: &'a Store,
    pub(super) manifest: &'a Manifest,
    pub(super) progress: &'a Progress,
}

impl Reading<'_> {
    /// Hands every row to one of several workers, with the position of its file and its number there. A worker sees the
    /// files in their order. Of several errors the first file's is told.
    pub(super) fn rows<W: Send>(
        self,
        worker: impl Fn() -> W + Sync,
        each: impl Fn(&mut W, usize, u64, &Row<'_>) -> Result<(), AuditError> + Sync,
    ) -> Result<Vec<W>, AuditError> {
        let files = &self.manifest.files;
        self.progress.expect(files.iter().map(|file| file.size).sum());
        let threads =
            std::thread::available_parallelism().map_or(1, usize::from).min(files.len()).min(MAX_THREADS);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let mut state = worker();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(file) = files.get(at).filter(|_| !failed.load(Ordering::Relaxed)) else {
                    return Ok(state);
                };
                let reading = || self.file(file, |number, row| each(&mut state, at, number, row));
                // A decoder that panics has met what its format does not allow. What it leaves behind is not looked at.
                let rows = catch_unwind(AssertUnwindSafe(reading)).unwrap_or_else(|_| {
                    Err(AuditError::damaged(Spot::file(&file.key), "it cannot be decoded"))
                });
                rows.map_err(|error| {
                    failed.store(true, Ordering::Relaxed);
                    (at, error)
                })?;
            }
        };
        let mut states = Vec::new();
        let mut first: Option<(usize, AuditError)> = None;
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            for handle in handles {
                let gave_up = || AuditError::damaged(Spot::file(&self.manifest.place), "reading broke off");
                match handle.join().unwrap_or_else(|_| Err((0, gave_up()))) {
                    Ok(state) => states.push(state),
                    Err(error) if first.as_ref().is_none_or(|(at, _)| error.0 < *at) => first = Some(error),
                    Err(_) => {}
                }
            }
        });
        first.map_or(Ok(states), |(_, error)| Err(error))
    }

    fn file(
        &self,
        file: &DataFile,
        each: impl FnMut(u64, &Row<'_>) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let Manifest { bucket, columns, format, .. } = self.manifest;
        let place = locate::data(self.store, self.manifest, file)?;
        let opened = checked(self.store.open(&place)?, &place, file)?;
        let name = place.to_string();
        let source = Source { name: &name, bucket, columns, size: file.size };
        match format {
            Format::Csv => csv::read(opened, &name, bucket, columns, self.progress, each),
            Format::Parquet => read_parquet(opened, source, self.progress, each),
            Format::Orc => read_orc(opened, source, self.progress, each),
        }
    }
}

/// The file has the size and the MD5 that the manifest says.
fn checked(mut opened: File, place: &Place, file: &DataFile) -> Result<File, AuditError> {
    let damaged = |why: String| AuditError::damaged(Spot::file(place), why);
    let unreadable = |error: std::io::Error| damaged(format!("cannot be read: {error}"));
    let (mut digest, mut buffer, mut length) = (Md5::new(), vec![0; 1024 * 1024], 0);
    loop {
        let read = opened.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        length += read as u64;
        digest.update(&buffer[..read]);
    }
    if length != file.size {
        return Err(damaged(format!("it has {length} bytes, and the manifest says {}", file.size)));
    }
    let found = hex::encode(digest.finalize());
    if !found.eq_ignore_ascii_case(&file.md5) {
        return Err(damaged(format!(
            "its MD5 is {found}, and the manifest says {}",
            file.md5.escape_debug()
        )));
    }
    opened.rewind().map_err(unreadable)?;
    Ok(opened)
}
