//! Everything on one machine, without AWS: `cargo run --release --example quickstart`.
//!
//! Makes development certificates, starts an S3 store that verifies signatures and the proxy in front of it, does a
//! put, a get and a refused put with real certificates, prints lines to paste, and stays up until Ctrl-C. With
//! `--once` it ends after its own check.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use s3_access_proxy::app;
use s3_access_proxy::config::Config;
use s3_access_proxy::process::FileWatch;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::store::Store;

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/client.rs"]
mod client;
#[path = "support/store.rs"]
mod store;

const WRITER: &str = "spiffe://cluster.local/ns/reports/sa/writer";
const READER: &str = "spiffe://cluster.local/ns/reports/sa/reader";
/// The store's keys. Only store and proxy know them; clients need none.
const KEY_ID: &str = "QUICKSTARTKEYID";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let once = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--once") => true,
        Some(other) => bail!("unknown argument '{other}'; there is only --once"),
    };
    s3_access_proxy::telemetry::start_log(s3_access_proxy::telemetry::LogFormat::Text, false);
    let folder = folder()?;
    certificates::write(&folder, &[("writer", WRITER), ("reader", READER)])?;
    println!("certificates    {}", folder.display());

    let secret = format!("{:032x}", rand::random::<u128>());
    let bucket = folder.join("store/reports");
    std::fs::create_dir_all(&bucket)?;
    let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
    let store = Store::start(&folder.join("store"), KEY_ID, &secret, Some((&certificate, &key))).await?;
    println!(
        "store           https://localhost:{}   (verifies SigV4, one bucket: reports)",
        store.addr.port()
    );

    let config = configure(&folder, store.addr.port(), &secret)?;
    let log = std::fs::File::create(folder.join("access.jsonl"))?;
    let proxy = app::build(config, log)?;
    let (address, admin) = (proxy.address()?, proxy.admin_address()?);
    let stop = CancellationToken::new();
    let (_reload, reloads) = mpsc::channel(1);
    let file = folder.join("config.yaml");
    let files = FileWatch::new(vec![file.clone()]);
    let reread = Box::new(move || Config::load(&file, &[]));
    let running = tokio::spawn(proxy.run(stop.clone(), reloads, reread, files));
    println!(
        "proxy           https://localhost:{}   (mTLS; metrics: http://{admin}/metrics)\n",
        address.port()
    );

    let writer = Client::new(address, &folder, "writer")?;
    let reader = Client::new(address, &folder, "reader")?;
    check(&writer, &reader, &bucket).await?;
    if !once {
        let tunnel = writer.tunnel().await?.port();
        explain(&folder, address.port(), tunnel);
        tokio::signal::ctrl_c().await?;
    }
    stop.cancel();
    running.await?;
    println!("done; the access log is in {}", folder.join("access.jsonl").display());
    Ok(())
}

/// Below `target`, so that `cargo clean` removes it and nothing of it is ever committed.
fn folder() -> anyhow::Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let folder = target.join("quickstart");
    std::fs::create_dir_all(&folder)?;
    folder.canonicalize().context("the quickstart's folder")
}

fn configure(folder: &Path, store: u16, secret: &str) -> anyhow::Result<Config> {
    let credentials = format!("[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {secret}\n");
    std::fs::write(folder.join("credentials"), credentials)?;
    let yaml = format!(
        r#"listen: 127.0.0.1:0
admin: 127.0.0.1:0
domains: [s3.internal]
tls: {{ certificate: "{0}/server.crt", private_key: "{0}/server.key", client_ca: "{0}/ca.crt" }}
upstream: {{ region: us-east-1, endpoint: "https://localhost:{store}", ca: "{0}/ca.crt" }}
credentials: {{ source: static_file, file: "{0}/credentials" }}
grants:
  - name: writers
    identities: ["{WRITER}"]
    buckets: [reports]
    actions: ["s3:*"]
  - name: readers
    identities: ["{READER}"]
    buckets: [reports]
    prefixes: ["daily/"]
    actions: [s3:GetObject, s3:ListBucket]
"#,
        folder.display()
    );
    let file = folder.join("config.yaml");
    std::fs::write(&file, yaml)?;
    Ok(Config::load(&file, &[])?)
}

/// A put, a get and a refused put; what is stored is compared at the store.
async fn check(writer: &Client, reader: &Client, bucket: &Path) -> anyhow::Result<()> {
    let (path, text) = ("/reports/daily/hello%20world.txt", "hello from a client without AWS keys\n");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let put = loop {
        let answer = writer.send("PUT", path, text).await?;
        // The proxy answers 503 until its credentials are loaded, as readiness says.
        if answer.status() != http::StatusCode::SERVICE_UNAVAILABLE || tokio::time::Instant::now() > deadline
        {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    println!("PUT {path} as writer  ->  {}", put.status());
    ensure!(put.status() == http::StatusCode::OK, "the put failed: {}", put.body());
    let stored = std::fs::read_to_string(bucket.join("daily/hello world.txt"))?;
    ensure!(stored == text, "the store holds something else");

    let get = reader.send("GET", path, "").await?;
    println!("GET {path} as reader  ->  {}  {:?}", get.status(), get.body());
    ensure!(get.status() == http::StatusCode::OK && get.body() == text, "the get failed");

    let refused = reader.send("PUT", path, "overwritten").await?;
    println!("PUT {path} as reader  ->  {}\n  {}\n", refused.status(), refused.body().replace('\n', " "));
    ensure!(refused.status() == http::StatusCode::FORBIDDEN, "the reader must not write");
    ensure!(std::fs::read_to_string(bucket.join("daily/hello world.txt"))? == text, "the object was changed");
    Ok(())
}

fn explain(folder: &Path, port: u16, tunnel: u16) {
    let folder = folder.display();
    println!(
        r#"Try it, in another terminal.

curl, as reader (allowed) and as reader again (refused):
  curl --cacert {folder}/ca.crt --cert {folder}/reader.crt --key {folder}/reader.key 'https://localhost:{port}/reports/daily/hello%20world.txt'
  curl --cacert {folder}/ca.crt --cert {folder}/reader.crt --key {folder}/reader.key 'https://localhost:{port}/reports/secret.txt'

boto3, as writer (any keys will do; the certificate is what counts):
  python3 -c "
import boto3
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url='https://localhost:{port}', region_name='us-east-1', verify='{folder}/ca.crt',
    aws_access_key_id='any', aws_secret_access_key='any',
    config=Config(client_cert=('{folder}/writer.crt', '{folder}/writer.key')))
s3.put_object(Bucket='reports', Key='daily/from-boto3', Body=b'hello')
print([o['Key'] for o in s3.list_objects_v2(Bucket='reports', Prefix='daily/')['Contents']])"

AWS CLI, as writer. It cannot present a certificate (aws-cli#5875), so this program keeps a tunnel on loopback that does:
  AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1 aws --endpoint-url http://127.0.0.1:{tunnel} s3 cp {folder}/config.yaml s3://reports/daily/config.yaml
  AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1 aws --endpoint-url http://127.0.0.1:{tunnel} s3 ls s3://reports/daily/

The configuration is {folder}/config.yaml (edit its grants: they are in force within seconds).
The access log is   {folder}/access.jsonl

Ctrl-C ends everything."#
    );
}
