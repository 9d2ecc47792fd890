//! An HTTP/2 client that writes its frames itself, for what a well-behaved one does not do. It acknowledges settings
//! and nothing else, so that a server which waits for its word waits in vain.

use super::Wire;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A connection.
pub(crate) struct Frames {
    pub(crate) wire: Wire,
    stream: u32,
}

/// One frame, RFC 9113 section 4.1.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A request head in HPACK's literals, RFC 7541 section 6.2.2; `method` is GET or POST.
pub(crate) fn head_block(method: &str, path: &str) -> Vec<u8> {
    let mut block = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x87];
    for (name, value) in [(4, path), (1, "localhost")] {
        block.extend_from_slice(&[name, u8::try_from(value.len()).unwrap()]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// A header field that changes no table, RFC 7541 section 6.2.2; name and value shorter than 127 bytes.
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0, u8::try_from(name.len()).unwrap()];
    field.extend_from_slice(name.as_bytes());
    field.push(u8::try_from(value.len()).unwrap());
    field.extend_from_slice(value.as_bytes());
    field
}

impl Frames {
    pub(super) async fn new(mut wire: Wire) -> Self {
        wire.send([&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()).await;
        Self { wire, stream: 1 }
    }

    /// The number of the next stream.
    pub(crate) fn next(&mut self) -> u32 {
        self.stream += 2;
        self.stream - 2
    }

    /// Begins a GET; `Err` when the connection has ended.
    pub(crate) async fn get(&mut self, path: &str) -> std::io::Result<u32> {
        let stream = self.next();
        let head = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head_block("GET", path));
        self.wire.try_send(&head).await?;
        Ok(stream)
    }

    /// The body of a stream's answer; `None` when it, or the connection, breaks off.
    pub(crate) async fn body(&mut self, wanted: u32) -> Option<String> {
        let mut body = Vec::new();
        loop {
            let head = self.wire.exactly(9).await.ok()?;
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let payload = self.wire.exactly(length).await.ok()?;
            let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
            match (head[3], head[4]) {
                (RST_STREAM, _) if stream == wanted => return None,
                (SETTINGS, 0) => self.wire.try_send(&frame(SETTINGS, ACK, 0, &[])).await.ok()?,
                (DATA | HEADERS, flags) if stream == wanted => {
                    if head[3] == DATA {
                        body.extend_from_slice(&payload);
                    }
                    if flags & END_STREAM != 0 {
                        return Some(String::from_utf8(body).unwrap());
                    }
                }
                _ => {}
            }
        }
    }
}
