//! A stream that ends when no byte has moved in either direction for a while, and that closes patiently.
//!
//! There is no total time limit: a transfer may take hours as long as it moves.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::head_watch::HeadWatch;

/// How long a client is heard out after we have said our last word. A socket that is closed with unread bytes sends
/// a reset, and the client would lose the refusal that it was just sent (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that are heard out meanwhile, against work for somebody who only talks. What comes beyond stays with the sender.
const LINGER_BYTES: usize = 256 * 1024;

/// What has become of the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// Nothing yet.
    Open,
    /// We have said our last word and hear the other side out; so many bytes so far.
    Lingering(usize),
}

/// What moves on a stream.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Moved>);

#[derive(Debug, Default)]
struct Moved {
    reads: AtomicU64,
    unflushed: AtomicBool,
}

impl Traffic {
    /// Reads that brought bytes, so far.
    pub fn reads(&self) -> u64 {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// Whether all that was written has been flushed since, and nobody closes the stream.
    pub fn is_flushed(&self) -> bool {
        !self.0.unflushed.load(Ordering::Relaxed)
    }
}

/// Wraps a stream with an inactivity timeout.
#[derive(Debug)]
pub struct IdleTimeout<S> {
    stream: S,
    timeout: Duration,
    last: Instant,
    alarm: Pin<Box<Sleep>>,
    /// Whether the other side is heard out at the end.
    patient: bool,
    closing: Closing,
    traffic: Traffic,
    expired: Arc<AtomicBool>,
    heads: Option<HeadWatch>,
}

impl<S> IdleTimeout<S> {
    /// Ends `stream` with [`io::ErrorKind::TimedOut`] after `timeout` without traffic.
    pub fn new(stream: S, timeout: Duration) -> Self {
        Self {
            stream,
            timeout,
            last: Instant::now(),
            alarm: Box::pin(sleep(timeout)),
            patient: true,
            closing: Closing::Open,
            traffic: Traffic::default(),
            expired: Arc::default(),
            heads: None,
        }
    }

    /// The same without hearing the other side out at the end: what S3 still has to say when nobody listens any more
    /// may be an object of terabytes.
    pub fn abrupt(stream: S, timeout: Duration) -> Self {
        Self { patient: false, ..Self::new(stream, timeout) }
    }

    /// Tells what moves.
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// Becomes true when the stream has ended because nothing moved.
    pub fn expired(&self) -> Arc<AtomicBool> {
        self.expired.clone()
    }

    /// Reads along, from the first byte: for a stream that brings requests in HTTP/1.1.
    pub fn watch_heads(&mut self) -> HeadWatch {
        self.heads.get_or_insert_default().clone()
    }

    /// Notes traffic, or fails when there has been none for too long.
    fn judge<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.last = Instant::now();
            return polled;
        }
        // Moving the alarm at each byte would cost more than looking again when it rings.
        while self.alarm.as_mut().poll(cx).is_ready() {
            let due = self.last + self.timeout;
            if due <= Instant::now() {
                self.expired.store(true, Ordering::Relaxed);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.traffic.0.reads.fetch_add(1, Ordering::Relaxed);
            if let Some(heads) = &self.heads {
                heads.see(&buf.filled()[before..]);
            }
        }
        self.judge(polled, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for IdleTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.traffic.0.unflushed.store(true, Ordering::Relaxed);
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.judge(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.traffic.0.unflushed.store(true, Ordering::Relaxed);
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.judge(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // A flush with nothing to do is no traffic.
        if polled.is_ready() {
            self.traffic.0.unflushed.store(false, Ordering::Relaxed);
            return polled;
        }
        self.judge(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whatever was flushed before: who closes does not rest.
        self.traffic.0.unflushed.store(true, Ordering::Relaxed);
        if self.closing == Closing::Open {
            let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.judge(polled, cx))?;
            if !self.patient {
                return Poll::Ready(Ok(()));
            }
            self.closing = Closing::Lingering(0);
            self.alarm.as_mut().reset(Instant::now() + LINGER);
        }
        self.hear_out(cx).map(Ok)
    }
}

impl<S: AsyncBufRead + Unpin> IdleTimeout<S> {
    /// Waits until there is something to read, or the stream has ended; takes nothing of it.
    pub async fn readable(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            let polled = Pin::new(&mut self.stream).poll_fill_buf(cx).map_ok(|_| ());
            // Counted when it is read.
            if polled.is_ready() { polled } else { self.judge(polled, cx) }
        })
        .await
    }
}

impl<S: AsyncRead + Unpin> IdleTimeout<S> {
    /// Until the other side has ended too, or the time is over.
    fn hear_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 8 * 1024];
        while let Closing::Lingering(heard) = self.closing {
            if self.alarm.as_mut().poll(cx).is_ready() {
                break;
            }
            // Not closed even then: a reset could still overtake our last word.
            if heard >= LINGER_BYTES {
                return Poll::Pending;
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.closing = Closing::Lingering(heard + buffer.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn traffic_in_either_direction_keeps_it_alive() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = IdleTimeout::new(near, Duration::from_mins(1));
        let task = tokio::spawn(async move {
            let mut byte = [0];
            near.read_exact(&mut byte).await?;
            near.read_exact(&mut byte).await
        });
        tokio::time::advance(Duration::from_secs(50)).await;
        far.write_all(b"x").await.unwrap();
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(50)).await;
        assert!(!task.is_finished());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(task.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_the_other_side_is_heard_out_but_not_for_ever() {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let mut near = IdleTimeout::new(near, Duration::from_mins(1));
        let said = tokio::spawn(async move {
            let mut said = 0;
            while far.write_all(&[0; 1024]).await.is_ok() {
                said += 1024;
            }
            said
        });
        let began = Instant::now();
        near.shutdown().await.unwrap();
        assert!(began.elapsed() >= LINGER, "a reset would overtake our last word");
        drop(near);
        assert!(said.await.unwrap() <= LINGER_BYTES + 80 * 1024);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_listened_to_is_not_heard_out() {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        far.write_all(&[0; 1024]).await.unwrap();
        let began = Instant::now();
        IdleTimeout::abrupt(near, Duration::from_mins(1)).shutdown().await.unwrap();
        assert!(began.elapsed() < LINGER);
    }
}
