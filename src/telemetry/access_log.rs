//! One JSON line a request, handed in when the request has ended, and a bound on what may be owed and wait.
//!
//! A line must never be lost without a word, and nobody may make others wait: a request takes a [`Place`] before it
//! begins, so that its line can be handed in without waiting. While whoever reads the lines does not keep up, requests
//! wait a moment for room and are then refused.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::access_writer::write;
use super::accesses::Accesses;
use super::escape::escape;

/// A finished request, however it ended.
#[derive(Debug, Serialize)]
pub struct AccessLine<'a> {
    /// When it began, RFC 3339 in UTC, to the millisecond.
    pub time: String,
    /// The client, by the strongest form that its certificate carries.
    pub identity: &'a str,
    /// Every name of the certificate, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identities: Option<&'a [String]>,
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

/// Bytes of lines that wait for the writer before new requests have to: some 50,000 lines.
const WAITING_BYTES: usize = 16 * 1024 * 1024;
/// No line is shorter: the names of its fields alone take more.
const SHORTEST_LINE: usize = 128;
/// Most lines are shorter: they are written without growing their buffer.
const USUAL_LINE: usize = 768;
/// How long a request waits for room before it is refused. Whoever reads the lines may be slow, not absent.
const PATIENCE: Duration = Duration::from_secs(3);

/// How the lines flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// There is room.
    Flowing,
    /// So many lines wait that requests do too.
    Full,
    /// Nothing has been taken for so long, or writing fails, that requests are refused.
    Stuck,
}

/// What requests and the writer share.
#[derive(Debug)]
pub(super) struct Flood {
    limit: usize,
    waiting: AtomicUsize,
    flow: watch::Sender<Flow>,
}

impl Flood {
    /// A line waits. Whether that is too much is judged under the lock of `flow`, as in [`Flood::taken`]: whoever
    /// comes last sees what is the case.
    fn add(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::SeqCst);
        self.flow.send_if_modified(|flow| {
            let full = *flow == Flow::Flowing && self.waiting.load(Ordering::SeqCst) >= self.limit;
            if full {
                *flow = Flow::Full;
            }
            full
        });
    }

    /// Bytes have been written.
    pub(super) fn taken(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::SeqCst);
        self.flow.send_if_modified(|flow| {
            let room = *flow != Flow::Flowing && self.waiting.load(Ordering::SeqCst) < self.limit;
            if room {
                *flow = Flow::Flowing;
            }
            room
        });
    }

    /// Nothing goes out.
    pub(super) fn stuck(&self) {
        self.flow.send_if_modified(|flow| std::mem::replace(flow, Flow::Stuck) != Flow::Stuck);
    }
}

/// Where lines are handed in. Cheap to clone; the writer ends when the last clone is gone.
#[derive(Debug, Clone)]
pub struct AccessLog(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    lines: mpsc::Sender<Vec<u8>>,
    places: Arc<Semaphore>,
    flood: Arc<Flood>,
}

/// The place of one line, taken before the request begins, so that its line can be handed in without waiting.
#[derive(Debug)]
pub struct Place {
    log: AccessLog,
    _held: OwnedSemaphorePermit,
}

/// A request cannot be recorded at the moment, so it must not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrecordable {
    /// As many requests are open as may be.
    #[error("too_many_requests")]
    TooMany,
    /// The lines are not taken.
    #[error("log_stuck")]
    Stuck,
}

/// The writing thread, to be waited for at the end.
#[derive(Debug)]
pub struct AccessLogWriter {
    /// Closed when the thread has ended.
    done: Receiver<()>,
}

impl AccessLog {
    /// Starts a thread that writes lines to `output`, for at most `requests` open requests at a time.
    pub fn start(
        output: impl Write + Send + 'static,
        requests: usize,
    ) -> std::io::Result<(Self, AccessLogWriter)> {
        Self::with_limit(output, requests, WAITING_BYTES)
    }

    fn with_limit(
        output: impl Write + Send + 'static,
        requests: usize,
        limit: usize,
    ) -> std::io::Result<(Self, AccessLogWriter)> {
        // When the last request was let in, less than the limit waited; on top of that come the lines of those that are
        // open. So there is always room for a line that has a place.
        let (sender, receiver) = mpsc::channel(limit / SHORTEST_LINE + requests + 1);
        let (ended, done) = sync_channel::<()>(0);
        let flood =
            Arc::new(Flood { limit, waiting: AtomicUsize::new(0), flow: watch::Sender::new(Flow::Flowing) });
        let writers = flood.clone();
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            write(receiver, output, &writers);
            drop(ended);
        })?;
        let desk = Desk { lines: sender, places: Arc::new(Semaphore::new(requests)), flood };
        Ok((Self(Arc::new(desk)), AccessLogWriter { done }))
    }

    /// Takes the place of a line; waits a moment while whoever reads the log does not keep up.
    pub async fn place(&self) -> Result<Place, Unrecordable> {
        let held = self.0.places.clone().try_acquire_owned().map_err(|_| Unrecordable::TooMany)?;
        self.room().await?;
        Ok(Place { log: self.clone(), _held: held })
    }

    async fn room(&self) -> Result<(), Unrecordable> {
        let flow = *self.0.flood.flow.borrow();
        match flow {
            Flow::Flowing => return Ok(()),
            Flow::Stuck => return Err(Unrecordable::Stuck),
            Flow::Full => {}
        }
        let mut changes = self.0.flood.flow.subscribe();
        let decided = changes.wait_for(|flow| *flow != Flow::Full);
        match tokio::time::timeout(PATIENCE, decided).await {
            Ok(Ok(flow)) if *flow == Flow::Flowing => Ok(()),
            Ok(_) => Err(Unrecordable::Stuck),
            Err(_) => {
                self.0.flood.stuck();
                Err(Unrecordable::Stuck)
            }
        }
    }

    /// Waits until lines are no longer taken, or are again.
    pub fn stuckness(&self) -> Stuckness {
        Stuckness(self.0.flood.flow.subscribe())
    }
}

/// Tells whether the log is stuck, as it changes.
#[derive(Debug)]
pub struct Stuckness(watch::Receiver<Flow>);

impl Stuckness {
    /// Waits until it is so; `false` when the log is gone.
    pub async fn becomes(&mut self, stuck: bool) -> bool {
        self.0.wait_for(|flow| (*flow == Flow::Stuck) == stuck).await.is_ok()
    }
}

impl Place {
    /// Hands in the line.
    pub fn record(self, line: &AccessLine<'_>) {
        // The structure always serializes.
        let mut json = Vec::with_capacity(USUAL_LINE);
        if serde_json::to_writer(&mut json, line).is_err() {
            return;
        }
        let mut json = escape(json);
        json.push(b'\n');
        // Counted first, so that the writer never takes what nobody has counted.
        let Desk { lines, flood, .. } = &*self.log.0;
        flood.add(json.len());
        if lines.try_send(json).is_err() {
            tracing::error!("a line of the access log is lost: its writer has ended");
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

#[cfg(test)]
mod tests;
