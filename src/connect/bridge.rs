//! One request: from the client's connection to one of the pool, and its answer back.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::ext::on_informational;
use tokio_util::sync::CancellationToken;

use super::body::{AnswerBody, BodyFault, RequestBody};
use super::destination::Destination;
use super::exchange::Exchange;
use super::respond::{self, Context};
use crate::net::{Misread, strip_request};
use crate::s3::{ErrorCode, Refusal};
use crate::telemetry::BridgeMetrics;
use crate::tls::ClientTls;
use crate::upstream::{Link, ReplyBody, Upstream, UpstreamError};

/// How long the way to the proxy may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For look-up, TCP and TLS.
    pub connect: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
}

/// A proxy's `idle_timeout` may be set low; a connection that rests longer than this is more likely to be met just when
/// it is closed than to save a handshake.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Everything that requests share.
pub struct Bridge {
    to: Destination,
    timeouts: Timeouts,
    pool: ArcSwap<Upstream<RequestBody>>,
    metrics: BridgeMetrics,
}

impl Bridge {
    /// To a proxy, with a certificate.
    pub fn new(to: Destination, timeouts: Timeouts, tls: &ClientTls, metrics: BridgeMetrics) -> Self {
        let pool = ArcSwap::from_pointee(pool(&to, timeouts, tls));
        Self { to, timeouts, pool, metrics }
    }

    /// Puts another certificate in force. Connections with the old one finish what they carry and take nothing new.
    pub fn replace_tls(&self, tls: &ClientTls) {
        self.pool.store(Arc::new(pool(&self.to, self.timeouts, tls)));
    }

    pub(super) fn metrics(&self) -> &BridgeMetrics {
        &self.metrics
    }

    /// Answers one request, unless it may have been misread.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        reading: Result<(), Misread>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let exchange = Exchange::begin(&self.metrics);
        let (head, body) = request.into_parts();
        let last = !body.is_end_stream() || reading.is_err_and(Misread::is_ambiguous);
        let context = Context::of(&head, last);
        let carried = match reading {
            Ok(()) => self.carry(head, body).await,
            Err(misread) => Err(misread.refusal()),
        };
        Ok(match carried {
            Ok(response) => respond::forward(response, &context, exchange),
            Err(refusal) => respond::refuse(&refusal, &context, exchange),
        })
    }

    async fn carry(
        &self,
        mut head: Parts,
        body: Incoming,
    ) -> Result<Response<ReplyBody<RequestBody>>, Refusal> {
        prepare(&mut head)?;
        let fault = BodyFault::default();
        let body = RequestBody::new(body, self.metrics.bytes_in.clone(), fault.clone());
        let repeatable = matches!(head.method, Method::GET | Method::HEAD) && body.is_end_stream();
        let request = ask_before_reading(self.outgoing(&head)?.map(|()| body));
        let again = || {
            let again = self.outgoing(&head).ok().filter(|_| repeatable)?;
            Some(again.map(|()| RequestBody::Empty))
        };
        let pool = self.pool.load_full();
        pool.send(request, again)
            .await
            .map_err(|error| if fault.occurred() { broken_body() } else { self.unreachable(&error) })
    }

    /// The same request as a new one: what the old one knows of its connection stays behind.
    fn outgoing(&self, head: &Parts) -> Result<Request<()>, Refusal> {
        let uri = self
            .to
            .locate(head.uri.path_and_query())
            .map_err(|_| Refusal::new(ErrorCode::InvalidURI, "The address cannot be expressed as a URI."))?;
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = head.headers.clone();
        Ok(request)
    }

    fn unreachable(&self, error: &UpstreamError) -> Refusal {
        self.metrics.upstream_fault(error.fault());
        let why = causes(error);
        tracing::warn!(kind = %error, error = why, to = %self.to, "the proxy did not answer");
        // Every SDK tries again after this code. What it does not try again, such as a stream, it says.
        let message = format!("The proxy at {} did not answer: {why}. Please retry.", self.to);
        Refusal::new(ErrorCode::ServiceUnavailable, message)
    }
}

/// Connections to the proxy at a time: as many as it takes of all of its clients by default.
const MOST: usize = 4096;

fn pool(to: &Destination, timeouts: Timeouts, tls: &ClientTls) -> Upstream<RequestBody> {
    Upstream::over(Link {
        tls: tls.config.clone(),
        server_name: Some(to.server_name().clone()),
        connect_timeout: timeouts.connect,
        idle_timeout: timeouts.idle,
        pool_idle: POOL_IDLE,
        most: MOST,
    })
}

/// Takes the connection's business out of a request, and leaves one `Host`.
fn prepare(head: &mut Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::new(
            ErrorCode::MethodNotAllowed,
            "This is a way to one proxy, not to anywhere.",
        ));
    }
    strip_request(&mut head.headers)?;
    // `GET http://host/path`: the host in the target counts (RFC 9112 section 3.2.2).
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|_| Refusal::new(ErrorCode::InvalidURI, "The host cannot be expressed as a header."))?;
        head.headers.insert(header::HOST, host);
    }
    Ok(())
}

/// A client that expects `100 Continue` is asked for its body when the proxy asks for it, and not when it refuses.
fn ask_before_reading(mut request: Request<RequestBody>) -> Request<RequestBody> {
    let expects = request
        .headers()
        .get(header::EXPECT)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects {
        let asked = CancellationToken::new();
        request.body_mut().hold_until(asked.clone());
        on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                asked.cancel();
            }
        });
    }
    request
}

fn broken_body() -> Refusal {
    Refusal::new(ErrorCode::IncompleteBody, "The body ended early or its framing is damaged.")
}

fn causes(error: &UpstreamError) -> String {
    let chain = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
