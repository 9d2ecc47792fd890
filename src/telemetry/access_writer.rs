//! The thread that writes the access log: a slow reader of our output holds up no connection.

use std::io::{self, Write};
use std::time::Duration;

use tokio::sync::mpsc;

use super::access_log::Flood;

/// Bytes of lines that go out in one system call.
const BATCH: usize = 64 * 1024;
/// Time for lines to gather: waking this thread costs more than writing one, and would fall to the requests.
const GATHER: Duration = Duration::from_millis(5);
/// A full disk may have room again, and a line is not given up before.
const RETRY: Duration = Duration::from_secs(1);

pub(super) fn write(mut lines: mpsc::Receiver<Vec<u8>>, mut output: impl Write, flood: &Flood) {
    let mut failing = false;
    while let Some(mut batch) = lines.blocking_recv() {
        if lines.is_empty() {
            std::thread::park_timeout(GATHER);
        }
        // What has gathered meanwhile goes out together.
        while batch.len() < BATCH
            && let Ok(line) = lines.try_recv()
        {
            batch.extend_from_slice(&line);
        }
        let mut written = 0;
        while let Err(error) = write_from(&batch, &mut written, &mut output) {
            flood.stuck();
            if !std::mem::replace(&mut failing, true) {
                tracing::error!(%error, "the access log cannot be written; requests are refused until it can");
            }
            if lines.is_closed() {
                tracing::error!(
                    waiting = lines.len() + 1,
                    "lines of the access log are lost: the process ends"
                );
                return;
            }
            std::thread::park_timeout(RETRY);
        }
        failing = false;
        flood.taken(batch.len());
    }
}

/// Goes on where the last attempt ended, so that no part of a line is written twice.
fn write_from(batch: &[u8], written: &mut usize, output: &mut impl Write) -> io::Result<()> {
    while *written < batch.len() {
        match output.write(&batch[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    output.flush()
}
