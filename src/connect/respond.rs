//! Answers to the client: the proxy's as it came, or a word of the bridge's own that S3 clients understand.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::body::{AnswerBody, RequestBody};
use super::exchange::Exchange;
use crate::net::strip_hop_by_hop;
use crate::s3::Refusal;
use crate::upstream::ReplyBody;

/// What of the request matters for the answer.
#[derive(Debug)]
pub(super) struct Context {
    method: Method,
    path: String,
    /// Whether what follows on the connection may not be a request: bytes of a body may still be under way.
    last: bool,
}

impl Context {
    pub(super) fn of(head: &Parts, last: bool) -> Self {
        Self { method: head.method.clone(), path: head.uri.path().to_owned(), last }
    }
}

/// The proxy's answer, without what concerns its connection only.
pub(super) fn forward(
    response: Response<ReplyBody<RequestBody>>,
    context: &Context,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    let (mut head, body) = response.into_parts();
    // An answer that came before the whole body was read: the client should not try another request behind it.
    let closes = context.last && says_close(&head.headers);
    strip_hop_by_hop(&mut head.headers);
    if closes {
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    head.extensions = http::Extensions::new();
    exchange.answered(head.status);
    Response::from_parts(head, AnswerBody::proxy(body, exchange))
}

fn says_close(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("close"))
}

/// An error document as S3 would word it.
pub(super) fn refuse(refusal: &Refusal, context: &Context, mut exchange: Exchange) -> Response<AnswerBody> {
    let status = refusal.code.status();
    exchange.answered(status);
    let id = format!("{:016X}", rand::random::<u64>());
    let xml = if context.method == Method::HEAD { String::new() } else { refusal.to_xml(&context.path, &id) };
    let mut response = Response::new(AnswerBody::own(xml, exchange));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert("x-amz-request-id", HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-")));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if context.last {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
