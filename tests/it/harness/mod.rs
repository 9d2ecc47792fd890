//! What the tests share. Everything ends when it is dropped, and whatever waits does so with a deadline.

mod agent;
mod api_server;
pub(crate) mod aws_chunked;
mod bridge;
pub(crate) mod frames;
mod http2;
mod pki;
mod proxy;
mod service;
mod sigv4;
#[path = "../../../examples/support/store.rs"]
mod store;
mod sts;
pub(crate) mod table;
mod upstream;
mod wire;
#[cfg(feature = "spiffe")]
pub(crate) mod workload;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

pub(crate) use agent::{FakeAgent, credentials as pod_credentials};
pub(crate) use api_server::{ApiServer, MUTATING, SECRET as WEBHOOK_SECRET, VALIDATING};
pub(crate) use bridge::{Bridge, write_client};
pub(crate) use frames::Frames;
pub(crate) use http2::{Http2, collect};
pub(crate) use pki::{Authority, FOREIGN, Leaf, TRUSTED, dns, spiffe, uri};
pub(crate) use proxy::{Proxy, SECRET, Setup, access, plain_get};
#[cfg(feature = "otlp")]
pub(crate) use service::Service;
pub(crate) use sigv4::verify;
pub(crate) use store::Store;
pub(crate) use sts::{Asked, FakeSts, HOUR, Says};
pub(crate) use upstream::{Seen, Step, Upstream, answer};
pub(crate) use wire::{Reply, Wire, chunked, connect, error_code, head, request, tls};

/// Long enough for a loaded machine; a test that works never waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("waited for {PATIENCE:?} in vain: {what}"))
}

/// Looks again and again until there is something to see.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// Whether something comes true within a second or two.
pub(crate) async fn soon(mut look: impl AsyncFnMut() -> bool) -> bool {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), looking).await.is_ok()
}

/// Lets every other task of this thread run until all of them wait: what was written has been read.
pub(crate) async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// The access keys with which the store verifies.
pub(crate) const KEY_ID: &str = "ITESTKEYID";

/// A store that verifies signatures, over TLS, with one bucket `reports` below `folder`.
pub(crate) async fn store(folder: &Path) -> Store {
    let server = TRUSTED.server();
    let (certificate, key) = (folder.join("store.crt"), folder.join("store.key"));
    std::fs::write(&certificate, &server.pem).unwrap();
    std::fs::write(&key, &server.key_pem).unwrap();
    std::fs::create_dir_all(folder.join("store/reports")).unwrap();
    Store::start(&folder.join("store"), KEY_ID, SECRET, Some((&certificate, &key))).await.unwrap()
}
