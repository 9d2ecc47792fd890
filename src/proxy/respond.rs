//! Answers to the client: S3's as it came, or a refusal that looks like one of S3's.

use http::{HeaderName, HeaderValue, Method, Response, Version, header};

use super::answer::{Answer, AnswerBody};
use super::client_body::ClientBody;
use super::record::{Record, request_id};
use crate::net::strip_hop_by_hop;
use crate::s3::Refusal;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// What of the request matters for a refusal.
#[derive(Debug)]
pub(super) struct Context {
    method: Method,
    version: Version,
    path: String,
    /// Whether what follows on the connection may not be a request: bytes of a body may still be under way, or the head
    /// can be read in two ways.
    last: bool,
}

impl Context {
    pub(super) fn of<B: http_body::Body>(request: &http::Request<B>, ambiguous: bool) -> Self {
        Self {
            method: request.method().clone(),
            version: request.version(),
            path: request.uri().path().to_owned(),
            last: ambiguous || !request.body().is_end_stream(),
        }
    }
}

/// S3's answer, without what concerns its connection only. Nothing is decompressed, followed or judged.
pub(super) fn forward(answer: Answer, mut record: Record) -> Response<ClientBody> {
    let Answer { mut head, body } = answer;
    strip_hop_by_hop(&mut head.headers);
    head.extensions = http::Extensions::new();
    head.version = Version::default();
    let id = head.headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    record.answered(head.status, id);
    let body = match body {
        AnswerBody::Whole(bytes) => ClientBody::whole(bytes, Some(record)),
        AnswerBody::Stream(incoming) => ClientBody::upstream(incoming, record),
    };
    Response::from_parts(head, body)
}

/// A refusal as S3 would word it.
pub(super) fn refuse(refusal: &Refusal, context: &Context, mut record: Record) -> Response<ClientBody> {
    record.refused(refusal);
    let id = record.request_id().to_owned();
    word(refusal, context, &id, Some(record))
}

/// The same for a request that cannot be recorded, and therefore is not looked at.
pub(super) fn refuse_unrecorded(refusal: &Refusal, context: &Context) -> Response<ClientBody> {
    word(refusal, context, &request_id(), None)
}

/// Asks the client to take another connection for its next request. Over HTTP/2 the connection itself has said so.
pub(super) fn last_of_its_connection(response: &mut Response<ClientBody>, context: &Context) {
    if context.version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

fn word(refusal: &Refusal, context: &Context, id: &str, record: Option<Record>) -> Response<ClientBody> {
    let xml = if context.method == Method::HEAD { String::new() } else { refusal.to_xml(&context.path, id) };
    let mut response = Response::new(ClientBody::whole(xml.into(), record));
    *response.status_mut() = refusal.code.status();
    let headers = response.headers_mut();
    headers.insert(&REQUEST_ID, HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("-")));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if refusal.code.status() == http::StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    // An unread body, for one, leaves the connection unusable for another request; the client should not try.
    if context.last && context.version < Version::HTTP_2 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
