//! An HTTP/1.1 client that costs next to nothing: requests are bytes made beforehand, answers are counted and dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What follows a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upload {
    Nothing,
    Plain(u64),
    /// `aws-chunked` with signed chunks of 64 KiB, of so many bytes in all.
    SignedChunks(u64),
}

/// As SDKs cut them.
const CHUNK: u64 = 64 * 1024;
const BLOCK: usize = 256 * 1024;
static ZEROS: [u8; BLOCK] = [0; BLOCK];
/// The proxy makes its own.
const SIGNATURE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Upload {
    /// Bytes on the wire.
    pub(crate) fn length(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Plain(size) => size,
            Self::SignedChunks(size) => {
                let frame = |size: u64| (chunk_line(size).len() + 2) as u64 + size;
                size / CHUNK * frame(CHUNK)
                    + if size % CHUNK > 0 { frame(size % CHUNK) } else { 0 }
                    + frame(0)
            }
        }
    }
}

fn chunk_line(size: u64) -> String {
    format!("{size:x};chunk-signature={SIGNATURE}\r\n")
}

/// An open connection.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

/// With TLS, as the configuration says.
pub(crate) async fn tls(to: SocketAddr, config: &Arc<ClientConfig>) -> anyhow::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(to).await.context("connecting")?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    TlsConnector::from(config.clone()).connect(name, tcp).await.context("TLS")
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr, config: &Arc<ClientConfig>) -> anyhow::Result<Self> {
        Ok(Self { stream: tls(to, config).await?, buffer: vec![0; BLOCK] })
    }

    /// Sends a request and takes the answer to its end. Bytes of bodies are counted as they go.
    pub(crate) async fn exchange(
        &mut self,
        head: &[u8],
        upload: Upload,
        counter: &AtomicU64,
    ) -> anyhow::Result<()> {
        self.send(head, upload, counter).await?;
        let (mut have, mut left) = (0, None);
        loop {
            let count = self.stream.read(&mut self.buffer[have..]).await.context("reading")?;
            if count == 0 {
                bail!("the connection has ended before the answer");
            }
            let body = match &mut left {
                Some(left) => {
                    *left -= count as u64;
                    count
                }
                None => {
                    have += count;
                    let Some((head, length)) = answer_head(&self.buffer[..have])? else { continue };
                    let body = have - head;
                    have = 0;
                    left = Some(length.checked_sub(body as u64).context("more than was announced")?);
                    body
                }
            };
            counter.fetch_add(body as u64, Ordering::Relaxed);
            if left == Some(0) {
                return Ok(());
            }
        }
    }

    async fn send(&mut self, head: &[u8], upload: Upload, counter: &AtomicU64) -> anyhow::Result<()> {
        match upload {
            Upload::Nothing => self.stream.write_all(head).await?,
            // In one record, as a client that thinks would.
            Upload::Plain(size) if size <= 4096 => {
                let whole = [head, &ZEROS[..usize::try_from(size)?]].concat();
                self.stream.write_all(&whole).await?;
                counter.fetch_add(size, Ordering::Relaxed);
            }
            Upload::Plain(size) => {
                self.stream.write_all(head).await?;
                self.zeros(size, counter).await?;
            }
            Upload::SignedChunks(size) => {
                self.stream.write_all(head).await?;
                let mut left = size;
                loop {
                    let chunk = left.min(CHUNK);
                    self.stream.write_all(chunk_line(chunk).as_bytes()).await?;
                    self.zeros(chunk, counter).await?;
                    self.stream.write_all(b"\r\n").await?;
                    left -= chunk;
                    if chunk == 0 {
                        break;
                    }
                }
            }
        }
        Ok(self.stream.flush().await?)
    }

    async fn zeros(&mut self, mut left: u64, counter: &AtomicU64) -> anyhow::Result<()> {
        while left > 0 {
            let piece = &ZEROS[..usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)];
            self.stream.write_all(piece).await.context("writing")?;
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            left -= piece.len() as u64;
        }
        Ok(())
    }

    /// With TLS's own goodbye.
    pub(crate) async fn close(mut self) {
        let _ = self.stream.shutdown().await;
    }
}

/// The lengths of head and body, once the head is whole. Anything but a plain success is an error.
fn answer_head(bytes: &[u8]) -> anyhow::Result<Option<(usize, u64)>> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else { return Ok(None) };
    if answer.code != Some(200) {
        bail!("{}", String::from_utf8_lossy(bytes));
    }
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.context("an answer without a length")?.value;
    Ok(Some((head, std::str::from_utf8(length)?.parse()?)))
}
