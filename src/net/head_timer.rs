//! The time limit on request heads, for hyper, counted from a head's first byte.
//!
//! hyper starts its own timer as soon as it waits for the next request, so that a connection at rest would be closed
//! after the time that a head may take. At rest, [`IdleTimeout`](super::IdleTimeout) judges.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use super::idle::{IdleTimeout, Traffic};

/// A timer for hyper's HTTP/1 server that watches one stream.
#[derive(Debug, Clone)]
pub struct HeadTimer {
    traffic: Traffic,
}

impl HeadTimer {
    /// Starts to count when bytes arrive on `stream`.
    pub fn of<S>(stream: &IdleTimeout<S>) -> Self {
        Self { traffic: stream.traffic() }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        // hyper asks when it begins to wait for a head.
        let seen = self.traffic.reads();
        Box::pin(HeadSleep { traffic: self.traffic.clone(), seen, duration, running: None })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

struct HeadSleep {
    traffic: Traffic,
    seen: u64,
    duration: Duration,
    running: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    /// hyper polls again whenever the stream was read, so nothing has to wake it before the first byte.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.running.is_none() && self.traffic.reads() != self.seen {
            self.running = Some(Box::pin(tokio::time::sleep(self.duration)));
        }
        match &mut self.running {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
