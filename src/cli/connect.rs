//! `proxy connect`: its arguments, and the bridge that they ask for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rustls::pki_types::ServerName;

use super::{BAD_USAGE, WORLD_FAILED, while_obeying};
use crate::app::bridge::{self, Options, StartError};
use crate::connect::{Destination, Timeouts};
use crate::net::LocalAddress;
use crate::process::Signals;
use crate::tls::ClientFiles;

/// The example in its help.
pub(super) const EXAMPLE: &str = "\
Example:
  proxy connect --to proxy.example:8443 --cert tls.crt --key tls.key --ca ca.crt
  AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000 aws s3 ls s3://bucket

Whoever reaches the listening address acts with this certificate's identity.";

/// What `proxy connect` is told.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The proxy.
    #[arg(long, value_name = "HOST:PORT")]
    to: Destination,
    /// The client certificate chain to show it, PEM.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The roots of the proxy's certificate, PEM; nothing else is trusted.
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Where clients connect: an address of loopback, or unix:PATH for this user's processes alone.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: LocalAddress,
    /// The name in the proxy's certificate, where it is not the host of --to.
    #[arg(long, value_name = "NAME", value_parser = server_name)]
    server_name: Option<ServerName<'static>>,
    /// Plain HTTP for /livez, /readyz and /metrics; none without it.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Clients' connections at a time; further ones are closed at once.
    #[arg(long, value_name = "NUMBER", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// From the first byte of a request head to its last.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time_span)]
    header_timeout: Duration,
    /// For look-up, TCP and TLS with the proxy.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time_span)]
    connect_timeout: Duration,
    /// Without a byte in either direction; longer than the proxy's own, so that its answer still arrives.
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = time_span)]
    idle_timeout: Duration,
    /// For requests in flight after SIGTERM.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time_span)]
    drain_timeout: Duration,
}

fn server_name(text: &str) -> Result<ServerName<'static>, &'static str> {
    ServerName::try_from(text.to_owned()).map_err(|_| "neither a name nor an address")
}

/// Clocks must not overflow when it is added.
const LONGEST: Duration = Duration::from_hours(365 * 24);

fn time_span(text: &str) -> Result<Duration, &'static str> {
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() && span <= LONGEST => Ok(span),
        _ => Err("a time span above zero and up to 365 days is written like 10s, 500ms or 1m 30s"),
    }
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        let to = arguments.to;
        Self {
            to: match arguments.server_name {
                Some(name) => to.named(name),
                None => to,
            },
            files: ClientFiles { certificate: arguments.cert, private_key: arguments.key, ca: arguments.ca },
            listen: arguments.listen,
            admin: arguments.admin,
            max_connections: usize::try_from(arguments.max_connections).unwrap_or(usize::MAX),
            header_timeout: arguments.header_timeout,
            timeouts: Timeouts { connect: arguments.connect_timeout, idle: arguments.idle_timeout },
            drain_timeout: arguments.drain_timeout,
        }
    }
}

/// Serves until it is told to stop.
pub(super) async fn run(arguments: Arguments) -> u8 {
    let signals = Signals::listen();
    let bound = match bridge::build(arguments.into()) {
        Ok(bound) => bound,
        Err(error) => {
            tracing::error!("{error}");
            let usage = matches!(error, StartError::Tls(_));
            return if usage { BAD_USAGE } else { WORLD_FAILED };
        }
    };
    let (Ok(signals), Ok(address), Ok(admin)) = (signals, bound.address(), bound.admin_address()) else {
        tracing::error!("signals or sockets are not available");
        return WORLD_FAILED;
    };
    let admin = admin.map(tracing::field::display);
    tracing::info!(listen = %address, admin, version = env!("CARGO_PKG_VERSION"), "listening");
    while_obeying(signals, |stop, reloads| bound.run(stop, reloads)).await
}
