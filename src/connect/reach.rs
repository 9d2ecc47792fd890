//! Whether the proxy is there and lets us in, found out without a request that it would have to log.
//!
//! In TLS 1.3 a client learns only afterwards whether its certificate was accepted. But an HTTP/2 server speaks first
//! (RFC 9113 section 3.4): its SETTINGS arrive when, and only when, the handshake is over for both sides.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::destination::Destination;
use crate::tls::ClientTls;

/// Connects to the proxy and waits for its first byte.
pub async fn reach(to: &Destination, tls: &ClientTls, timeout: Duration) -> io::Result<()> {
    let mut config = (*tls.config).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let first_byte = async {
        let tcp = TcpStream::connect(to.host_and_port()).await?;
        let mut stream = connector.connect(to.server_name().clone(), tcp).await?;
        stream.read_u8().await
    };
    tokio::time::timeout(timeout, first_byte)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    Ok(())
}
