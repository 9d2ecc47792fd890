//! Bodies on their way through, frame by frame. Nothing is kept and nothing is changed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use prometheus::IntCounter;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::exchange::Exchange;
use crate::upstream::ReplyBody;

/// The client's body on its way to the proxy.
#[derive(Debug)]
pub(super) enum RequestBody {
    /// None.
    Empty,
    /// As it comes.
    Stream(Box<Stream>),
}

#[derive(Debug)]
pub(super) struct Stream {
    incoming: Incoming,
    /// Until the proxy asks for the body. Reading is what makes hyper ask the client for it.
    held: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    received: IntCounter,
    fault: BodyFault,
}

/// Whether it was the client's body that broke an exchange.
#[derive(Debug, Clone, Default)]
pub(super) struct BodyFault(Arc<AtomicBool>);

impl BodyFault {
    pub(super) fn occurred(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, received: IntCounter, fault: BodyFault) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        Self::Stream(Box::new(Stream { incoming, held: None, received, fault }))
    }

    /// Leaves the body with the client until `asked` is cancelled.
    pub(super) fn hold_until(&mut self, asked: CancellationToken) {
        if let Self::Stream(stream) = self {
            stream.held = Some(Box::pin(asked.cancelled_owned()));
        }
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(held) = &mut self.held {
            ready!(held.as_mut().poll(cx));
            self.held = None;
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.received.inc_by(frame.data_ref().map_or(0, Bytes::len) as u64),
            Some(Err(_)) => self.fault.0.store(true, Ordering::Relaxed),
            None => {}
        }
        Poll::Ready(frame)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(stream) => stream.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(stream) => stream.incoming.size_hint(),
        }
    }
}

/// An answer on its way to the client. The exchange is over when its last byte has left or somebody has gone.
#[derive(Debug)]
pub(super) struct AnswerBody {
    source: Source,
    exchange: Exchange,
}

#[derive(Debug)]
enum Source {
    /// The bridge's own words.
    Own(Bytes),
    /// The proxy's, byte for byte.
    Proxy(ReplyBody<RequestBody>),
}

impl AnswerBody {
    pub(super) fn own(text: impl Into<Bytes>, exchange: Exchange) -> Self {
        Self { source: Source::Own(text.into()), exchange }
    }

    pub(super) fn proxy(incoming: ReplyBody<RequestBody>, exchange: Exchange) -> Self {
        Self { source: Source::Proxy(incoming), exchange }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    /// An error ends the client's connection, so that a part never looks like the whole.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = match &mut this.source {
            Source::Own(text) if text.is_empty() => None,
            Source::Own(text) => Some(Ok(Frame::data(std::mem::take(text)))),
            Source::Proxy(incoming) => ready!(Pin::new(incoming).poll_frame(cx)),
        };
        match &frame {
            Some(Ok(frame)) => this.exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) => this.exchange.truncated(),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(text) => text.is_empty(),
            Source::Proxy(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(text) => SizeHint::with_exact(text.len() as u64),
            Source::Proxy(incoming) => incoming.size_hint(),
        }
    }
}
