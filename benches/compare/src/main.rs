//! What `run.py` starts beside the proxies that it compares: certificates, a stand-in for S3, the least that a relay can
//! be, and the loads. Each is a subcommand; a program that listens prints its address and serves until it is killed.

mod certificates;
mod cpu;
mod exchange;
mod floor;
mod http2;
mod load;
mod stub;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

#[derive(Debug, Parser)]
enum Command {
    /// Write a CA, a server's certificate, and `client-N` for so many clients.
    Certificates { folder: PathBuf, clients: usize },
    /// A stand-in for S3: a GET answers with as many bytes as the last part of its path says, a PUT takes everything.
    Stub { folder: PathBuf },
    /// A bare relay: mTLS in, TLS out, nothing in between.
    Floor { folder: PathBuf, upstream: SocketAddr },
    /// Put a load on an address, and print what came of it as JSON.
    Load(load::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Certificates { folder, clients } => Ok(certificates::write_all(&folder, clients)?),
        Command::Stub { folder } => stub::serve(&folder).await,
        Command::Floor { folder, upstream } => floor::serve(&folder, upstream).await,
        Command::Load(arguments) => load::run(arguments).await,
    }
}
