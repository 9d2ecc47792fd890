//! Sees in an HTTP/1.1 head what the parser passes over and somebody else may read differently.
//!
//! The parser drops a `#` with all that stands behind it in the target: `DELETE /b/k#?versionId=1` would delete the
//! current object. It takes a bare line feed for the end of a line, forgets a `Content-Length` beside a
//! `Transfer-Encoding`, and one of two that are equal: the ways in which requests are smuggled (RFC 9112 sections 2.2,
//! 6.1 and 11.2). So the bytes are read along, framing of bodies included, and there is a verdict on each head.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::s3::{ErrorCode, Refusal};

/// Why a request is not taken for what the parser says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misread {
    /// The target went on behind a `#`.
    Fragment,
    /// Another reader could see another request.
    Ambiguous(&'static str),
}

impl Misread {
    /// Whether what follows on the connection is not to be trusted either.
    pub fn is_ambiguous(self) -> bool {
        matches!(self, Self::Ambiguous(_))
    }

    /// What the client is told.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Fragment => {
                let message =
                    "The target of a request has no '#'. Where it is part of a key, write it as %23.";
                Refusal::new(ErrorCode::InvalidURI, message)
            }
            Self::Ambiguous(why) => {
                let message = format!("The request can be read in two ways: {why}.");
                Refusal::new(ErrorCode::InvalidRequest, message)
            }
        }
    }
}

/// The verdicts on the heads of one connection; shared by the stream and whoever answers.
#[derive(Debug, Clone, Default)]
pub struct HeadWatch(Arc<Mutex<Reader>>);

impl HeadWatch {
    pub(super) fn see(&self, bytes: &[u8]) {
        self.lock().read(bytes);
    }

    /// The verdict on the request that has just begun. To be asked once for each, in their order.
    pub fn next(&self) -> Result<(), Misread> {
        // None is left only where the bytes could not be followed any more.
        self.lock().verdicts.pop_front().unwrap_or(Err(Misread::Ambiguous("it follows on one that can be")))
    }

    /// Whether every request so far has come to its end, and nothing behind it.
    pub fn is_between_requests(&self) -> bool {
        let reader = self.lock();
        reader.place == Place::Between && !reader.blank && reader.verdicts.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reader> {
        // Plain values; a panic in between leaves nothing that looks like a verdict.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where in the stream of bytes the reader is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In front of a request, where empty lines mean nothing.
    #[default]
    Between,
    RequestLine,
    HeaderLine,
    /// So many bytes of a body of known length are to come.
    Body(u64),
    ChunkSize,
    /// So many bytes of a chunk, its line end included, are to come.
    Chunk(u64),
    Trailers,
    /// The parser ends such a connection, or it is ended because of the verdict.
    Lost,
}

/// Of a line: the longest that is of interest is `transfer-encoding: chunked` with some white space.
const KEPT: usize = 64;

#[derive(Debug, Default)]
struct Reader {
    place: Place,
    /// The beginning of the current line, without its line feed.
    line: Vec<u8>,
    /// Whether there was more of it.
    cut: bool,
    last: u8,
    framing: Framing,
    /// An empty line in front of a request that has not come.
    blank: bool,
    verdicts: VecDeque<Result<(), Misread>>,
}

/// What is known of the current head.
#[derive(Debug, Default)]
struct Framing {
    misread: Option<Misread>,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// The first reason is as good as any.
    fn doubt(&mut self, why: &'static str) {
        self.misread.get_or_insert(Misread::Ambiguous(why));
    }

    fn header(&mut self, line: &[u8]) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            if self.length.replace(number.unwrap_or(0)).is_some() {
                self.doubt("it has two lengths");
            } else if number.is_none() || !value.iter().all(u8::is_ascii_digit) {
                self.doubt("its length is no number");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding")
            && (std::mem::replace(&mut self.chunked, true) || !value.eq_ignore_ascii_case(b"chunked"))
        {
            self.doubt("its transfer encoding is not just 'chunked'");
        }
        if self.chunked && self.length.is_some() {
            self.doubt("it has a length and a transfer encoding");
        }
    }
}

impl Reader {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.place {
                Place::Lost => return,
                Place::Body(left) | Place::Chunk(left) => {
                    let passed = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[passed..];
                    self.pass(left - passed as u64);
                }
                Place::Between => {
                    let empty = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    bytes = &bytes[empty..];
                    self.blank |= empty > 0;
                    if !bytes.is_empty() {
                        self.place = Place::RequestLine;
                    }
                }
                _ => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    self.piece(&bytes[..end.unwrap_or(bytes.len())]);
                    bytes = end.map_or(&[], |end| &bytes[end + 1..]);
                    if end.is_some() {
                        self.line_feed();
                    }
                }
            }
        }
    }

    fn pass(&mut self, left: u64) {
        self.place = match (self.place, left) {
            (Place::Body(_), 0) => Place::Between,
            (Place::Body(_), left) => Place::Body(left),
            (_, 0) => Place::ChunkSize,
            (_, left) => Place::Chunk(left),
        };
    }

    /// What there is of a line, whole pieces at a time: this is done for every head.
    fn piece(&mut self, piece: &[u8]) {
        if self.place == Place::RequestLine && piece.contains(&b'#') {
            self.framing.misread = Some(Misread::Fragment);
        }
        let kept = piece.len().min(KEPT - self.line.len());
        self.line.extend_from_slice(&piece[..kept]);
        self.cut |= kept < piece.len();
        self.last = piece.last().copied().unwrap_or(self.last);
    }

    fn line_feed(&mut self) {
        let bare = std::mem::take(&mut self.last) != b'\r';
        let mut line = std::mem::take(&mut self.line);
        if !bare && !std::mem::take(&mut self.cut) {
            line.pop();
        }
        self.line_ended(&line, bare);
        // The room is used again.
        line.clear();
        self.line = line;
    }

    fn line_ended(&mut self, line: &[u8], bare: bool) {
        if bare && matches!(self.place, Place::RequestLine | Place::HeaderLine) {
            self.framing.doubt("a line ends with a bare line feed");
        }
        self.place = match self.place {
            Place::HeaderLine if line.is_empty() => self.head_ended(),
            Place::HeaderLine => {
                self.framing.header(line);
                Place::HeaderLine
            }
            Place::ChunkSize => chunk(line),
            Place::Trailers if line.is_empty() && !bare => Place::Between,
            Place::Trailers => Place::Trailers,
            _ => Place::HeaderLine,
        };
    }

    fn head_ended(&mut self) -> Place {
        let framing = std::mem::take(&mut self.framing);
        self.blank = false;
        self.verdicts.push_back(framing.misread.map_or(Ok(()), Err));
        match (framing.misread, framing.length) {
            (Some(Misread::Ambiguous(_)), _) => Place::Lost,
            _ if framing.chunked => Place::ChunkSize,
            (_, Some(length)) if length > 0 => Place::Body(length),
            _ => Place::Between,
        }
    }
}

/// What follows on the line with a chunk's size (RFC 9112 section 7.1).
fn chunk(line: &[u8]) -> Place {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let size = std::str::from_utf8(&line[..digits]).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    match size {
        None => Place::Lost,
        Some(0) => Place::Trailers,
        Some(size) => Place::Chunk(size.saturating_add(2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts on what is read in two pieces, wherever the cut is.
    fn verdicts(bytes: &str) -> Vec<Result<(), Misread>> {
        let read = |cut: usize| {
            let watch = HeadWatch::default();
            watch.see(&bytes.as_bytes()[..cut]);
            watch.see(&bytes.as_bytes()[cut..]);
            watch.lock().verdicts.iter().copied().collect::<Vec<_>>()
        };
        let whole = read(0);
        for cut in 0..=bytes.len() {
            assert_eq!(read(cut), whole, "{bytes} at {cut}");
        }
        whole
    }

    #[test]
    fn only_the_target_has_no_fragment() {
        for (head, found) in [
            ("GET /a#b HTTP/1.1\r\n\r\n", true),
            ("\r\nGET /a?b# HTTP/1.1\r\nx: y\r\n\r\n", true),
            ("GET /a HTTP/1.1\r\nx: #\r\n\r\n", false),
        ] {
            let expected = if found { Err(Misread::Fragment) } else { Ok(()) };
            assert_eq!(verdicts(head), [expected], "{head}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_seen() {
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "transfer-encoding: chunked\r\nx: y\r\ncontent-length: 5\r\n",
            "Content-Length: 5\r\ncontent-length: 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: \r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "x: y\nContent-Length: 5\r\n",
        ] {
            let head = format!("PUT /a HTTP/1.1\r\nhost: b\r\n{headers}\r\nGET /b HTTP/1.1\r\n\r\n");
            let verdicts = verdicts(&head);
            // What stands behind it is not followed, so it is refused too.
            assert!(matches!(verdicts[..], [Err(Misread::Ambiguous(_))]), "{headers}: {verdicts:?}");
        }
        assert!(matches!(verdicts("GET /a HTTP/1.1\n\r\n")[..], [Err(Misread::Ambiguous(_))]));
        assert!(matches!(verdicts("GET /a HTTP/1.1\r\n\n")[..], [Err(Misread::Ambiguous(_))]));
        assert!(HeadWatch::default().next().is_err());
    }

    #[test]
    fn bodies_are_passed_over_whatever_is_in_them() {
        let body = "GET /x#y HTTP/1.1\n\n";
        let length = body.len();
        let long = "x".repeat(KEPT * 2);
        let all = [
            format!(
                "PUT /a HTTP/1.1\r\nContent-Length:  {length} \r\nx-amz-meta-{long}: {long}\r\n\r\n{body}"
            ),
            format!("PUT /{long} HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n{length:x};a=b\r\n{body}\r\n"),
            format!("0;{long}\r\ntrailer: {long}\r\n\r\n"),
            "GET /c HTTP/1.1\r\n\r\nDELETE /d#e HTTP/1.1\r\n\r\n".to_owned(),
        ];
        assert_eq!(verdicts(&all.concat()), [Ok(()), Ok(()), Ok(()), Err(Misread::Fragment)]);
    }
}
