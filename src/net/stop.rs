//! How the connections of a process end: what is in flight may finish, within a time.

use hyper_util::server::graceful::GracefulConnection;
use tokio_util::sync::CancellationToken;

/// How connections are told to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// No new connections or requests; what is in flight may finish.
    pub drain: CancellationToken,
    /// The time for that is over.
    pub now: CancellationToken,
}

impl Stop {
    /// Serves a connection until it ends. When the process drains, what is in flight may finish, unless the time for
    /// that is over too.
    pub async fn drive<C: GracefulConnection>(&self, connection: C) -> Result<(), C::Error> {
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            () = self.drain.cancelled() => {}
            result = connection.as_mut() => return result,
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            result = connection => result,
            () = self.now.cancelled() => Ok(()),
        }
    }
}
