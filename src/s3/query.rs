//! The query of a request, decoded once: the client's authentication apart from what S3 should see.

use super::encoding::{decode_query, encode_value};
use super::error::{ErrorCode, Refusal};

/// One decoded `name=value`; a name without `=` has an empty value, as S3 reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The decoded name.
    pub name: String,
    /// The decoded value.
    pub value: String,
}

/// A decoded query without duplicates and without the client's authentication.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    parameters: Vec<Parameter>,
    /// Headers that a presigner moved into the query (`x-amz-…`), in lower case.
    hoisted: Vec<Parameter>,
}

/// SigV4's query authentication ("Authenticating Requests: Using Query Parameters") and SigV2's, which boto3 still
/// makes for presigned URLs in us-east-1. Compared in lower case.
const AUTHENTICATION: [&str; 10] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    SIGV2_KEY,
    "signature",
    "expires",
];
const SIGV2_KEY: &str = "awsaccesskeyid";
/// Headers of which boto3 puts a copy into the query of a SigV2 presigned URL, because the signature covers them. S3
/// takes the headers themselves.
const SIGV2_SIGNED: [&str; 3] = ["content-md5", "content-type", "date"];

/// More than any operation takes; bounds the search for duplicates.
const MAX_PARAMETERS: usize = 128;

impl Query {
    /// Decodes the raw query. A name that occurs twice is refused: two readers could pick different ones.
    pub fn parse(raw: &str) -> Result<Self, Refusal> {
        let mut query = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text| {
                decode_query(text)
                    .map_err(|e| Refusal::new(ErrorCode::InvalidURI, format!("The query is damaged: {e}.")))
            };
            let parameter = Parameter { name: decode(name)?, value: decode(value)? };
            let lower = parameter.name.to_ascii_lowercase();
            if seen.contains(&lower) {
                let message = format!("The query parameter '{}' occurs more than once.", parameter.name);
                return Err(Refusal::new(ErrorCode::InvalidArgument, message));
            }
            if seen.len() == MAX_PARAMETERS {
                return Err(Refusal::new(ErrorCode::InvalidArgument, "The query has too many parameters."));
            }
            if lower.starts_with("x-amz-") && !AUTHENTICATION.contains(&lower.as_str()) {
                query.hoisted.push(Parameter { name: lower.clone(), value: parameter.value });
            } else if !AUTHENTICATION.contains(&lower.as_str()) {
                query.parameters.push(parameter);
            }
            seen.push(lower);
        }
        if seen.iter().any(|name| name == SIGV2_KEY) {
            query.parameters.retain(|p| !SIGV2_SIGNED.contains(&p.name.as_str()));
        }
        Ok(query)
    }

    /// The value of a parameter; names are case-sensitive, as in S3.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }

    /// Takes a parameter out: S3 will not see it.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.parameters.iter().position(|p| p.name == name)?;
        Some(self.parameters.remove(at).value)
    }

    /// What S3 should see, in the client's order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Headers that stand in the query of a presigned URL; S3 treats them as headers.
    pub fn hoisted(&self) -> &[Parameter] {
        &self.hoisted
    }

    /// Appends `?name=value&…` in SigV4's encoding, or nothing when there are no parameters.
    ///
    /// A name without a value is written as `name=`: SigV4 signs it so, and S3 reads both alike.
    pub fn encode(&self, into: &mut String) {
        for (i, parameter) in self.parameters.iter().enumerate() {
            into.push(if i == 0 { '?' } else { '&' });
            encode_value(into, &parameter.name);
            into.push('=');
            encode_value(into, &parameter.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentication_of_both_kinds_is_taken_out() {
        let query = Query::parse(
            "X-Amz-Signature=s&x-amz-DATE=d&prefix=a%2Bb+c&X-Amz-Acl=public-read&AWSAccessKeyId=k&Signature=x&Expires=1",
        )
        .unwrap();
        assert_eq!(query.hoisted().len(), 1);
        assert_eq!(query.value("prefix"), Some("a+b c"));
        assert_eq!(query.parameters().len(), 1);
        assert_eq!(query.hoisted()[0].name, "x-amz-acl");
    }

    #[test]
    fn what_a_sigv2_signature_covered_goes_with_it() {
        let query =
            Query::parse("content-type=text%2Fplain&AWSAccessKeyId=k&Signature=x&Expires=1&date=").unwrap();
        assert!(query.parameters().is_empty());
        assert_eq!(Query::parse("content-type=a").unwrap().parameters().len(), 1, "and only with it");
    }

    #[test]
    fn doubled_names_are_refused_in_any_case_and_encoding() {
        for raw in ["a=1&a=2", "a&a", "a=1&%61=2", "X-Amz-Date=1&x-amz-date=2", "versionId=1&VersionId=2"] {
            assert_eq!(Query::parse(raw).unwrap_err().code, ErrorCode::InvalidArgument, "{raw}");
        }
        assert_eq!(Query::parse("a=%f").unwrap_err().code, ErrorCode::InvalidURI);
    }

    #[test]
    fn encoding_is_canonical() {
        let mut out = String::new();
        Query::parse("uploads&prefix=a/b+%7e").unwrap().encode(&mut out);
        assert_eq!(out, "?uploads=&prefix=a%2Fb%20~");
    }
}
