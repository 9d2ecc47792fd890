//! A connection that carries one request at a time, and whoever waits for its answer drives it.
//!
//! hyper's own pool gives every connection a task of its own; each request, each head and each piece of a body is then
//! handed from task to task, and often from one processor to another. Here the connection belongs to the request while
//! it lasts, so that nobody has to be woken but by the network.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Weak;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;

use super::connector::UpstreamStream;
use super::pool::Pool;

/// A connection, with or without a request under way.
pub(super) struct Line<B: Body<Data = Bytes> + 'static> {
    host: Authority,
    sender: SendRequest<B>,
    /// Until it has ended.
    connection: Option<Box<Connection<TokioIo<UpstreamStream>, B>>>,
    served: bool,
    pooled: bool,
}

impl<B> Line<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Over a new connection to `host`.
    pub(super) async fn new(stream: UpstreamStream, host: Authority) -> hyper::Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Self { host, sender, connection: Some(Box::new(connection)), served: false, pooled: false })
    }

    pub(super) fn host(&self) -> &Authority {
        &self.host
    }

    /// Whether it has already carried an answer, so that its end may just mean that S3 tired of waiting.
    pub(super) fn has_served(&self) -> bool {
        self.served
    }

    /// Whether it has been in the pool, so that its end may just have come while nobody looked.
    pub(super) fn was_pooled(&self) -> bool {
        self.pooled
    }

    /// Into the pool it goes.
    pub(super) fn pool(&mut self) {
        self.pooled = true;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(connection) = &mut self.connection {
            // How it ended is for the request to say, which hyper tells; without one nobody asks.
            let _ = ready!(Pin::new(&mut **connection).poll(cx));
            // A request that waits to be sent comes back only when its connection is gone.
            self.connection = None;
        }
        Poll::Ready(())
    }

    /// Whether it takes another request: it has not been closed while nobody looked.
    pub(super) fn is_ready(&mut self) -> bool {
        // Nobody has to be woken: whoever uses it polls it at once.
        self.poll(&mut Context::from_waker(Waker::noop())).is_pending() && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of the answer. If it was not begun to be sent, the error holds it.
    pub(super) async fn exchange(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        // Without tokio's budget, which would ask for another turn by a waker that is none.
        let mut answer = pin!(tokio::task::unconstrained(self.sender.try_send_request(request)));
        let answer = poll_fn(|cx| {
            let ended = self.poll(cx).is_ready();
            answer.as_mut().poll(&mut waker_of(ended, cx))
        });
        let answer = answer.await?;
        self.served = true;
        Ok(answer)
    }

    /// Waits until the last request is through; `false` if the connection ends with it.
    async fn settles(&mut self) -> bool {
        poll_fn(|cx| {
            if self.poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            self.sender.poll_ready(cx).map(|ready| ready.is_ok())
        })
        .await
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        let Self { sender, connection, .. } = self;
        drop(sender);
        if let Some(connection) = connection {
            // Nobody is there to be told.
            let _ = connection.await;
        }
    }
}

/// What hyper hands over comes from the connection, and while that is polled here before, a waker would only wake the
/// task that runs already.
fn waker_of<'a>(ended: bool, cx: &'a Context<'_>) -> Context<'a> {
    Context::from_waker(if ended { cx.waker() } else { Waker::noop() })
}

/// The body of an answer, with the connection that it comes over.
pub struct ReplyBody<B: Body<Data = Bytes> + 'static> {
    incoming: Incoming,
    /// Until the body is whole or the connection has ended.
    line: Option<Line<B>>,
    /// Where the connection goes then.
    pool: Weak<Pool<B>>,
    /// Why the body ended too early, for when what there is of it has been taken.
    broken: Option<hyper::Error>,
}

impl<B> ReplyBody<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(incoming: Incoming, line: Line<B>, pool: Weak<Pool<B>>) -> Self {
        let mut body = Self { incoming, line: Some(line), pool, broken: None };
        if body.incoming.is_end_stream() {
            body.release();
        }
        body
    }

    /// The answer is whole: the connection can carry another one, perhaps after what is left of the request.
    fn release(&mut self) {
        let (Some(mut line), Some(pool)) = (self.line.take(), self.pool.upgrade()) else { return };
        if line.is_ready() {
            return pool.put(line);
        }
        if line.connection.is_none() {
            return;
        }
        drop(pool);
        let pool = self.pool.clone();
        tokio::spawn(async move {
            if line.settles().await
                && let Some(pool) = pool.upgrade()
            {
                pool.put(line);
            }
        });
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.incoming).poll_frame(&mut waker_of(self.line.is_none(), cx))
    }
}

impl<B> Body for ReplyBody<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut polled = this.poll_incoming(cx);
        if polled.is_pending()
            && let Some(line) = &mut this.line
        {
            if line.poll(cx).is_ready() {
                this.line = None;
            }
            polled = this.poll_incoming(cx);
        }
        let over = match &polled {
            // Nobody asks for more behind trailers.
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Ready(None) => true,
            _ => false,
        };
        if over || this.incoming.is_end_stream() {
            this.release();
        }
        if let Poll::Ready(Some(Err(error))) = polled {
            // One turn later: hyper would throw away what it has not sent of the answer so far.
            this.broken = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl<B: Body<Data = Bytes> + 'static> fmt::Debug for ReplyBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
