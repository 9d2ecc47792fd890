//! Ends answers over HTTP/2 that do not move.
//!
//! A stream whose client opens no window is not polled by hyper, so its body cannot notice that time goes by, and the
//! connection may be kept alive by other traffic. So each stream is watched from outside, in the task that serves it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static PACE: Pace;
}

/// When an answer last moved.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// `None` before there is an answer: until then the limits on S3's side hold.
    moved: Option<Instant>,
    expired: bool,
}

impl Pace {
    /// Of the stream that this task serves; `None` over HTTP/1.1, where the connection itself is watched.
    pub(super) fn of_this_stream() -> Option<Self> {
        PACE.try_with(Self::clone).ok()
    }

    pub(super) fn moved(&self) {
        self.state().moved = Some(Instant::now());
    }

    /// Whether this ended the answer.
    pub(super) fn expired(&self) -> bool {
        self.state().expired
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // An instant and a flag cannot be left half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there has been an answer that did not move for `limit`.
    async fn lost(&self, limit: Duration) {
        loop {
            let due = self.state().moved.unwrap_or_else(Instant::now) + limit;
            tokio::time::sleep_until(due).await;
            let mut state = self.state();
            if state.moved.is_some_and(|moved| moved + limit <= Instant::now()) {
                state.expired = true;
                return;
            }
        }
    }
}

/// Runs the streams of one HTTP/2 connection.
#[derive(Debug, Clone)]
pub(super) struct PacedStreams {
    limit: Duration,
    ended: CancellationToken,
}

impl PacedStreams {
    /// An answer that does not move for `limit` ends, its stream with it; all of them do when the connection has
    /// `ended`.
    pub(super) fn new(limit: Duration, ended: CancellationToken) -> Self {
        Self { limit, ended }
    }
}

impl<F> Executor<F> for PacedStreams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (pace, limit) = (Pace::default(), self.limit);
        let (watched, ended) = (pace.clone(), self.ended.clone());
        tokio::spawn(PACE.scope(pace, async move {
            tokio::select! {
                () = stream => {}
                () = watched.lost(limit) => {}
                () = ended.cancelled() => {}
            }
        }));
    }
}
