//! How a client's connection ends before the client wants it to: the process drains, or the client is trusted no longer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use hyper_util::server::graceful::GracefulConnection;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use crate::net::Stop;
use crate::s3::{ErrorCode, Refusal};
use crate::tls::ServerTls;

/// Why a connection takes no requests any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dismissal {
    /// The process stops.
    Draining,
    /// The client's certificate has expired, is revoked, or its authority has gone.
    Untrusted,
    /// The connection is old, and the client did not heed it when it was told.
    Old,
}

impl Dismissal {
    /// What the client is told.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Draining => Refusal::new(
                ErrorCode::ServiceUnavailable,
                "The proxy is shutting down. Please retry on another connection.",
            ),
            Self::Old => Refusal::new(
                ErrorCode::ServiceUnavailable,
                "This connection is old. Please retry on another connection.",
            ),
            Self::Untrusted => Refusal::new(
                ErrorCode::AccessDenied,
                "Your certificate is no longer accepted. Ask an administrator for a new one.",
            ),
        }
    }
}

/// What may end a connection, and what happens then.
///
/// hyper is asked to close it in good order, but over HTTP/2 that waits for the client's word, and a body may take
/// as long as its sender likes; over HTTP/1.1 it would close a connection at rest under a request that is on its way.
/// So there is a last call first where nobody is to blame. Then every further request is refused from now on, what is
/// in flight may finish, and when the time for that is over the connection is dropped.
pub(super) struct Ending {
    events: Events,
    now: CancellationToken,
    client: Arc<Client>,
    grace: Duration,
    http2: bool,
}

/// What an event means for the connection.
pub(super) enum Turn {
    /// It goes on.
    Stay,
    /// It goes on, and is asked to close in good order. Over HTTP/1.1 the next answer says so.
    Tell,
    /// It may finish what is in flight.
    Finish,
    /// It ends.
    Now,
}

impl Ending {
    /// `grace` is for what is in flight at the end; the connection is old after `age`, if ever.
    pub(super) fn new(
        stop: Stop,
        trust: Trust,
        client: Arc<Client>,
        grace: Duration,
        age: Option<Duration>,
        http2: bool,
    ) -> Self {
        let now = stop.now.clone();
        Self { events: events(stop, trust, age, grace), now, client, grace, http2 }
    }

    /// Serves a connection until it ends.
    pub(super) async fn drive<C: GracefulConnection>(
        mut self,
        mut connection: Pin<Box<C>>,
    ) -> Result<(), C::Error> {
        loop {
            let turn = tokio::select! {
                biased;
                turn = self.turn() => turn,
                result = connection.as_mut() => return result,
            };
            match turn {
                Turn::Stay => {}
                Turn::Tell => connection.as_mut().graceful_shutdown(),
                Turn::Finish => return self.finish(connection).await,
                Turn::Now => return Ok(()),
            }
        }
    }

    /// Lets what is in flight finish, for as long as it may take.
    pub(super) async fn finish<C: GracefulConnection>(
        self,
        mut connection: Pin<Box<C>>,
    ) -> Result<(), C::Error> {
        connection.as_mut().graceful_shutdown();
        self.in_time(connection).await.unwrap_or(Ok(()))
    }

    /// The same for whatever else ends a connection.
    pub(super) async fn in_time<T>(self, last: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = last => Some(result),
            () = self.now.cancelled() => None,
            () = tokio::time::sleep(self.grace) => None,
        }
    }

    /// The next thing that happens beside the requests. Nothing is lost when it is dropped before.
    pub(super) async fn turn(&mut self) -> Turn {
        let Some(event) = self.events.next().await else { return std::future::pending().await };
        let tell = if self.http2 { Turn::Tell } else { Turn::Stay };
        match event {
            Event::Draining => {
                self.client.retire();
                self.events.push(Box::pin(after(LAST_CALL.min(self.grace / 2), Event::LastCall)));
                tell
            }
            Event::LastCall => {
                self.client.dismiss(Dismissal::Draining);
                Turn::Finish
            }
            Event::Now => Turn::Now,
            Event::Lost(why) => {
                tracing::info!(client = %self.client.label(), why, "a connection ends");
                self.client.dismiss(Dismissal::Untrusted);
                Turn::Finish
            }
            Event::Old if !self.client.is_retiring() => {
                self.client.retire();
                tell
            }
            // What is in flight goes on for as long as it takes.
            Event::TooOld if self.http2 && self.client.is_welcome().is_ok() => {
                self.client.dismiss(Dismissal::Old);
                Turn::Stay
            }
            Event::Old | Event::TooOld => Turn::Stay,
        }
    }
}

/// When the process stops, for requests that were on their way before the client heard of it: those that come in this
/// time are served, and the answer says that it is the last one.
pub(super) const LAST_CALL: Duration = Duration::from_secs(1);

/// What happens to a connection beside its requests.
enum Event {
    /// The process is asked to stop.
    Draining,
    /// What was on its way then has come.
    LastCall,
    /// The process stops.
    Now,
    /// The client is no longer trusted.
    Lost(&'static str),
    /// The connection is old.
    Old,
    /// And the client has had time to take another one.
    TooOld,
}

/// Each is looked at only when it was woken itself: a connection is polled several times for every request.
type Events = FuturesUnordered<Pin<Box<dyn Future<Output = Event> + Send>>>;

fn events(stop: Stop, trust: Trust, age: Option<Duration>, grace: Duration) -> Events {
    let events = Events::new();
    events.push(Box::pin(stop.drain.cancelled_owned().map(|()| Event::Draining)));
    events.push(Box::pin(stop.now.cancelled_owned().map(|()| Event::Now)));
    events.push(Box::pin(trust.lost().map(Event::Lost)));
    if let Some(age) = age {
        events.push(Box::pin(after(age, Event::Old)));
        events.push(Box::pin(after(age + grace, Event::TooOld)));
    }
    events
}

async fn after(span: Duration, event: Event) -> Event {
    tokio::time::sleep(span).await;
    event
}

/// The age at which one connection is old: those that were made together do not all end together.
pub(super) fn jittered(age: Duration) -> Duration {
    age.mul_f64(rand::random_range(0.9..1.1))
}

/// Why a connected client is who it says.
pub(super) struct Trust {
    chain: Vec<CertificateDer<'static>>,
    not_after: SystemTime,
    tls: watch::Receiver<Arc<ServerTls>>,
}

impl Trust {
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        not_after: SystemTime,
        tls: watch::Receiver<Arc<ServerTls>>,
    ) -> Self {
        Self { chain, not_after, tls }
    }

    /// Until the certificate is out of date, or is refused by roots or revocation lists: because others have come into
    /// force, or because a list or an intermediate has expired.
    async fn lost(mut self) -> &'static str {
        let left = self.not_after.duration_since(SystemTime::now()).unwrap_or_default();
        let expired = tokio::time::sleep(left);
        let refused = async {
            loop {
                let lists_until = self.tls.borrow().lists_until;
                let judged_again = tokio::time::sleep(until_judged(lists_until));
                tokio::select! {
                    changed = self.tls.changed() => if changed.is_err() { break },
                    () = judged_again => {}
                }
                if !self.tls.borrow_and_update().still_trusts(&self.chain) {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = expired => "the client's certificate has expired",
            () = refused => "the client's certificate is no longer accepted",
        }
    }
}

/// What expires without a file that changes, an intermediate's certificate for example, is noticed within this time.
const JUDGE_EVERY: Duration = Duration::from_mins(1);

/// Until the lists expire, if that is sooner. What has expired already was judged then.
fn until_judged(lists_until: Option<SystemTime>) -> Duration {
    let left = lists_until.and_then(|until| until.duration_since(SystemTime::now()).ok());
    // They are still good in their last second.
    left.map_or(JUDGE_EVERY, |left| JUDGE_EVERY.min(left + Duration::from_secs(1)))
}
