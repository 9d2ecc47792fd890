//! The life of a request, stage by stage.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::body::Incoming;

use super::answer::{self, Answer};
use super::body::{BodyFault, Gathered, Gathering, UpstreamBody};
use super::client::Client;
use super::client_body::ClientBody;
use super::record::{Record, Sinks};
use super::respond::{self, Context};
use super::rewrite;
use super::rulebook::Rulebook;
use super::share::Shares;
use crate::config::Config;
use crate::credentials::{Keyring, Unsignable};
use crate::net::{Misread, strip_request};
use crate::policy::{Additions, Entitlements, Permitted, Policy, Stop};
use crate::s3::{Asked, Classified, Domains, ErrorCode, Refusal, classify};
use crate::sigv4::{ChunkSigner, Payload, PayloadMode, Signer, SigningCredentials};
use crate::telemetry::{AccessLog, BadRequest, Metrics, Traces, Unrecordable, UpstreamFault};
use crate::upstream::{Endpoint, ReplyBody, TrustError, Upstream, UpstreamError};

/// Everything that requests share.
pub struct Proxy {
    domains: Domains,
    rules: ArcSwap<Rulebook>,
    endpoint: Endpoint,
    signer: Signer,
    keyring: Keyring,
    upstream: Upstream<UpstreamBody>,
    gathering: Gathering,
    max_object_size: u64,
    pub(super) shares: Shares,
    sinks: Arc<Sinks>,
}

impl Proxy {
    /// Of the configuration.
    pub fn new(
        config: &Config,
        keyring: Keyring,
        log: AccessLog,
        metrics: Metrics,
        traces: Option<Traces>,
    ) -> Result<Self, TrustError> {
        Ok(Self {
            domains: config.domains(),
            rules: ArcSwap::from_pointee(Rulebook::new(config.policy.clone())),
            endpoint: Endpoint::new(&config.upstream),
            signer: Signer::new(&config.upstream.region),
            keyring,
            upstream: Upstream::new(&config.upstream, &config.limits)?,
            gathering: Gathering::default(),
            max_object_size: config.limits.max_object_size,
            shares: Shares::new(&config.limits),
            sinks: Arc::new(Sinks { log, metrics, traces }),
        })
    }

    /// Puts other grants in force, from the next request on, on connections that are open too.
    pub fn replace_policy(&self, policy: Policy) {
        self.rules.store(Arc::new(Rulebook::new(policy)));
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.sinks.metrics
    }

    pub(super) fn rules(&self) -> Arc<Rulebook> {
        self.rules.load_full()
    }

    /// Answers one request, unless it may have been misread.
    pub(super) async fn answer(
        &self,
        client: &Client,
        request: Request<Incoming>,
        reading: Result<(), Misread>,
    ) -> Result<Response<ClientBody>, Infallible> {
        let context = Context::of(&request, reading.is_err_and(Misread::is_ambiguous));
        let mut record = match Record::begin(&self.sinks, client, request.headers()).await {
            Ok(record) => record,
            Err(why) => return Ok(self.turn_away(why, &context)),
        };
        let answered = match reading {
            Ok(()) => self.journey(client, request, &mut record).await,
            Err(misread) => Err(self.mistrust(misread)),
        };
        let mut response = match answered {
            Ok(answer) => respond::forward(answer, record),
            Err(refusal) => respond::refuse(&refusal, &context, record),
        };
        if client.is_retiring() {
            respond::last_of_its_connection(&mut response, &context);
        }
        Ok(response)
    }

    fn mistrust(&self, misread: Misread) -> Refusal {
        if misread.is_ambiguous() {
            self.sinks.metrics.bad_request(BadRequest::Ambiguous);
        }
        misread.refusal()
    }

    /// What cannot be recorded is not done.
    fn turn_away(&self, why: Unrecordable, context: &Context) -> Response<ClientBody> {
        self.sinks.metrics.unrecorded.with_label_values(&[&why.to_string()]).inc();
        let (code, message) = match why {
            Unrecordable::TooMany => {
                (ErrorCode::SlowDown, "The proxy has too many requests open. Please retry.")
            }
            Unrecordable::Stuck => {
                (ErrorCode::ServiceUnavailable, "The proxy takes no requests at the moment. Please retry.")
            }
        };
        respond::refuse_unrecorded(&Refusal::new(code, message), context)
    }

    async fn journey(
        &self,
        client: &Client,
        request: Request<Incoming>,
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        client.is_welcome()?;
        record.take_share(client)?;
        let (mut head, incoming) = request.into_parts();
        strip_request(&mut head.headers)?;
        let classified = classify(&mut head, &self.domains)?; // what is asked
        record.classified(&classified);
        let payload = Payload::plan(&head, incoming.size_hint().exact())?;
        let rules = self.rules();
        let (policy, entitlements) = (&rules.policy, client.entitlements(&rules));
        let judge = Judge { policy, entitlements: &entitlements, headers: &head.headers };
        let (asked, received) = self.complete(client, &judge, classified, incoming, &payload, record).await?;
        record.touches(asked.operation(), asked.accesses());
        let decided = policy.decide(&entitlements, asked, &head.headers, self.keyring.clock().now());
        let (permitted, additions) = stopped(decided, record)?; // may they
        record.granted(permitted.grant());
        payload.check_size(permitted.asked().operation(), &head.headers, self.max_object_size)?;
        let credentials =
            self.keyring.credentials(client.identity(), client.label(), permitted.acting()).await;
        let credentials = credentials.map_err(unsigned)?; // with the proxy's credentials, or the client's session
        let order =
            Order { head: &head, permitted: &permitted, additions: &additions, credentials: &credentials };
        let response = self.ask(order, payload, received, record).await?; // as S3 should see it
        let answer = answer::examine(response).await;
        let answer = answer.inspect_err(|_| self.sinks.metrics.upstream_fault(UpstreamFault::Refused))?;
        self.suspect(&head.method, answer.head.status);
        answer::withhold(answer, permitted.asked(), &entitlements).await
    }

    /// An answer to HEAD has no document that would say whether it is about the object or about the proxy's own
    /// credentials; it passes, but operators can see when there are many.
    fn suspect(&self, method: &Method, status: StatusCode) {
        if method == Method::HEAD && matches!(status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) {
            self.sinks.metrics.upstream_fault(UpstreamFault::Unexplained);
        }
    }

    /// Reads the body where it says what is asked.
    async fn complete(
        &self,
        client: &Client,
        judge: &Judge<'_>,
        classified: Classified,
        incoming: Incoming,
        payload: &Payload,
        record: &mut Record,
    ) -> Result<(Asked, Received), Refusal> {
        let unread = match classified {
            Classified::Never(never) => return Err(never.refusal()),
            Classified::Whole(asked) => return Ok((asked, Received::Nothing(incoming))),
            Classified::Unread(unread) => unread,
        };
        record.touches(unread.operation(), unread.accesses());
        // Before the body is read, and with it `100 Continue` sent: could the request be allowed at all?
        stopped(judge.policy.precheck(judge.entitlements, &unread, judge.headers), record)?;
        payload.check_document(unread.operation(), unread.document())?;
        let body =
            self.gathering.gather(incoming, unread.document(), client.share(), &record.bytes_in()).await?;
        Ok((unread.with_body(&body.bytes)?, Received::Whole(body)))
    }

    /// Asks S3. A read that it has not answered may be sent a second time.
    async fn ask(
        &self,
        order: Order<'_>,
        payload: Payload,
        received: Received,
        record: &mut Record,
    ) -> Result<Response<ReplyBody<UpstreamBody>>, Refusal> {
        let Payload { mode, content_length, recode, .. } = payload;
        let signed = || self.sign(&order, &mode, content_length);
        let (head, signer) = signed()?;
        let fault = BodyFault::default();
        let body = match (received, content_length) {
            (Received::Whole(body), _) => UpstreamBody::Whole(body),
            (Received::Nothing(_), None | Some(0)) => UpstreamBody::Empty,
            (Received::Nothing(incoming), Some(length)) => {
                UpstreamBody::stream(incoming, length, recode, signer, record.bytes_in(), fault.clone())
            }
        };
        let repeatable = matches!(order.head.method, Method::GET | Method::HEAD);
        let again = || Some(repeatable.then(signed)?.ok()?.0.map(|()| UpstreamBody::Empty));
        record.sent();
        let asked = SystemTime::now();
        let response = self.upstream.send(head.map(|()| body), again).await;
        let date = response.as_ref().ok().and_then(|response| response.headers().get(header::DATE));
        self.keyring.clock().observe("S3", asked, date);
        response.map_err(|error| fault.refusal().unwrap_or_else(|| self.unreachable(&error)))
    }

    /// The head as S3 should see it, and what signs the chunks of its body.
    fn sign(
        &self,
        order: &Order<'_>,
        mode: &PayloadMode,
        content_length: Option<u64>,
    ) -> Result<(Request<()>, ChunkSigner), Refusal> {
        let Order { head, permitted, additions, credentials } = order;
        let mut head = rewrite::head(head, permitted, content_length, additions, &self.endpoint)?;
        // As late as possible: S3 refuses a signature that is fifteen minutes old.
        let now = self.keyring.clock().now();
        let signer = self.signer.sign(&mut head, mode, credentials, now).map_err(|error| {
            tracing::error!(%error, "a request cannot be signed");
            Refusal::new(ErrorCode::InternalError, "The request could not be signed.")
        })?;
        Ok((head, signer))
    }

    fn unreachable(&self, error: &UpstreamError) -> Refusal {
        self.sinks.metrics.upstream_fault(error.fault());
        tracing::warn!(kind = %error, error = causes(error), "S3 did not answer");
        match error {
            // Nothing was sent: every SDK retries this, whatever the request.
            UpstreamError::Lookup(_) | UpstreamError::Connect(_) | UpstreamError::Tls(_) => Refusal::new(
                ErrorCode::ServiceUnavailable,
                "S3 cannot be reached at the moment. Please retry.",
            ),
            UpstreamError::Timeout(_) | UpstreamError::Broken(_) => Refusal::new(
                ErrorCode::InternalError,
                "The connection to S3 broke before it answered. Please retry.",
            ),
        }
    }
}

fn stopped<T>(decided: Result<T, Stop>, record: &mut Record) -> Result<T, Refusal> {
    decided.map_err(|stop| {
        record.stopped_by(stop.decided_by());
        stop.to_refusal()
    })
}

/// What decides a request.
struct Judge<'a> {
    policy: &'a Policy,
    entitlements: &'a Entitlements,
    headers: &'a HeaderMap,
}

fn unsigned(why: Unsignable) -> Refusal {
    let (code, message) = match why {
        Unsignable::Unavailable => {
            (ErrorCode::ServiceUnavailable, "The proxy has no valid credentials at the moment. Please retry.")
        }
        Unsignable::NoSession => (
            ErrorCode::ServiceUnavailable,
            "The proxy gets no session of its role for this identity. Ask the administrator of this proxy.",
        ),
        Unsignable::SeveralRoles(_) => (
            ErrorCode::AccessDenied,
            "Access Denied: the grants that allow this request act as different roles, and it carries one signature. Ask \
             the administrator of this proxy for one grant that allows all of it.",
        ),
    };
    Refusal::new(code, message)
}

/// A request that is to be put to S3.
struct Order<'a> {
    head: &'a Parts,
    permitted: &'a Permitted,
    additions: &'a Additions,
    credentials: &'a SigningCredentials,
}

/// A body after authorization.
enum Received {
    /// Not a byte was read.
    Nothing(Incoming),
    /// All of it, for its keys.
    Whole(Gathered),
}

fn causes(error: &UpstreamError) -> String {
    let chain = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
