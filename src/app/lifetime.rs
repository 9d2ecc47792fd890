//! What every serving process has in common: it serves until it is told to stop and lets what is in flight finish; and it
//! puts changed files in force, or keeps what was there.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::net::Stop;
use crate::process::{Pending, Readiness};

/// For connections to notice that they are cut off.
const CUT_OFF: Duration = Duration::from_secs(1);
/// How often mounted files are looked at. The kubelet itself takes up to a minute to update them.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Accepts until `stop`, then waits for what is in flight for as long as the drain may take. While the result lives, the
/// process is not ready.
pub(super) async fn serve<F: Future<Output = ()> + Send + 'static>(
    accepting: impl FnOnce(Stop, TaskTracker) -> F,
    readiness: &Readiness,
    stop: CancellationToken,
    drain_timeout: Duration,
) -> Pending {
    let tracker = TaskTracker::new();
    let ending = Stop { drain: CancellationToken::new(), now: CancellationToken::new() };
    // The accept loop ends when it is told to; the listener closes with it.
    let mut accepting = tokio::spawn(accepting(ending.clone(), tracker.clone()));
    let failed = tokio::select! {
        ended = &mut accepting => ended.err(),
        () = stop.cancelled() => None,
    };
    // Before the listener closes: whoever is not ready gets no new connections that could fail.
    let stopping = readiness.pending("stopping");
    ending.drain.cancel();
    if !accepting.is_finished() {
        let _ = accepting.await;
    }
    if let Some(error) = failed {
        tracing::error!(%error, "the accept loop has failed; stopping");
        stop.cancel();
    }
    tracing::info!(connections = tracker.len(), "draining");
    tracker.close();
    if tokio::time::timeout(drain_timeout, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "the drain timeout has passed; what is left is cut off");
        ending.now.cancel();
        // HTTP/2 streams are tasks of their own and may take a moment to notice; their records are written then.
        let _ = tokio::time::timeout(CUT_OFF, tracker.wait()).await;
    }
    stopping
}

/// Something that follows from files.
pub(super) trait InForce: Send {
    /// Whether the files look otherwise than the last time. Asked before they are read: what changes in between counts
    /// as changed the next time.
    fn changed(&mut self) -> bool;

    /// Ends when somebody else than a file says something new.
    fn told(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Puts in force what the files say, all of it or nothing; the error says why nothing.
    fn load(&mut self) -> Result<(), String>;

    /// Counts what became of a reload.
    fn count(&self, good: bool);
}

/// Reads again when files change, when `reload` asks, and after a failure: certificate and key may be replaced one after
/// the other. A repeated failure is not told of again.
pub(super) async fn follow(mut what: impl InForce, mut reload: mpsc::Receiver<()>) {
    let mut tick = tokio::time::interval(WATCH_EVERY);
    let (mut asking, mut failed) = (true, false);
    loop {
        let asked = tokio::select! {
            asked = reload.recv(), if asking => {
                asking = asked.is_some();
                asking
            }
            () = what.told() => true,
            _ = tick.tick() => false,
        };
        if !(what.changed() || asked || failed) {
            continue;
        }
        let again = failed && !asked;
        let loaded = what.load();
        if let Err(error) = &loaded
            && !again
        {
            tracing::error!(error, "reload refused; the last good configuration stays in force");
        }
        failed = loaded.is_err();
        if !failed || !again {
            what.count(!failed);
        }
    }
}
