//! What an apply did, a line of JSON an event, written before and after each step. Runs are appended to one file, so that
//! a stopped run and the one that finished its work are read together.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where the lines go.
#[derive(Debug)]
pub struct Journal {
    file: File,
    run: String,
}

impl Journal {
    /// Opens a file to append to. `run` marks this run's lines.
    pub fn open(path: &Path, run: String) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file, run })
    }

    /// Writes a line, and makes sure of it.
    pub(super) fn write(&mut self, event: &str, mut fields: Value) -> io::Result<()> {
        let time = OffsetDateTime::now_utc().format(&Rfc3339).map_err(io::Error::other)?;
        fields["time"] = time.into();
        fields["run"] = self.run.as_str().into();
        fields["event"] = event.into();
        // One write a line: lines of two runs do not mix.
        self.file.write_all(format!("{}\n", json!(fields)).as_bytes())?;
        self.file.sync_data()
    }
}
