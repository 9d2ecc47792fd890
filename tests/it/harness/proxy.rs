//! The proxy, in this process, with certificates, credentials and a configuration in a folder of its own.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use s3_access_proxy::app;
use s3_access_proxy::config::Config;
use s3_access_proxy::process::FileWatch;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Frames, Http2, KEY_ID, Leaf, Reply, TRUSTED, Wire, connect, eventually, request, tls, within};

/// Only store and proxy know it.
pub(crate) const SECRET: &str = "itest/secret+that=never/appears";

/// Who may do what, unless a test says otherwise. The accounts are those of [`super::Authority::client`].
const GRANTS: &str = r#"
  - { name: everything, identities: ["spiffe://cluster.local/ns/reports/sa/admin"], buckets: ["*"], actions: ["*"] }
  - name: daily-readers
    identities: ["spiffe://cluster.local/ns/reports/sa/reader"]
    buckets: [reports]
    prefixes: ["daily/"]
    actions: [s3:GetObject, s3:ListBucket]
  - name: daily-writers
    identities: ["spiffe://cluster.local/ns/reports/sa/writer"]
    buckets: [reports]
    prefixes: ["daily/"]
    actions: [s3:GetObject, s3:PutObject, s3:DeleteObject, "s3:List*", s3:AbortMultipartUpload]
  - name: lister
    identities: ["spiffe://cluster.local/ns/reports/sa/lister"]
    buckets: ["*"]
    actions: [s3:ListAllMyBuckets]
  - name: lister-reads
    identities: ["spiffe://cluster.local/ns/reports/sa/lister"]
    buckets: [reports]
    prefixes: ["daily/"]
    actions: [s3:GetObject]
"#;

/// What a proxy is started with.
pub(crate) struct Setup {
    /// Where its credentials, certificates and configuration are written.
    pub(crate) folder: TempDir,
    pub(crate) endpoint: String,
    pub(crate) addressing: &'static str,
    pub(crate) grants: String,
    /// Entries of the section `limits`.
    pub(crate) limits: &'static str,
    /// What vouches for the upstream.
    pub(crate) upstream_ca: String,
    /// What vouches for clients.
    pub(crate) client_ca: String,
    /// Entries of the section `tls` in place of files.
    pub(crate) tls: Option<String>,
    /// Further entries of the section `tls`, each behind a comma.
    pub(crate) more_tls: String,
    /// The credentials file; `None` for a file that is not there.
    pub(crate) credentials: Option<String>,
    /// Entries of the section `credentials` in place of that file.
    pub(crate) source: Option<String>,
    /// Further sections.
    pub(crate) more: String,
}

impl Setup {
    pub(crate) fn new(endpoint: impl Into<String>) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            endpoint: endpoint.into(),
            addressing: "auto",
            grants: GRANTS.to_owned(),
            limits: "max_connections: 64",
            upstream_ca: TRUSTED.pem.clone(),
            client_ca: TRUSTED.pem.clone(),
            tls: None,
            more_tls: String::new(),
            credentials: Some(credentials(None)),
            source: None,
            more: String::new(),
        }
    }

    /// With another source of credentials; `{folder}` is the folder of its files.
    pub(crate) fn source(mut self, entries: &str) -> Self {
        self.source = Some(entries.replace("{folder}", &self.folder.path().display().to_string()));
        self
    }

    /// With temporary credentials.
    pub(crate) fn session_token(mut self, token: &str) -> Self {
        self.credentials = Some(credentials(Some(token)));
        self
    }

    pub(crate) fn limits(mut self, limits: &'static str) -> Self {
        self.limits = limits;
        self
    }

    /// Writes every file and returns the configuration's path.
    pub(crate) fn write(&self) -> PathBuf {
        let folder = self.folder.path();
        let server = TRUSTED.server();
        let config = self.yaml();
        for (name, text) in [
            ("server.crt", &server.pem),
            ("server.key", &server.key_pem),
            ("ca.crt", &self.client_ca),
            ("upstream.crt", &self.upstream_ca),
            ("config.yaml", &config),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        if let Some(text) = &self.credentials {
            std::fs::write(folder.join("credentials"), text).unwrap();
        }
        folder.join("config.yaml")
    }

    /// The configuration.
    fn yaml(&self) -> String {
        let folder = self.folder.path().display();
        let Self { endpoint, addressing, grants, limits, more_tls, more, .. } = self;
        let file = format!("source: static_file, file: \"{folder}/credentials\"");
        let source = self.source.as_ref().unwrap_or(&file);
        let files = format!(
            "certificate: \"{folder}/server.crt\", private_key: \"{folder}/server.key\", client_ca: \"{folder}/ca.crt\""
        );
        let tls = self.tls.as_ref().unwrap_or(&files);
        format!(
            r#"listen: 127.0.0.1:0
admin: 127.0.0.1:0
domains: [s3.internal]
tls: {{ {tls}{more_tls} }}
upstream:
  region: us-east-1
  endpoint: "{endpoint}"
  addressing: {addressing}
  ca: "{folder}/upstream.crt"
  allow_plaintext: true
credentials: {{ {source} }}
grants: {grants}
limits: {{ {limits} }}
{more}"#
        )
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(self) -> Proxy {
        let proxy = self.start_unready();
        proxy.readiness(200).await;
        proxy
    }

    /// Starts it.
    pub(crate) fn start_unready(self) -> Proxy {
        self.start_while(|_| {})
    }

    /// Starts it; files change after they have been read and before it serves.
    pub(crate) fn start_while(self, change: impl FnOnce(&Self)) -> Proxy {
        let file = self.write();
        let files = FileWatch::new(vec![file.clone()]);
        let log = Log::default();
        let bound = app::build(Config::load(&file, &[]).unwrap(), log.clone()).unwrap();
        let (address, admin) = (bound.address().unwrap(), bound.admin_address().unwrap());
        change(&self);
        let stop = CancellationToken::new();
        let (reload, reloads) = mpsc::channel(1);
        let reread = Box::new(move || Config::load(&file, &[]));
        let running = tokio::spawn(bound.run(stop.clone(), reloads, reread, files));
        Proxy { address, admin, log, setup: self, reload, stop, running }
    }
}

fn credentials(token: Option<&str>) -> String {
    let mut text = format!("[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n");
    if let Some(token) = token {
        writeln!(text, "aws_session_token = {token}").unwrap();
    }
    text
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) log: Log,
    pub(crate) setup: Setup,
    pub(crate) reload: mpsc::Sender<()>,
    pub(crate) stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Proxy {
    /// A new HTTP/1.1 connection as one of the service accounts.
    pub(crate) async fn client(&self, account: &str) -> Wire {
        let config = tls(Some(&TRUSTED.client(account)), "http/1.1");
        Wire::new(connect(self.address, config).await.unwrap())
    }

    /// A new HTTP/2 connection as one of the service accounts.
    pub(crate) async fn http2(&self, account: &str) -> Http2 {
        Http2::new(connect(self.address, tls(Some(&TRUSTED.client(account)), "h2")).await.unwrap()).await
    }

    /// One that writes its own frames.
    pub(crate) async fn frames(&self, leaf: &Leaf) -> Frames {
        Frames::new(Wire::new(connect(self.address, tls(Some(leaf), "h2")).await.unwrap())).await
    }

    /// One that takes no byte of an answer, over HTTP/2.
    pub(crate) async fn unwilling(&self, account: &str) -> Http2 {
        Http2::unwilling(connect(self.address, tls(Some(&TRUSTED.client(account)), "h2")).await.unwrap())
            .await
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

    /// Waits until the data plane has ended by itself.
    pub(crate) async fn stopped(mut self) {
        within("the end of the drain", &mut self.running).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        self.running.abort();
    }
}

/// A GET over plain HTTP.
pub(crate) async fn plain_get(address: SocketAddr, path: &str) -> Reply {
    let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
    wire.send(request("GET", path, &["Connection: close"], b"")).await;
    wire.answer("GET").await
}

/// The access log, kept in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>, Arc<Mutex<()>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _taken = self.1.lock().unwrap();
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes no line any more until the result is dropped.
    pub(crate) fn hold(&self) -> std::sync::MutexGuard<'_, ()> {
        self.1.lock().unwrap()
    }

    /// Everything so far, as it was written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Every line so far, as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until there are so many lines, and fails if there are more.
    pub(crate) async fn exactly(&self, count: usize) -> Vec<Value> {
        let lines = eventually(&format!("{count} lines in the access log"), async || {
            Some(self.lines()).filter(|lines| lines.len() >= count)
        })
        .await;
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }
}

/// A field of an access-log line as text, `null` included.
pub(crate) fn access(line: &Value, field: &str) -> String {
    let value = line.get(field).unwrap_or_else(|| panic!("no {field} in {line}"));
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
