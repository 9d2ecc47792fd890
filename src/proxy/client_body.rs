//! S3's answer on its way to the client, or a few words of ours.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::at_rest::Opened;
use super::body::UpstreamBody;
use super::late_error::LateError;
use super::pace::Pace;
use super::record::Record;
use crate::upstream::ReplyBody;

/// An answer on its way to the client. Holds the record until its last byte is handed to the connection or somebody
/// has gone: from then on a client that does not read holds nothing that others need.
#[derive(Debug)]
pub(super) struct ClientBody {
    source: Source,
    /// What of the last frame is still to be handed over.
    rest: Bytes,
    pace: Option<Pace>,
    /// What is read along of an answer that may be an error yet.
    late: Option<LateError>,
    /// `None` when the request is over.
    record: Option<Record>,
    /// Until hyper has taken the last of it.
    opened: Option<Opened>,
}

#[derive(Debug)]
enum Source {
    Whole,
    Upstream(ReplyBody<UpstreamBody>),
}

/// Bytes at a time over HTTP/2: hyper asks for more only when the client has taken them, and what moves must be seen
/// to move.
const PIECE: usize = 16 * 1024;

impl Drop for ClientBody {
    fn drop(&mut self) {
        if let Some(record) = &mut self.record {
            let expired = self.pace.as_ref().is_some_and(Pace::expired);
            record.cut_off(expired);
        }
    }
}

impl ClientBody {
    /// Words that are all there. A request that cannot be recorded has no record.
    pub(super) fn whole(text: Bytes, record: Option<Record>) -> Self {
        Self::new(Source::Whole, text, record)
    }

    /// S3's answer, byte for byte.
    pub(super) fn upstream(incoming: ReplyBody<UpstreamBody>, record: Record) -> Self {
        Self::new(Source::Upstream(incoming), Bytes::new(), Some(record))
    }

    fn new(source: Source, rest: Bytes, record: Option<Record>) -> Self {
        let pace = Pace::of_this_stream();
        if let Some(pace) = &pace {
            pace.moved();
        }
        let late = record.as_ref().and_then(Record::late_error);
        let mut body = Self { source, rest, pace, late, record, opened: None };
        body.end_if_over();
        body
    }

    /// The same, and its request is open for as long.
    pub(super) fn holding(mut self, opened: Opened) -> Self {
        self.opened = Some(opened);
        self
    }

    fn end_if_over(&mut self) {
        if self.is_end_stream() {
            self.end();
        }
    }

    /// The last byte is handed over.
    fn end(&mut self) {
        if let Some(mut record) = self.record.take()
            && let Some(code) = self.late.take().and_then(|late| late.code())
        {
            record.failed_late(code);
        }
    }

    /// The next piece of what is there.
    fn piece(&mut self) -> Bytes {
        let most = if self.pace.is_some() { PIECE } else { usize::MAX };
        self.rest.split_to(most.min(self.rest.len()))
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            let Source::Upstream(incoming) = &mut this.source else { return Poll::Ready(None) };
            match ready!(Pin::new(incoming).poll_frame(cx)) {
                // Trailer fields of HTTP itself are none of S3's.
                Some(Ok(frame)) => {
                    this.rest = frame.into_data().unwrap_or_default();
                    if let Some(late) = &mut this.late {
                        late.see(&this.rest);
                    }
                }
                Some(Err(error)) => {
                    // The client learns the truth: its connection is cut off, so that a part never looks like the whole.
                    if let Some(mut record) = this.record.take() {
                        record.truncated();
                    }
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
            }
        }
        let piece = this.piece();
        if let Some(record) = &mut this.record {
            record.bytes_out(piece.len());
        }
        if let Some(pace) = &this.pace {
            pace.moved();
        }
        this.end_if_over();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.source {
                Source::Whole => true,
                Source::Upstream(incoming) => incoming.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        match &self.source {
            Source::Whole => SizeHint::with_exact(rest),
            Source::Upstream(incoming) => {
                let mut hint = incoming.size_hint();
                // The larger bound first: the lower one must not pass it.
                if let Some(upper) = hint.upper() {
                    hint.set_upper(upper.saturating_add(rest));
                }
                hint.set_lower(hint.lower().saturating_add(rest));
                hint
            }
        }
    }
}
