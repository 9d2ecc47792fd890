//! One JSON line a request, on a thread of its own, so that a slow reader of our output holds up no connection.

use std::io::{BufWriter, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;

use super::accesses::Accesses;

/// A finished request, however it ended.
#[derive(Debug, Serialize)]
pub struct AccessLine<'a> {
    /// When it began, RFC 3339 in UTC.
    pub time: String,
    /// The client, by the strongest form that its certificate carries.
    pub identity: &'a str,
    /// The S3 operation; null when the request was none.
    pub operation: Option<&'a str>,
    /// The bucket, if one was named.
    pub bucket: Option<&'a str>,
    /// The decoded key, or the prefix of a list.
    pub key: Option<&'a str>,
    /// The HTTP status that the client got; 499 when it went away before there was one.
    pub status: u16,
    /// The S3 error code or the reason why the exchange broke off.
    pub error_code: Option<&'a str>,
    /// Bytes of body that the client sent.
    pub bytes_in: u64,
    /// Bytes of body that the client was sent.
    pub bytes_out: u64,
    /// Milliseconds from the whole head to the last byte.
    pub duration_ms: f64,
    /// Milliseconds until S3 answered with a head; null if S3 was not asked or did not answer.
    pub upstream_ms: Option<f64>,
    /// The proxy's own identifier of the request.
    pub request_id: &'a str,
    /// S3's identifier.
    pub upstream_request_id: Option<&'a str>,
    /// The grant that allowed it, or the one that denied it; `guardrail:<name>` where a guardrail refused.
    pub grant: Option<&'a str>,
    /// Every access, where operation, bucket and key do not tell: copies, batches, versions, headers with actions of
    /// their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accesses: Option<&'a Accesses>,
    /// How many accesses the line had no room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accesses_omitted: Option<usize>,
}

/// Lines that may be owed or wait for the writer, at a few hundred bytes each (a key has at most 1,024). Beyond it
/// requests wait before they begin, because a lost line is a lost proof.
const WAITING_LINES: usize = 16 * 1024;

/// Where lines are handed in. Cheap to clone; the writer ends when the last clone is gone.
#[derive(Debug, Clone)]
pub struct AccessLog(mpsc::Sender<Vec<u8>>);

/// The place of one line, taken before the request begins, so that its line can be handed in without waiting.
#[derive(Debug)]
pub struct Place(mpsc::OwnedPermit<Vec<u8>>);

/// The writing thread, to be waited for at the end.
#[derive(Debug)]
pub struct AccessLogWriter {
    /// Closed when the thread has ended.
    done: Receiver<()>,
}

impl AccessLog {
    /// Starts a thread that writes lines to `output`.
    pub fn start(output: impl Write + Send + 'static) -> std::io::Result<(Self, AccessLogWriter)> {
        let (sender, receiver) = mpsc::channel(WAITING_LINES);
        let (ended, done) = sync_channel::<()>(0);
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            write(receiver, output);
            drop(ended);
        })?;
        Ok((Self(sender), AccessLogWriter { done }))
    }

    /// Takes the place of a line; waits while whoever reads the log does not keep up. `None` when the writer is gone.
    pub async fn place(&self) -> Option<Place> {
        self.0.clone().reserve_owned().await.ok().map(Place)
    }
}

impl Place {
    /// Hands in the line.
    pub fn record(self, line: &AccessLine<'_>) {
        // The structure always serializes.
        if let Ok(mut json) = serde_json::to_vec(line) {
            json.push(b'\n');
            self.0.send(json);
        }
    }
}

impl AccessLogWriter {
    /// Waits until every line is written, but no longer than `limit`: whoever reads our output may have stopped.
    /// Blocks; every [`AccessLog`] and [`Place`] must be gone.
    pub fn join_within(self, limit: Duration) {
        if self.done.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the access log could not be written out in time");
        }
    }
}

fn write(mut lines: mpsc::Receiver<Vec<u8>>, output: impl Write) {
    let mut output = BufWriter::with_capacity(64 * 1024, output);
    let mut failing = false;
    while let Some(first) = lines.blocking_recv() {
        let mut result = output.write_all(&first);
        // What has gathered meanwhile goes out in one system call.
        while let Ok(line) = lines.try_recv() {
            result = result.and_then(|()| output.write_all(&line));
        }
        let result = result.and_then(|()| output.flush());
        if let Err(error) = &result
            && !failing
        {
            tracing::error!(%error, "the access log cannot be written");
        }
        failing = result.is_err();
    }
}
