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

/// What ends a connection.
pub(super) struct Ending {
    pub(super) stop: Stop,
    pub(super) trust: Trust,
    pub(super) client: Arc<Client>,
    /// For what is in flight then.
    pub(super) grace: Duration,
    /// When the connection is old, if ever.
    pub(super) age: Option<Duration>,
    /// Whether the connection can be told so at any time; else the next answer does.
    pub(super) http2: bool,
}

impl Ending {
    /// Serves a connection until it ends.
    ///
    /// hyper is asked to close it in good order, but over HTTP/2 that waits for the client's word, and a body may take
    /// as long as its sender likes; over HTTP/1.1 it would close a connection at rest under a request that is on its way.
    /// So there is a last call first where nobody is to blame. Then every further request is refused from now on, what is in flight may finish, and
    /// when the time for that is over the connection is dropped.
    pub(super) async fn drive<C: GracefulConnection>(
        self,
        mut connection: Pin<Box<C>>,
    ) -> Result<(), C::Error> {
        let now = self.stop.now.clone();
        let Self { stop, trust, client, grace, age, http2 } = self;
        let mut events = events(stop, trust, age, grace);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.next() => match event {
                    Event::Draining => {
                        client.retire();
                        if http2 {
                            connection.as_mut().graceful_shutdown();
                        }
                        events.push(Box::pin(after(LAST_CALL.min(grace / 2), Event::LastCall)));
                        continue;
                    }
                    Event::LastCall => client.dismiss(Dismissal::Draining),
                    Event::Now => return Ok(()),
                    Event::Lost(why) => {
                        tracing::info!(client = %client.label(), why, "a connection ends");
                        client.dismiss(Dismissal::Untrusted);
                    }
                    Event::Old => {
                        if !client.is_retiring() {
                            client.retire();
                            if http2 {
                                connection.as_mut().graceful_shutdown();
                            }
                        }
                        continue;
                    }
                    // What is in flight goes on for as long as it takes.
                    Event::TooOld => {
                        if http2 && client.is_welcome().is_ok() {
                            client.dismiss(Dismissal::Old);
                        }
                        continue;
                    }
                },
                result = connection.as_mut() => return result,
            }
            break;
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            result = connection => result,
            () = now.cancelled() => Ok(()),
            () = tokio::time::sleep(grace) => Ok(()),
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
