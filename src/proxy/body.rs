//! The client's body on its way to S3, re-framed where need be. Nothing is gathered but the XML of requests that say
//! more in their body than in their head.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::share::Share;
use crate::s3::{Document, ErrorCode, Refusal};
use crate::sigv4::{ChunkSigner, FramingError, Recode, Reframer};

/// Why the client's body could not be passed on, kept for the answer to the client.
#[derive(Debug, Clone, Default)]
pub(super) struct BodyFault(Arc<OnceLock<Refusal>>);

impl BodyFault {
    /// The fault, if it was the client's body that broke the exchange.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.0.get().cloned()
    }

    fn set(&self, refusal: Refusal) {
        // The first fault is the cause; what follows are its consequences.
        let _ = self.0.set(refusal);
    }
}

/// The client's body was not passed on to its end. S3 sees a broken connection and stores nothing.
#[derive(Debug, thiserror::Error)]
#[error("the client's body broke off")]
pub(super) struct BrokenBody;

/// A request body on its way to S3.
#[derive(Debug)]
pub(super) enum UpstreamBody {
    /// None.
    Empty,
    /// Gathered, because it had to be read for its keys.
    Whole(Gathered),
    /// Passed on as it arrives.
    Stream(Box<Stream>),
}

/// A body that is passed on as it arrives.
#[derive(Debug)]
pub(super) struct Stream {
    incoming: Incoming,
    reframer: Option<Reframer>,
    ended: bool,
    length: u64,
    left: u64,
    received: Arc<AtomicU64>,
    fault: BodyFault,
}

impl UpstreamBody {
    /// Passes the client's body on as planned, so many bytes.
    pub(super) fn stream(
        incoming: Incoming,
        length: u64,
        recode: Recode,
        signer: ChunkSigner,
        received: Arc<AtomicU64>,
        fault: BodyFault,
    ) -> Self {
        let reframer = match recode {
            Recode::Keep => None,
            Recode::Check { decoded, trailers } => Some(Reframer::checked(decoded, trailers)),
            Recode::Reframe { decoded, trailers } => Some(Reframer::unsigned(decoded, trailers)),
            Recode::Resign { decoded, trailers } => Some(Reframer::signed(decoded, trailers, signer)),
        };
        Self::Stream(Box::new(Stream {
            incoming,
            reframer,
            ended: false,
            length,
            left: length,
            received,
            fault,
        }))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(body) if body.bytes.is_empty() => Poll::Ready(None),
            Self::Whole(body) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut body.bytes))))),
            Self::Stream(stream) => stream.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(body) => body.bytes.is_empty(),
            Self::Stream(stream) => stream.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Whole(body) => body.bytes.len() as u64,
            Self::Stream(stream) => stream.left,
        })
    }
}

impl Stream {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenBody>>> {
        loop {
            if let Some(data) = self.reframer.as_mut().and_then(Reframer::pop) {
                return Poll::Ready(Some(self.emit(data)));
            }
            if self.ended {
                return Poll::Ready(if self.left == 0 { None } else { Some(Err(self.cut_short())) });
            }
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailer fields of HTTP itself mean nothing to S3.
                    let Ok(data) = frame.into_data() else { continue };
                    self.received.fetch_add(data.remaining() as u64, Ordering::Relaxed);
                    match &mut self.reframer {
                        None => return Poll::Ready(Some(self.emit(data))),
                        Some(reframer) => {
                            if let Err(error) = reframer.push(data) {
                                return Poll::Ready(Some(Err(self.damaged(error))));
                            }
                        }
                    }
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(self.cut_short()))),
                None => {
                    self.ended = true;
                    if let Some(Err(error)) = self.reframer.as_mut().map(Reframer::finish) {
                        return Poll::Ready(Some(Err(self.damaged(error))));
                    }
                }
            }
        }
    }

    /// Never more than was announced: the head with the length is long gone.
    fn emit(&mut self, data: Bytes) -> Result<Bytes, BrokenBody> {
        if let Some(left) = self.left.checked_sub(data.len() as u64) {
            self.left = left;
            return Ok(data);
        }
        self.fault.set(Refusal::new(ErrorCode::IncompleteBody, "The body is longer than announced."));
        Err(BrokenBody)
    }

    fn cut_short(&self) -> BrokenBody {
        let message = format!("The body ended before the {} bytes that were announced.", self.length);
        self.fault.set(Refusal::new(ErrorCode::IncompleteBody, message));
        BrokenBody
    }

    fn damaged(&self, error: FramingError) -> BrokenBody {
        let message = format!("The aws-chunked body is damaged: {error}.");
        self.fault.set(Refusal::new(ErrorCode::IncompleteBody, message));
        BrokenBody
    }
}

/// Where bodies are gathered that have to be read whole. Bounds how many there are at a time, over all clients: the
/// one place where memory depends on what clients send.
#[derive(Debug, Clone)]
pub(super) struct Gathering(Arc<Semaphore>);

/// A gathered body, which keeps its place until it has been sent.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) bytes: Bytes,
    /// The client's own, and one of all.
    _places: [OwnedSemaphorePermit; 2],
}

/// Bodies at a time: 128 MiB at the very most.
pub(super) const GATHERED_AT_A_TIME: usize = 16;
/// For one such body to arrive. They come in one piece, and while they do they hold a place.
const GATHER_TIMEOUT: Duration = Duration::from_secs(15);
/// For a place, of which each is given back within milliseconds by whoever sends what it announced.
const PLACE_TIMEOUT: Duration = Duration::from_secs(2);

impl Default for Gathering {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(GATHERED_AT_A_TIME)))
    }
}

impl Gathering {
    /// Reads a body whole.
    pub(super) async fn gather(
        &self,
        incoming: Incoming,
        document: Document,
        share: &Share,
        received: &AtomicU64,
    ) -> Result<Gathered, Refusal> {
        let most = document.max_bytes();
        let too_large = || {
            let message = format!("The XML of this request is at most {} KiB.", most / 1024);
            Refusal::new(ErrorCode::EntityTooLarge, message)
        };
        // Said before the first byte is asked for, where the length is declared.
        if incoming.size_hint().lower() > most as u64 {
            return Err(too_large());
        }
        let slow_down = "You send too many XML documents at once. Please reduce your rate.";
        let own = place(&share.gathered, ErrorCode::SlowDown, slow_down).await?;
        let busy = "The proxy reads too many XML documents at the moment. Please retry.";
        let one_of_all = place(&self.0, ErrorCode::ServiceUnavailable, busy).await?;
        let body = Limited::new(incoming, most).collect();
        let late = |_| Refusal::new(ErrorCode::RequestTimeout, "The body did not arrive in time.");
        let body = tokio::time::timeout(GATHER_TIMEOUT, body).await.map_err(late)?.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                too_large()
            } else {
                Refusal::new(ErrorCode::IncompleteBody, "The body ended early.")
            }
        })?;
        let bytes = body.to_bytes();
        received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(Gathered { bytes, _places: [own, one_of_all] })
    }
}

/// Waits for a place, but not for long.
async fn place(
    places: &Arc<Semaphore>,
    code: ErrorCode,
    message: &'static str,
) -> Result<OwnedSemaphorePermit, Refusal> {
    let place = tokio::time::timeout(PLACE_TIMEOUT, places.clone().acquire_owned()).await;
    place.ok().and_then(Result::ok).ok_or_else(|| Refusal::new(code, message))
}
