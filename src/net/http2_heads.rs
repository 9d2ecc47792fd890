//! The limits on what comes in HTTP/2 frames: on the time that a request head may take, which hyper has for HTTP/1.1
//! only, and on frames that make work and carry nothing. And what the library refuses of single streams is seen.
//!
//! A head is a HEADERS frame and the CONTINUATION frames behind it (RFC 9113 sections 6.2 and 6.10); until the last one
//! has come nothing else may be said on the connection. The beginnings of frames are read along for that, nothing more.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::http2_resets::Resets;

/// What every connection starts with (RFC 9113 section 3.4).
const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Frames that carry nothing (resets, settings, pings, priorities, empty data, unknown ones): so many at once, and so
/// many a second on average. A client that gives up many requests needs some hundred; floods come by the ten thousand.
const EMPTY_FRAMES: u32 = 1000;
const EMPTY_FRAMES_A_SECOND: f64 = 200.0;
/// Who downloads says again and again that there is room for more: Go's client for each 4 KiB, and once more for the
/// whole connection. So many bytes to the client give it the right to say so once; further ones count as empty frames.
const BYTES_A_WINDOW_UPDATE: u64 = 512;

/// Why a connection was ended here, or a stream. The library in between keeps only the words of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// A head did not come to its end.
    LateHead,
    /// More frames that carry nothing than anybody needs.
    Flood,
    /// More streams at once than a connection may have.
    TooManyStreams,
    /// What the protocol does not allow.
    Protocol,
}

/// How many such frames may still come.
#[derive(Debug)]
struct Budget {
    left: f64,
    counted: Instant,
}

impl Budget {
    fn new() -> Self {
        Self { left: EMPTY_FRAMES.into(), counted: Instant::now() }
    }

    /// Whether so many more are too many.
    fn exceeded_by(&mut self, frames: u32) -> bool {
        let now = Instant::now();
        let gained = (now - self.counted).as_secs_f64() * EMPTY_FRAMES_A_SECOND;
        self.left = (self.left + gained).min(EMPTY_FRAMES.into()) - f64::from(frames);
        self.counted = now;
        self.left < 0.0
    }
}

/// Where in the frames a stream of bytes is.
#[derive(Debug)]
struct Position {
    /// Bytes to pass over: of the preface or of a frame's payload.
    over: usize,
    /// The beginning of a frame, as far as it has come.
    begun: Vec<u8>,
    /// Whether a head, or the preface, has begun and not ended.
    open: bool,
    /// Whether it ends with what is passed over.
    ends: bool,
    /// How many have ended.
    ended: u64,
    /// Frames that carry nothing, since they were last asked for.
    empty: u32,
    /// The same of those that make room.
    updates: u32,
}

impl Position {
    fn start() -> Self {
        Self {
            over: PREFACE,
            begun: Vec::with_capacity(9),
            open: true,
            ends: true,
            ended: 0,
            empty: 0,
            updates: 0,
        }
    }

    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.over > 0 {
                let passed = self.over.min(bytes.len());
                (self.over, bytes) = (self.over - passed, &bytes[passed..]);
            } else {
                let missing = (9 - self.begun.len()).min(bytes.len());
                self.begun.extend_from_slice(&bytes[..missing]);
                bytes = &bytes[missing..];
                self.begin();
            }
            if self.over == 0 && self.ends {
                (self.open, self.ends) = (false, false);
                self.ended += 1;
            }
        }
    }

    fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.begun[..] else { return };
        if self.begun.len() < 9 {
            return;
        }
        self.over = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        match kind {
            HEADERS | CONTINUATION => (self.open, self.ends) = (true, flags & END_HEADERS != 0),
            WINDOW_UPDATE => self.updates += 1,
            DATA if self.over > 0 => {}
            _ => self.empty += 1,
        }
        self.begun.clear();
    }
}

/// Ends a connection whose client does not come to the end of a head, or sends a flood.
pub struct Http2Heads<S> {
    stream: S,
    limit: Duration,
    position: Position,
    alarm: Option<Pin<Box<Sleep>>>,
    budget: Budget,
    objection: Arc<OnceLock<Objection>>,
    /// What was sent, as far as no update of a window has been set against it.
    unanswered: u64,
    resets: Resets,
    refused: Box<dyn FnMut(Objection) + Send>,
}

impl<S> Http2Heads<S> {
    /// A head, and before it the preface, has to come within `limit`. `refused` hears of single streams that are.
    pub fn new(stream: S, limit: Duration, refused: impl FnMut(Objection) + Send + 'static) -> Self {
        Self {
            stream,
            limit,
            position: Position::start(),
            alarm: None,
            budget: Budget::new(),
            objection: Arc::default(),
            unanswered: 0,
            resets: Resets::default(),
            refused: Box::new(refused),
        }
    }

    /// Set when the connection has ended for a reason of ours.
    pub fn objection(&self) -> Arc<OnceLock<Objection>> {
        self.objection.clone()
    }

    fn object(&self, objection: Objection, kind: io::ErrorKind, why: &str) -> Poll<io::Result<()>> {
        // The first is as good as any.
        let _ = self.objection.set(objection);
        Poll::Ready(Err(io::Error::new(kind, why)))
    }

    fn sent(&mut self, bytes: &[u8]) {
        self.unanswered += bytes.len() as u64;
        self.resets.read(bytes, &mut self.refused);
    }

    /// Frames that carry nothing since it was last asked; of updates of windows those that nothing was sent for.
    fn empty(&mut self) -> u32 {
        let updates = std::mem::take(&mut self.position.updates);
        let due = u32::try_from(self.unanswered / BYTES_A_WINDOW_UPDATE).unwrap_or(u32::MAX).min(updates);
        self.unanswered -= u64::from(due) * BYTES_A_WINDOW_UPDATE;
        std::mem::take(&mut self.position.empty) + (updates - due)
    }

    fn late(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.position.open {
            self.alarm = None;
            return false;
        }
        let limit = self.limit;
        self.alarm.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Http2Heads<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let ended = self.position.ended;
        self.position.read(&buf.filled()[before..]);
        if ended != self.position.ended {
            // A head that is open now is another one, and has its own time.
            self.alarm = None;
        }
        let empty = self.empty();
        if empty > 0 && self.budget.exceeded_by(empty) {
            return self.object(
                Objection::Flood,
                io::ErrorKind::Other,
                "a flood of frames that carry nothing",
            );
        }
        if self.late(cx) && !matches!(polled, Poll::Ready(Err(_))) {
            return self.object(
                Objection::LateHead,
                io::ErrorKind::TimedOut,
                "a head did not come to its end",
            );
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Http2Heads<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = polled {
            self.sent(&buf[..written]);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(mut left)) = polled {
            for buf in bufs {
                let written = left.min(buf.len());
                self.sent(&buf[..written]);
                left -= written;
            }
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn a_head_is_open_from_its_first_frame_to_its_last_byte() {
        let head = frame(HEADERS, 0, b"abc");
        let more = frame(CONTINUATION, 0, b"d");
        let last = frame(CONTINUATION, END_HEADERS, b"ef");
        let data = frame(0, 0, &[HEADERS; 30]);
        let bytes =
            [&[b'x'; PREFACE][..], &data, &head, &more, &last, &frame(HEADERS, END_HEADERS, b""), &data]
                .concat();
        let (begin, end) = (PREFACE + 39 + 9, PREFACE + 39 + 12 + 10 + 11);
        let mut position = Position::start();
        for (at, byte) in bytes.iter().enumerate() {
            position.read(&[*byte]);
            let come = at + 1;
            assert_eq!(position.open, come < PREFACE || (begin..end).contains(&come), "after {come} bytes");
        }
        let mut whole = Position::start();
        whole.read(&bytes);
        assert!(!whole.open);
    }
}
