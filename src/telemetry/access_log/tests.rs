use std::io;
use std::sync::{Condvar, Mutex};

use super::*;

/// An output that takes nothing while it is shut, and fails while it is broken.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    shut: bool,
    broken: bool,
    taken: Vec<u8>,
}

impl Gate {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn lines(&self) -> usize {
        String::from_utf8(self.0.0.lock().unwrap().taken.clone()).unwrap().lines().count()
    }
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.1.wait_while(self.0.0.lock().unwrap(), |state| state.shut).unwrap();
        if state.broken {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line() -> AccessLine<'static> {
    AccessLine {
        time: String::new(),
        identity: "cn:x",
        identities: None,
        operation: None,
        bucket: None,
        key: None,
        status: 200,
        error_code: None,
        bytes_in: 0,
        bytes_out: 0,
        duration_ms: 0.0,
        upstream_ms: None,
        request_id: "-",
        upstream_request_id: None,
        grant: None,
        accesses: None,
        accesses_omitted: None,
    }
}

/// Records until there is no room; how many that were.
async fn fill(log: &AccessLog) -> usize {
    let mut count = 0;
    loop {
        match log.place().await {
            Ok(place) => place.record(&line()),
            Err(why) => {
                assert_eq!(why, Unrecordable::Stuck);
                return count;
            }
        }
        count += 1;
        assert!(count < 1000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_costs_requests_and_no_line() {
    let gate = Gate::default();
    gate.set(|state| state.shut = true);
    let (log, writer) = AccessLog::with_limit(gate.clone(), 10, 20_000).unwrap();
    let open = log.place().await.unwrap();
    let before = fill(&log).await;
    assert!(log.stuckness().becomes(true).await);
    let asked = tokio::time::Instant::now();
    assert_eq!(log.place().await.unwrap_err(), Unrecordable::Stuck);
    assert!(asked.elapsed() < PATIENCE, "nobody waits once it is known");
    // Who had a place before hands in its line all the same.
    open.record(&line());

    gate.set(|state| state.shut = false);
    assert!(log.stuckness().becomes(false).await);
    log.place().await.unwrap().record(&line());
    drop(log);
    writer.join_within(Duration::from_secs(10));
    assert_eq!(gate.lines(), before + 2);
}

#[tokio::test]
async fn a_line_that_cannot_be_written_is_written_later() {
    let gate = Gate::default();
    gate.set(|state| state.broken = true);
    let (log, writer) = AccessLog::with_limit(gate.clone(), 10, 20_000).unwrap();
    log.place().await.unwrap().record(&line());
    assert!(log.stuckness().becomes(true).await);
    assert_eq!(log.place().await.unwrap_err(), Unrecordable::Stuck);
    gate.set(|state| state.broken = false);
    assert!(log.stuckness().becomes(false).await);
    log.place().await.unwrap().record(&line());
    drop(log);
    writer.join_within(Duration::from_secs(10));
    assert_eq!(gate.lines(), 2);
}

#[tokio::test]
async fn places_are_for_open_requests_only() {
    let (log, _writer) = AccessLog::start(io::sink(), 2).unwrap();
    let (first, _second) = (log.place().await.unwrap(), log.place().await.unwrap());
    assert_eq!(log.place().await.unwrap_err(), Unrecordable::TooMany);
    first.record(&line());
    assert!(log.place().await.is_ok());
}
