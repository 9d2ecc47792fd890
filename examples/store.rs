//! An S3 store over a directory, to put the proxy in front of without AWS:
//!
//! ```text
//! AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… cargo run --example store -- --root DIR
//! ```
//!
//! It prints the address on which it listens and serves until SIGTERM or Ctrl-C. A directory inside DIR is a bucket.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::store::Store;

#[path = "support/store.rs"]
mod store;

/// Serves a directory as an S3 store on loopback, verifying every signature.
#[derive(Debug, Parser)]
struct Arguments {
    /// The directory; each directory inside it is a bucket.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// The port on 127.0.0.1; a free one when omitted or 0.
    #[arg(long)]
    port: Option<u16>,
    /// The certificate chain (PEM); without it the store speaks plain HTTP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let key_id = std::env::var("AWS_ACCESS_KEY_ID").context("AWS_ACCESS_KEY_ID")?;
    let secret = std::env::var("AWS_SECRET_ACCESS_KEY").context("AWS_SECRET_ACCESS_KEY")?;
    let tls = arguments.tls_cert.as_deref().zip(arguments.tls_key.as_deref());

    let mut terminated = signal(SignalKind::terminate())?;
    let store = match arguments.port {
        None => Store::start(&arguments.root, &key_id, &secret, tls).await?,
        Some(port) => Store::start_at(port, &arguments.root, &key_id, &secret, tls).await?,
    };
    println!("listening on {}", store.addr);

    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
