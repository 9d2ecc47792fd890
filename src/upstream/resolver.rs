//! Name look-up that spreads connections over every address.
//!
//! S3's names have many short-lived addresses. A client that keeps to the first one it was told overloads it and
//! stays there when it goes (aws-sdk-go-v2#2331, databend#20475): each new connection looks the name up again and
//! tries the addresses in an order of its own; the connector goes on to the next when one does not answer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use rand::seq::SliceRandom;
use tower::Service;

/// A name without an address, or nobody to ask for it.
#[derive(Debug, thiserror::Error)]
#[error("{name} has no address")]
pub(super) struct LookupError {
    name: String,
    source: Option<io::Error>,
}

/// What names stand for.
#[derive(Debug, Clone)]
pub(super) enum Names {
    /// What the system says.
    System,
    /// What a test says.
    #[cfg(test)]
    Told(std::sync::Arc<std::sync::Mutex<Vec<SocketAddr>>>),
}

impl Names {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(tokio::net::lookup_host((name, 0)).await?.collect()),
            #[cfg(test)]
            Self::Told(addresses) => {
                Ok(addresses.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone())
            }
        }
    }
}

/// Looks a name up, and shuffles what it stands for.
#[derive(Debug, Clone)]
pub(super) struct ShuffledResolver(pub(super) Names);

impl Service<Name> for ShuffledResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = LookupError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, LookupError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LookupError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let names = self.0.clone();
        Box::pin(async move {
            let failed = |source| LookupError { name: name.as_str().to_owned(), source };
            let found = names.look_up(name.as_str()).await;
            let mut addresses = found.map_err(|error| failed(Some(error)))?;
            if addresses.is_empty() {
                return Err(failed(None));
            }
            addresses.shuffle(&mut rand::rng());
            Ok(addresses.into_iter())
        })
    }
}
