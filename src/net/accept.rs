//! Accepts connections up to a bound. What comes beyond it is closed at once, so that a client can try elsewhere
//! instead of waiting in a queue that it cannot see.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Where connections come from.
pub trait Listen: Sync {
    /// One connection.
    type Stream: Send;

    /// The next one, ready to be used.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    /// Without Nagle's delay.
    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = TcpListener::accept(self).await?;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set; the connection is probably gone");
        }
        Ok(stream)
    }
}

/// A bound listener with its limit.
#[derive(Debug)]
pub struct Accepting<L = TcpListener> {
    listener: L,
    permits: Arc<Semaphore>,
}

/// A connection beyond the limit, already closed.
#[derive(Debug)]
pub struct Refused;

impl<L: Listen> Accepting<L> {
    /// At most `limit` connections at a time.
    pub fn new(listener: L, limit: usize) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))) }
    }

    /// The next connection, and the permit that it holds while it lives.
    pub async fn next(&self) -> Result<(L::Stream, OwnedSemaphorePermit), Refused> {
        let stream = loop {
            match self.listener.accept().await {
                Ok(stream) => break stream,
                Err(error) => pause_after(&error).await,
            }
        };
        let Ok(permit) = self.permits.clone().try_acquire_owned() else { return Err(Refused) };
        Ok((stream, permit))
    }
}

/// A connection that died in the queue concerns nobody; running out of descriptors passes, but not at once.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "connections cannot be accepted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_does_not_wait_for_nagle() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = Accepting::new(listener, 1);
        let (_client, accepted) = tokio::join!(TcpStream::connect(address), accepting.next());
        assert!(accepted.unwrap().0.nodelay().unwrap());
    }
}
