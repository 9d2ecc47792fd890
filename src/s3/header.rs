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

const NO_ACL: HeaderRule =
    Refuse(ErrorCode::AccessDenied, "ACLs are not accepted here; leave out the ACL and grant headers.");

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
        "content-sha256" | "date" | "security-token" | "api-version" => Drop,
        "acl" | "grant-full-control" | "grant-read" | "grant-read-acp" | "grant-write"
        | "grant-write-acp" => NO_ACL,
        "website-redirect-location" => {
            Refuse(ErrorCode::AccessDenied, "Website redirects are not accepted here; leave the header out.")
        }
        "s3session-token" => {
            Refuse(ErrorCode::NotImplemented, "S3 Express sessions do not pass through the proxy.")
        }
        "bypass-governance-retention"
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
        | "if-match-initiated-time"
        | "if-match-last-modified-time"
        | "if-match-size"
        | "max-parts"
        | "metadata-directive"
        | "mfa"
        | "mp-object-size"
        | "object-attributes"
        | "object-lock-legal-hold"
        | "object-lock-mode"
        | "object-lock-retain-until-date"
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
        | "source-expected-bucket-owner"
        | "storage-class"
        | "tagging"
        | "tagging-directive"
        | "trailer"
        | "user-agent" => Sign,
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

/// Refuses what the table refuses, `x-amz-*` headers that occur twice (two readers could pick different ones) and
/// values that SigV4 cannot sign. Marks secrets, so that no `Debug` shows them.
pub(super) fn check(headers: &mut HeaderMap) -> Result<(), Refusal> {
    for name in headers.keys() {
        let name = name.as_str();
        match rule(name) {
            Refuse(code, why) => return Err(Refusal::new(code, format!("{name}: {why}"))),
            Drop | Forward => {}
            Sign => {
                let mut values = headers.get_all(name).iter();
                if values.any(|value| !value.as_bytes().iter().all(|b| matches!(b, b' '..=b'~'))) {
                    let message = format!(
                        "The header '{name}' has tabs or characters outside US-ASCII, which SigV4 cannot sign."
                    );
                    return Err(Refusal::new(ErrorCode::InvalidArgument, message));
                }
                if headers.get_all(name).iter().nth(1).is_some() && !name.starts_with("x-amz-meta-") {
                    let message = format!("The header '{name}' occurs more than once.");
                    return Err(Refusal::new(ErrorCode::InvalidArgument, message));
                }
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

/// Headers that need an action of their own, and the operations on which S3 reads them. Elsewhere they are refused.
///
/// Source: Amazon S3 API reference, the permissions of each operation.
const NEEDS: [(&str, Action, &[Operation]); 5] = [
    ("x-amz-tagging", Action::PutObjectTagging, WRITES),
    ("x-amz-object-lock-mode", Action::PutObjectRetention, WRITES),
    ("x-amz-object-lock-retain-until-date", Action::PutObjectRetention, WRITES),
    ("x-amz-object-lock-legal-hold", Action::PutObjectLegalHold, WRITES),
    (
        "x-amz-bypass-governance-retention",
        Action::BypassGovernanceRetention,
        &[Operation::DeleteObject, Operation::DeleteObjects, Operation::PutObjectRetention],
    ),
];

const WRITES: &[Operation] = &[Operation::PutObject, Operation::CopyObject, Operation::CreateMultipartUpload];

/// The further actions that the headers ask for.
pub(super) fn needs(operation: Operation, headers: &HeaderMap) -> Result<Vec<Action>, Refusal> {
    let mut actions = Vec::new();
    for (name, action, operations) in NEEDS {
        if !headers.contains_key(name) {
            continue;
        }
        if !operations.contains(&operation) {
            let message = format!("The header '{name}' has no meaning for {operation}.");
            return Err(Refusal::new(ErrorCode::InvalidArgument, message));
        }
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_amz_headers_are_refused_and_other_unknown_ones_stay_behind() {
        assert!(matches!(rule("x-amz-something-new"), Refuse(ErrorCode::NotImplemented, _)));
        assert!(matches!(rule("x-amz-grant-read"), Refuse(ErrorCode::AccessDenied, _)));
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
