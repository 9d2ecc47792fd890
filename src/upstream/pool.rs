//! Connections that rest, by the host that they lead to.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::Authority;
use http_body::Body;
use tokio::sync::oneshot;

use super::line::Line;

/// Connections that rest.
pub(super) struct Pool<B: Body<Data = Bytes> + 'static> {
    /// How long a connection may rest.
    rest: Duration,
    inner: Mutex<Inner<B>>,
}

struct Inner<B: Body<Data = Bytes> + 'static> {
    hosts: HashMap<Authority, Host<B>>,
    /// Whether somebody looks after those that have rested for too long.
    watched: bool,
}

struct Host<B: Body<Data = Bytes> + 'static> {
    /// The one that came last is taken first: what a busy hour needed beyond that can go.
    resting: Vec<(Line<B>, Instant)>,
    /// Requests that open a connection of their own, and take another that is free before.
    waiting: VecDeque<oneshot::Sender<Line<B>>>,
}

impl<B: Body<Data = Bytes> + 'static> Default for Host<B> {
    fn default() -> Self {
        Self { resting: Vec::new(), waiting: VecDeque::new() }
    }
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(rest: Duration) -> Arc<Self> {
        Arc::new(Self { rest, inner: Mutex::new(Inner { hosts: HashMap::new(), watched: false }) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner<B>> {
        // Connections are moved in and out whole: a panic in between leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that has not rested for too long, or else the next one that becomes free. Whether it still lives is
    /// for the caller to find out.
    pub(super) fn take(&self, host: &Authority) -> Result<Line<B>, oneshot::Receiver<Line<B>>> {
        let mut inner = self.lock();
        let host = inner.hosts.entry(host.clone()).or_default();
        // If the last has rested for too long, so have the others: they are closed by who looks after them.
        if host.resting.last().is_some_and(|(_, since)| since.elapsed() < self.rest)
            && let Some((line, _)) = host.resting.pop()
        {
            return Ok(line);
        }
        let (sender, receiver) = oneshot::channel();
        while host.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            host.waiting.pop_front();
        }
        host.waiting.push_back(sender);
        Err(receiver)
    }

    /// Takes a connection that is ready for another request.
    pub(super) fn put(self: &Arc<Self>, mut line: Line<B>) {
        line.pool();
        let mut inner = self.lock();
        let host = inner.hosts.entry(line.host().clone()).or_default();
        while let Some(waiter) = host.waiting.pop_front() {
            match waiter.send(line) {
                Ok(()) => return,
                Err(unwanted) => line = unwanted,
            }
        }
        host.resting.push((line, Instant::now()));
        let watched = std::mem::replace(&mut inner.watched, true);
        drop(inner);
        if !watched {
            tokio::spawn(look_after(Arc::downgrade(self), self.rest));
        }
    }

    /// Those that have rested for too long; and whether any are left to look after.
    fn stale(&self) -> (Vec<Line<B>>, bool) {
        let mut inner = self.lock();
        let mut stale = Vec::new();
        inner.hosts.retain(|_, host| {
            let fresh = host.resting.partition_point(|(_, since)| since.elapsed() >= self.rest);
            stale.extend(host.resting.drain(..fresh).map(|(line, _)| line));
            host.waiting.retain(|waiter| !waiter.is_closed());
            !host.resting.is_empty() || !host.waiting.is_empty()
        });
        inner.watched = inner.hosts.values().any(|host| !host.resting.is_empty());
        (stale, inner.watched)
    }
}

/// Closes what has rested for too long, for as long as there is anything.
async fn look_after<B>(pool: Weak<Pool<B>>, rest: Duration)
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        tokio::time::sleep(rest).await;
        let Some((stale, more)) = pool.upgrade().map(|pool| pool.stale()) else { return };
        for line in stale {
            tokio::spawn(line.close());
        }
        if !more {
            return;
        }
    }
}
