//! HTTP/1.1 connections, and what they keep while they rest.
//!
//! A client's pool holds many connections that carry nothing for minutes. hyper keeps two buffers of 8 KiB for each and
//! its own state, most of what such a connection costs. So it is taken apart when it has rested for a while, and put
//! together again when the client says something.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, Parts};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use prometheus::IntGauge;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt};

use super::ending::{Ending, Turn};
use crate::net::{HeadWatch, IdleTimeout, Traffic};
use crate::telemetry::Counted;

/// Twice this long without a byte is rest: long enough that the work of it is nothing beside the pause.
const LOOK: Duration = Duration::from_secs(1);

/// Requests that are not answered to the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Open(Arc<AtomicUsize>);

/// One of them.
#[derive(Debug)]
pub(super) struct Opened(Arc<AtomicUsize>);

impl Open {
    /// One more, until what is returned is dropped.
    pub(super) fn begin(&self) -> Opened {
        self.0.fetch_add(1, Ordering::Relaxed);
        Opened(self.0.clone())
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells whether a connection rests.
pub(super) struct Rest {
    pub(super) open: Open,
    pub(super) heads: HeadWatch,
    pub(super) traffic: Traffic,
    /// Where connections at rest are counted.
    pub(super) resting: IntGauge,
}

impl Rest {
    /// Waits until hyper holds nothing of the connection that would be missed: no request and no part of one, and
    /// nothing that the client has yet to take.
    async fn begins(&self) {
        let mut seen = self.traffic.reads();
        loop {
            tokio::time::sleep(LOOK).await;
            let reads = self.traffic.reads();
            let quiet = std::mem::replace(&mut seen, reads) == reads;
            if quiet && !self.open.any() && self.traffic.is_flushed() && self.heads.is_between_requests() {
                return;
            }
        }
    }
}

/// Serves a connection until it ends.
pub(super) async fn serve<S, V>(
    builder: &Builder,
    mut stream: IdleTimeout<S>,
    mut service: V,
    rest: Rest,
    mut ending: Ending,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncBufRead + AsyncWrite + Unpin + Send + 'static,
    V: HttpService<Incoming> + Unpin,
    V::Future: Unpin,
    V::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    V::ResBody: Body + 'static,
    <V::ResBody as Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let mut connection = Box::pin(builder.serve_connection(TokioIo::new(stream), service));
        {
            let mut rests = Box::pin(rest.begins());
            loop {
                let turn = tokio::select! {
                    biased;
                    turn = ending.turn() => turn,
                    result = connection.as_mut() => return result,
                    () = &mut rests => break,
                };
                match turn {
                    Turn::Stay | Turn::Tell => {}
                    Turn::Finish => return ending.finish(connection).await,
                    Turn::Now => return Ok(()),
                }
            }
        }
        // The buffer that is left is empty, and goes too.
        let Parts { io, service: again, .. } = Pin::into_inner(connection).into_parts();
        (stream, service) = (io.into_inner(), again);
        let _resting = Counted::new(&rest.resting);
        loop {
            let turn = tokio::select! {
                biased;
                turn = ending.turn() => turn,
                // Whatever it is, hyper reads it.
                readable = stream.readable() => match readable {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::debug!(%error, "a connection ended at rest");
                        Turn::Finish
                    }
                },
            };
            match turn {
                Turn::Stay | Turn::Tell => {}
                Turn::Finish => {
                    // Nobody is left to be told of a failure.
                    let _ = ending.in_time(stream.shutdown()).await;
                    return Ok(());
                }
                Turn::Now => return Ok(()),
            }
        }
    }
}
