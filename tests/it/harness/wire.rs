//! A client that writes any bytes, and reads answers for what they are, cut off ones included.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Leaf, TRUSTED, within};

/// A connection with what was read ahead.
pub(crate) struct Wire<S = TlsStream<TcpStream>> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is as long as its head said, with its last chunk.
    pub(crate) whole: bool,
}

impl Reply {
    /// The value of a header that may not occur twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = values.next();
        assert!(values.next().is_none(), "{name} occurs twice: {:?}", self.headers);
        value.map(|(_, value)| value.as_str())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The code of the proxy's own error document, which must be complete.
    pub(crate) fn error_code(&self) -> String {
        error_code(self.text(), self.header("x-amz-request-id"))
    }

    /// The code of an error document, the store's too, which says less.
    pub(crate) fn any_code(&self) -> String {
        let document = roxmltree::Document::parse(self.text()).unwrap();
        let mut codes = document.descendants().filter(|node| node.has_tag_name("Code"));
        codes.next().and_then(|code| code.text()).unwrap().to_owned()
    }
}

/// Reads S3's error document.
pub(crate) fn error_code(xml: &str, request_id: Option<&str>) -> String {
    let document = roxmltree::Document::parse(xml).unwrap_or_else(|e| panic!("no XML ({e}): {xml:?}"));
    let text = |name| document.descendants().find(|node| node.has_tag_name(name)).and_then(|n| n.text());
    assert_eq!(document.root_element().tag_name().name(), "Error", "{xml}");
    assert!(text("Message").is_some_and(|message| !message.is_empty()), "{xml}");
    assert!(document.descendants().any(|node| node.has_tag_name("Resource")), "{xml}");
    assert_eq!(text("RequestId"), request_id, "{xml}");
    text("Code").unwrap().to_owned()
}

/// A client's side of TLS that trusts the proxy.
pub(crate) fn tls(leaf: Option<&Leaf>, alpn: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(TRUSTED.certificate.clone()).unwrap();
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
    let mut config = match leaf {
        None => builder.with_no_client_auth(),
        Some(leaf) => builder.with_client_auth_cert(vec![leaf.certificate.clone()], leaf.key()).unwrap(),
    };
    config.alpn_protocols = vec![alpn.into()];
    // Each connection shows its certificate anew.
    config.resumption = Resumption::disabled();
    config
}

pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    within("the TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Writes bytes, in a TLS record of their own.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("room to write", self.try_send(bytes.as_ref())).await.unwrap();
    }

    /// The same where the other side may have gone.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads once more; `false` at the end, however it came.
    async fn fill(&mut self) -> bool {
        let read = within("bytes or the end", self.stream.read_buf(&mut self.buffer)).await;
        read.is_ok_and(|count| count > 0)
    }

    /// Bytes up to and including `end`, or what there was before the connection ended.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = self.buffer[from..].windows(end.len()).position(|window| window == end) {
                let rest = self.buffer.split_off(from + at + end.len());
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            from = (self.buffer.len() + 1).saturating_sub(end.len());
            if !self.fill().await {
                return Err(std::mem::take(&mut self.buffer));
            }
        }
    }

    /// Exactly so many bytes, or what there was before the connection ended.
    pub(crate) async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Vec<u8>> {
        while self.buffer.len() < count {
            if !self.fill().await {
                return Err(std::mem::take(&mut self.buffer));
            }
        }
        let rest = self.buffer.split_off(count);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Some bytes, at least one; empty at the end.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.fill().await;
        }
        std::mem::take(&mut self.buffer)
    }

    /// Returns bytes that were read too far.
    pub(crate) fn put_back(&mut self, bytes: Vec<u8>) {
        self.buffer.splice(0..0, bytes);
    }

    /// Whether the other side closes without another byte.
    pub(crate) async fn ends(&mut self) -> bool {
        self.some().await.is_empty()
    }

    /// An answer's head; `None` when the connection ends instead.
    pub(crate) async fn answer_head(&mut self) -> Option<Reply> {
        let head = self.until(b"\r\n\r\n").await.ok()?;
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{head}"));
        let pairs = lines.map(|line| line.split_once(':').unwrap_or_else(|| panic!("{line}")));
        Some(Reply {
            status: status[..3].parse().unwrap(),
            headers: pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect(),
            body: Vec::new(),
            whole: true,
        })
    }

    /// A whole answer to a request with this method.
    pub(crate) async fn answer(&mut self, method: &str) -> Reply {
        let mut reply = self.answer_head().await.expect("the connection ended before the answer");
        if method == "HEAD" || matches!(reply.status, 100..=199 | 204 | 304) {
            return reply;
        }
        let body = match (reply.header("content-length"), reply.header("transfer-encoding")) {
            (Some(length), None) => self.exactly(length.parse().unwrap()).await,
            (None, Some("chunked")) => self.chunks().await,
            (None, None) => Ok(self.rest().await),
            both => panic!("an answer with two lengths: {both:?}"),
        };
        reply.whole = body.is_ok();
        reply.body = body.unwrap_or_else(|part| part);
        reply
    }

    /// Writes a request and reads its answer.
    pub(crate) async fn ask(&mut self, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Reply {
        self.send(request(method, target, headers, body)).await;
        self.answer(method).await
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let Ok(line) = self.until(b"\r\n").await else { return Err(body) };
            let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim_end(), 16).unwrap();
            match self.exactly(size + 2).await {
                Ok(data) => body.extend_from_slice(&data[..size]),
                Err(part) => {
                    body.extend_from_slice(&part);
                    return Err(body);
                }
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }
}

/// A request's head. Adds a `Host` unless there is one; an empty one leaves it out.
pub(crate) fn head(method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
        text.push_str("Host: localhost\r\n");
    }
    for line in headers.iter().filter(|line| **line != "Host:") {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// A whole request. Adds a `Content-Length` where a body needs one and has none.
pub(crate) fn request(method: &str, target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let framed = headers.iter().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("content-length:") || line.starts_with("transfer-encoding:")
    });
    let length = format!("Content-Length: {}", body.len());
    let mut headers = headers.to_vec();
    if !framed && (!body.is_empty() || matches!(method, "PUT" | "POST")) {
        headers.push(&length);
    }
    let mut bytes = head(method, target, &headers);
    bytes.extend_from_slice(body);
    bytes
}

/// A body in HTTP's own chunks of a size.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in body.chunks(size) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}
