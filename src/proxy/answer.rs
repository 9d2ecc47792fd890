//! S3's answer, looked at for two things: whether it speaks of the proxy's own credentials, and whether it tells more
//! than the client may know.
//!
//! Errors about credentials quote what they object to. `SignatureDoesNotMatch` shows the string and the canonical request, in which
//! the session token stands; `ExpiredToken` may repeat the token. The client could do nothing with them, would take
//! them for its own, and must not see them. Every other answer passes untouched.

use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::body::UpstreamBody;
use crate::policy::{Entitlements, Judgement};
use crate::s3::{Access, Action, Asked, ErrorCode, Operation, Refusal, Target, retain_buckets};
use crate::upstream::ReplyBody;

/// An answer that may be passed on.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Parts,
    pub(super) body: AnswerBody,
}

#[derive(Debug)]
pub(super) enum AnswerBody {
    /// What had to be read: a short error, a list of buckets.
    Whole(Bytes),
    /// As it comes.
    Stream(ReplyBody<UpstreamBody>),
}

/// Amazon S3 API reference, "List of error codes", those about who signed and how.
const ABOUT_CREDENTIALS: [&[u8]; 7] = [
    b"<Code>SignatureDoesNotMatch</Code>",
    b"<Code>InvalidAccessKeyId</Code>",
    b"<Code>InvalidToken</Code>",
    b"<Code>ExpiredToken</Code>",
    b"<Code>TokenRefreshRequired</Code>",
    b"<Code>RequestTimeTooSkewed</Code>",
    b"<Code>InvalidSecurity</Code>",
];

/// S3's error documents have a few hundred bytes; a quoted canonical request adds its headers.
const MAX_ERROR: usize = 64 * 1024;
/// For the document behind a head that has arrived already.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a list of buckets: an account has 10,000 at most, of some 300 bytes each.
const MAX_LISTING: usize = 8 * 1024 * 1024;

/// Takes out of an answer what S3 tells only those who may know it. S3 answers the proxy's role; the client may less.
pub(super) async fn withhold(
    mut answer: Answer,
    asked: &Asked,
    entitlements: &Entitlements,
) -> Result<Answer, Refusal> {
    match asked.operation() {
        Operation::ListBuckets => return narrow(answer, asked, entitlements).await,
        Operation::GetObject | Operation::HeadObject => {
            conceal(&mut answer.head.headers, asked, entitlements);
        }
        _ => {}
    }
    Ok(answer)
}

/// Headers of an object that need an action besides the read.
///
/// Source: Amazon S3 API reference, "GetObject" and "HeadObject", response headers.
const OF_AN_ACTION: [(&str, Action, Action); 7] = [
    ("x-amz-object-lock-event-hold", Action::GetObjectRetention, Action::GetObjectRetention),
    ("x-amz-object-lock-event-hold-duration-days", Action::GetObjectRetention, Action::GetObjectRetention),
    ("x-amz-object-lock-event-hold-duration-years", Action::GetObjectRetention, Action::GetObjectRetention),
    ("x-amz-object-lock-legal-hold", Action::GetObjectLegalHold, Action::GetObjectLegalHold),
    ("x-amz-object-lock-mode", Action::GetObjectRetention, Action::GetObjectRetention),
    ("x-amz-object-lock-retain-until-date", Action::GetObjectRetention, Action::GetObjectRetention),
    ("x-amz-tagging-count", Action::GetObjectTagging, Action::GetObjectVersionTagging),
];

fn conceal(headers: &mut HeaderMap, asked: &Asked, entitlements: &Entitlements) {
    let withheld = |name: &HeaderName| OF_AN_ACTION.iter().any(|(other, ..)| name == other);
    if !headers.keys().any(withheld) {
        return;
    }
    let Target::Object(bucket, key) = asked.target() else { return };
    let version = asked.query().value("versionId");
    for (name, current, versioned) in OF_AN_ACTION {
        if headers.contains_key(name) {
            let action = if version.is_some() { versioned } else { current };
            let access = Access::on_object(action, bucket, key, version);
            if !matches!(entitlements.judge(&access), Judgement::Allowed(_)) {
                headers.remove(name);
            }
        }
    }
}

/// Leaves of a list of buckets what the client may know of, and asked for.
async fn narrow(answer: Answer, asked: &Asked, entitlements: &Entitlements) -> Result<Answer, Refusal> {
    let Answer { mut head, body } = answer;
    let AnswerBody::Stream(body) = body else { return Ok(Answer { head, body }) };
    if head.status != StatusCode::OK {
        return Ok(Answer { head, body: AnswerBody::Stream(body) });
    }
    let unusable =
        || Refusal::new(ErrorCode::InternalError, "S3's list of buckets could not be read. Please retry.");
    let whole = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, MAX_LISTING).collect()).await;
    let Ok(Ok(whole)) = whole else { return Err(unusable()) };
    let shown = |name: &str| {
        name.starts_with(asked.bucket_prefix())
            && name.parse().is_ok_and(|bucket| entitlements.shows(&bucket))
    };
    let narrowed = std::str::from_utf8(&whole.to_bytes())
        .ok()
        .and_then(|xml| retain_buckets(xml, shown).ok())
        .ok_or_else(unusable)?;
    for stale in [header::CONTENT_LENGTH, header::ETAG, header::TRANSFER_ENCODING] {
        head.headers.remove(stale);
    }
    Ok(Answer { head, body: AnswerBody::Whole(narrowed.into()) })
}

/// Withholds errors about the proxy's credentials.
pub(super) async fn examine(response: Response<ReplyBody<UpstreamBody>>) -> Result<Answer, Refusal> {
    let (head, body) = response.into_parts();
    // The codes above come with one of these.
    if !matches!(head.status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) {
        return Ok(Answer { head, body: AnswerBody::Stream(body) });
    }
    let document = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, MAX_ERROR).collect()).await;
    let Ok(Ok(document)) = document else {
        return Err(Refusal::new(ErrorCode::InternalError, "S3's answer could not be read. Please retry."));
    };
    let document = document.to_bytes();
    let code = ABOUT_CREDENTIALS.iter().find(|code| document.windows(code.len()).any(|part| part == **code));
    if let Some(code) = code {
        let code = String::from_utf8_lossy(code);
        tracing::error!(%code, "S3 does not accept the proxy's signature or credentials");
        let message = "S3 does not accept the proxy's credentials at the moment. Please retry.";
        return Err(Refusal::new(ErrorCode::ServiceUnavailable, message));
    }
    Ok(Answer { head, body: AnswerBody::Whole(document) })
}
