//! The bridge, in this process, in front of a proxy or of something that plays one.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use s3_access_proxy::app::bridge::{self, Options};
use s3_access_proxy::connect::Timeouts;
use s3_access_proxy::net::LocalAddress;
use s3_access_proxy::tls::ClientFiles;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Leaf, Reply, TRUSTED, Wire, eventually, plain_get, within};

/// A running bridge.
pub(crate) struct Bridge {
    pub(crate) address: LocalAddress,
    pub(crate) admin: SocketAddr,
    /// Where its certificate is.
    pub(crate) folder: TempDir,
    pub(crate) reload: mpsc::Sender<()>,
    pub(crate) stop: CancellationToken,
    running: JoinHandle<()>,
}

/// Writes a client's certificate and key, and whom it trusts.
pub(crate) fn write_client(folder: &Path, leaf: &Leaf) {
    for (name, text) in [("tls.crt", &leaf.pem), ("tls.key", &leaf.key_pem), ("ca.crt", &TRUSTED.pem)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

impl Bridge {
    /// On loopback, as one of the service accounts, to a port where `localhost` has to show a certificate.
    pub(crate) fn start(to: SocketAddr, account: &str) -> Self {
        Self::with(to, account, |_| {})
    }

    pub(crate) fn with(to: SocketAddr, account: &str, change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_client(folder.path(), &TRUSTED.client(account));
        let file = |name: &str| folder.path().join(name);
        let mut options = Options {
            to: format!("localhost:{}", to.port()).parse().unwrap(),
            files: ClientFiles {
                certificate: file("tls.crt"),
                private_key: file("tls.key"),
                ca: file("ca.crt"),
            },
            listen: "127.0.0.1:0".parse().unwrap(),
            admin: Some("127.0.0.1:0".parse().unwrap()),
            max_connections: 16,
            header_timeout: Duration::from_secs(15),
            timeouts: Timeouts { connect: Duration::from_secs(5), idle: Duration::from_secs(90) },
            drain_timeout: Duration::from_secs(30),
        };
        change(&mut options);
        let bound = bridge::build(options).unwrap();
        let (address, admin) = (bound.address().unwrap(), bound.admin_address().unwrap().unwrap());
        let stop = CancellationToken::new();
        let (reload, reloads) = mpsc::channel(1);
        let running = tokio::spawn(bound.run(stop.clone(), reloads));
        Self { address, admin, folder, reload, stop, running }
    }

    pub(crate) fn port(&self) -> SocketAddr {
        match &self.address {
            LocalAddress::Tcp(address) => *address,
            LocalAddress::Unix(path) => panic!("listens on {}", path.display()),
        }
    }

    /// A new connection over loopback.
    pub(crate) async fn client(&self) -> Wire<TcpStream> {
        Wire::new(TcpStream::connect(self.port()).await.unwrap())
    }

    /// A new connection over the UNIX socket.
    pub(crate) async fn local_client(&self) -> Wire<UnixStream> {
        match &self.address {
            LocalAddress::Tcp(address) => panic!("listens on {address}"),
            LocalAddress::Unix(path) => Wire::new(UnixStream::connect(path).await.unwrap()),
        }
    }

    /// Waits until `/readyz` answers with a status.
    pub(crate) async fn readiness(&self, status: u16) -> Reply {
        eventually("another state of /readyz", async || {
            let reply = plain_get(self.admin, "/readyz").await;
            (reply.status == status).then_some(reply)
        })
        .await
    }

    /// The value of one series of `/metrics`; 0 when it is not there.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let reply = plain_get(self.admin, "/metrics").await;
        assert_eq!(reply.status, 200);
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        reply.text().lines().find_map(value).unwrap_or(0.0)
    }

    /// Waits until a series reaches a value.
    pub(crate) async fn metric_reaches(&self, series: &str, value: f64) {
        eventually(&format!("{series} to reach {value}"), async || {
            (self.metric(series).await >= value).then_some(())
        })
        .await;
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn stopped(mut self) {
        within("the end of the drain", &mut self.running).await.unwrap();
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.stop.cancel();
        self.running.abort();
    }
}
