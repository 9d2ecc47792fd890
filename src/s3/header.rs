//! Which request headers reach S3, as a closed table.
//!
//! The proxy signs with its own role, so a header that it forwards gains that role's weight. An `x-amz-*` header
//! that is not listed is therefore refused; any other header that is not listed is harmless noise and stays behind.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::action::Action;
use super::error::{ErrorCode, Refusal};
use super::operation::Operation;
use super::query::Query;

/// What becomes of a request header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderRule {
    /// Sent as received, outside the signature: intermediaries may rewrite such headers.
    Forward,
    /// Sent as received and signed, as S3 requires of every `x-amz-*` header.
    Sign,
    /// Not sent: the client's own authentication, framing, connection management, noise.
    Drop,
    /// The request is refused with this code and reason.
    Refuse(ErrorCode, &'static str),
}

use HeaderRule::{Drop, Forward, Refuse, Sign};

/// The rule for a header, by its lower-case name.
pub fn rule(name: &str) -> HeaderRule {
    if let Some(amz) = name.strip_prefix("x-amz-") {
        return amz_rule(amz);
    }
    match name {
        "content-md5" => Sign,
        "accept"
        | "accept-encoding"
        | "cache-control"
        | "content-disposition"
        | "content-encoding"
        | "content-language"
        | "content-type"
        | "expires"
        | "if-match"
        | "if-modified-since"
        | "if-none-match"
        | "if-range"
        | "if-unmodified-since"
        | "range"
        | "user-agent" => Forward,
        _ => Drop,
    }
}

fn amz_rule(name: &str) -> HeaderRule {
    if name.starts_with("meta-") {
        return Sign;
    }
    if let Some(algorithm) = name.strip_prefix("checksum-") {
        return match algorithm {
            "algorithm" | "crc32" | "crc32c" | "crc64nvme" | "md5" | "mode" | "sha1" | "sha256"
            | "sha512" | "type" | "xxhash128" | "xxhash3" | "xxhash64" => Sign,
            _ => Refuse(ErrorCode::NotImplemented, "This checksum header is not known here."),
        };
    }
    match name {
        // The client's own authentication; the signer makes its own. And the version of the SDK's model (AWS SDK for C++),
        // of which S3 has only ever had one.
        // Java's SDK asks with `te` for a digest behind the body, and does without where there is none.
        "content-sha256" | "date" | "security-token" | "api-version" | "te" => Drop,
        "s3session-token" | "write-offset-bytes" => {
            Refuse(ErrorCode::NotImplemented, "S3 Express One Zone does not pass through the proxy.")
        }
        "acl"
        | "bucket-namespace"
        | "bucket-object-lock-enabled"
        | "bucket-object-lock-token"
        | "bypass-governance-retention"
        | "confirm-remove-self-bucket-access"
        | "copy-source"
        | "copy-source-if-match"
        | "copy-source-if-modified-since"
        | "copy-source-if-none-match"
        | "copy-source-if-unmodified-since"
        | "copy-source-range"
        | "copy-source-server-side-encryption-customer-algorithm"
        | "copy-source-server-side-encryption-customer-key"
        | "copy-source-server-side-encryption-customer-key-md5"
        | "decoded-content-length"
        | "expected-bucket-owner"
        | "grant-full-control"
        | "grant-read"
        | "grant-read-acp"
        | "grant-write"
        | "grant-write-acp"
        | "if-match-initiated-time"
        | "if-match-last-modified-time"
        | "if-match-size"
        | "max-parts"
        | "metadata-directive"
        | "mfa"
        | "mp-object-size"
        | "object-annotation-directive"
        | "object-attributes"
        | "object-if-match"
        | "object-lock-event-hold"
        | "object-lock-event-hold-duration-days"
        | "object-lock-event-hold-duration-years"
        | "object-lock-legal-hold"
        | "object-lock-mode"
        | "object-lock-retain-until-date"
        | "object-ownership"
        | "optional-object-attributes"
        | "part-number-marker"
        | "request-payer"
        | "sdk-checksum-algorithm"
        | "server-side-encryption"
        | "server-side-encryption-aws-kms-key-id"
        | "server-side-encryption-bucket-key-enabled"
        | "server-side-encryption-context"
        | "server-side-encryption-customer-algorithm"
        | "server-side-encryption-customer-key"
        | "server-side-encryption-customer-key-md5"
        | "skip-destination-validation"
        | "source-expected-bucket-owner"
        | "storage-class"
        | "tagging"
        | "tagging-directive"
        | "trailer"
        | "transition-default-minimum-object-size"
        | "user-agent"
        | "website-redirect-location" => Sign,
        _ => Refuse(ErrorCode::NotImplemented, "This x-amz- header is not known here."),
    }
}

/// Headers whose value must stay out of every log, although the proxy forwards them.
pub(super) fn is_secret(name: &str) -> bool {
    name.ends_with("server-side-encryption-customer-key") || name == "x-amz-mfa"
}

/// Moves the headers that a presigner put into the query back among the headers, where S3 reads them too.
pub(super) fn unhoist(headers: &mut HeaderMap, query: &Query) -> Result<(), Refusal> {
    for parameter in query.hoisted() {
        let invalid = || {
            let message = format!("The query parameter '{}' is no valid header.", parameter.name);
            Refusal::new(ErrorCode::InvalidArgument, message)
        };
        let name = HeaderName::from_bytes(parameter.name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_str(&parameter.value).map_err(|_| invalid())?;
        if headers.get(&name).is_some_and(|given| given != value) {
            let message = format!("'{name}' differs between the query and the headers.");
            return Err(Refusal::new(ErrorCode::InvalidArgument, message));
        }
        headers.insert(name, value);
    }
    Ok(())
}

/// Refuses what the table refuses, headers that occur twice (two readers could pick different ones) and
/// values that SigV4 cannot sign. Marks secrets, so that no `Debug` shows them.
pub(super) fn check(headers: &mut HeaderMap) -> Result<(), Refusal> {
    for header in headers.keys() {
        let name = header.as_str();
        match rule(name) {
            Refuse(code, why) => return Err(Refusal::new(code, format!("{name}: {why}"))),
            // It stays behind and is signed anew, but says what the body is.
            Drop => refuse_doubled(headers, header, name != "x-amz-content-sha256")?,
            Forward => refuse_doubled(headers, header, LISTS.contains(&name))?,
            Sign => {
                let mut values = headers.get_all(header).iter();
                if values.any(|value| !value.as_bytes().iter().all(|b| matches!(b, b' '..=b'~'))) {
                    let message = format!(
                        "The header '{name}' has tabs or characters outside US-ASCII, which SigV4 cannot sign."
                    );
                    return Err(Refusal::new(ErrorCode::InvalidArgument, message));
                }
                refuse_doubled(headers, header, name.starts_with("x-amz-meta-"))?;
            }
        }
    }
    for (name, value) in headers.iter_mut() {
        if is_secret(name.as_str()) {
            value.set_sensitive(true);
        }
    }
    Ok(())
}

/// Forwarded headers that are lists, which may come in several lines (RFC 9110 section 5.3).
const LISTS: [&str; 6] =
    ["accept", "accept-encoding", "cache-control", "content-encoding", "content-language", "user-agent"];

/// Two readers could pick different ones.
fn refuse_doubled(headers: &HeaderMap, name: &HeaderName, may_be: bool) -> Result<(), Refusal> {
    if may_be || headers.get_all(name).iter().nth(1).is_none() {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::InvalidArgument, format!("The header '{name}' occurs more than once.")))
}

/// Operations, and the actions that a header needs on them.
type Meaning = (&'static [Operation], &'static [Action]);

/// Headers that need actions of their own, by the operations on which S3 reads them. Elsewhere they are refused.
///
/// Source: Amazon S3 API reference, the permissions of each operation.
const NEEDS: [(&[&str], &[Meaning]); 8] = [
    (&["x-amz-tagging"], &[(WRITES, &[Action::PutObjectTagging])]),
    (
        &[
            "x-amz-object-lock-mode",
            "x-amz-object-lock-retain-until-date",
            "x-amz-object-lock-event-hold",
            "x-amz-object-lock-event-hold-duration-days",
            "x-amz-object-lock-event-hold-duration-years",
        ],
        &[(WRITES, &[Action::PutObjectRetention])],
    ),
    (&["x-amz-object-lock-legal-hold"], &[(WRITES, &[Action::PutObjectLegalHold])]),
    (
        &["x-amz-bypass-governance-retention"],
        &[(
            &[
                Operation::DeleteObject,
                Operation::DeleteObjectAnnotation,
                Operation::DeleteObjects,
                Operation::PutObjectRetention,
            ],
            &[Action::BypassGovernanceRetention],
        )],
    ),
    (
        ACL,
        &[
            (WRITES, &[Action::PutObjectAcl]),
            (&[Operation::CreateBucket], &[Action::PutBucketAcl]),
            // These need their action anyway.
            (&[Operation::PutObjectAcl, Operation::PutBucketAcl], &[]),
        ],
    ),
    (
        &["x-amz-bucket-object-lock-enabled"],
        &[(
            &[Operation::CreateBucket],
            &[Action::PutBucketObjectLockConfiguration, Action::PutBucketVersioning],
        )],
    ),
    (&["x-amz-object-ownership"], &[(&[Operation::CreateBucket], &[Action::PutBucketOwnershipControls])]),
    (&["x-amz-website-redirect-location"], &[(WRITES, &[])]),
];

const WRITES: &[Operation] = &[Operation::PutObject, Operation::CopyObject, Operation::CreateMultipartUpload];

/// The headers that set an ACL.
pub const ACL: &[&str] = &[
    "x-amz-acl",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];

/// Writes and deletes that S3 makes depend on the ETag of what is there: an answer to "is it this content?", which
/// S3 gives only to those who may read. `*` asks for nothing but existence.
///
/// Source: Amazon S3 user guide, "Enforce conditional deletes" and "How to prevent object overwrites".
const IF_MATCH_READS: &[Operation] = &[
    Operation::PutObject,
    Operation::CopyObject,
    Operation::CompleteMultipartUpload,
    Operation::DeleteObject,
];

/// The further actions that the headers ask for.
pub(super) fn needs(operation: Operation, headers: &HeaderMap) -> Result<Vec<Action>, Refusal> {
    let mut actions = Vec::new();
    let speaks = |name: &HeaderName| NEEDS.iter().any(|(names, _)| names.contains(&name.as_str()));
    // Most requests have none of them.
    let needs: &[_] = if headers.keys().any(speaks) { &NEEDS } else { &[] };
    for (names, meanings) in needs {
        let Some(name) = names.iter().find(|&&name| headers.contains_key(name)) else { continue };
        let meaning = meanings.iter().find(|(operations, _)| operations.contains(&operation));
        let Some((_, needed)) = meaning else {
            let message = format!("The header '{name}' has no meaning for {operation}.");
            return Err(Refusal::new(ErrorCode::InvalidArgument, message));
        };
        actions.extend(needed.iter().copied());
    }
    let depends = |name: &str| headers.get_all(name).iter().any(|value| value != "*");
    let annotates = matches!(operation, Operation::PutObjectAnnotation | Operation::DeleteObjectAnnotation);
    if IF_MATCH_READS.contains(&operation) && depends("if-match")
        || annotates && depends("x-amz-object-if-match")
    {
        actions.push(Action::GetObject);
    }
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_amz_headers_are_refused_and_other_unknown_ones_stay_behind() {
        assert!(matches!(rule("x-amz-something-new"), Refuse(ErrorCode::NotImplemented, _)));
        assert!(matches!(rule("x-amz-s3session-token"), Refuse(ErrorCode::NotImplemented, _)));
        for noise in [
            "authorization",
            "cookie",
            "x-forwarded-for",
            "x-forwarded-client-cert",
            "amz-sdk-request",
            "te",
            "x-amz-api-version",
        ] {
            assert_eq!(rule(noise), Drop, "{noise}");
        }
        assert_eq!(rule("x-amz-meta-anything"), Sign);
    }

    #[test]
    fn doubled_and_unsignable_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append("x-amz-copy-source", HeaderValue::from_static("a/b"));
        assert!(check(&mut headers).is_ok());
        headers.append("x-amz-copy-source", HeaderValue::from_static("c/d"));
        assert_eq!(check(&mut headers).unwrap_err().code, ErrorCode::InvalidArgument);
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-meta-a", HeaderValue::from_bytes("ä".as_bytes()).unwrap());
        assert_eq!(check(&mut headers).unwrap_err().code, ErrorCode::InvalidArgument);
    }
}
