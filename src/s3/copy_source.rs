//! `x-amz-copy-source`: the other end of a copy, which needs a permission of its own.

use std::fmt::Write;

use http::HeaderMap;

use super::access::Access;
use super::action::Action;
use super::encoding::{decode_path, encode_path, encode_value};
use super::error::{ErrorCode, Refusal};
use super::name::{BucketName, ObjectKey};

/// A parsed copy source, sent upstream in one canonical form, so that S3 reads what was authorized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CopySource {
    pub(super) bucket: BucketName,
    pub(super) key: ObjectKey,
    pub(super) version: Option<String>,
}

impl CopySource {
    /// Reads `[/]bucket/key[?versionId=ID]`, percent-encoded once; the slash behind the bucket may be encoded too.
    pub(super) fn parse(value: &[u8]) -> Result<Self, Refusal> {
        let invalid = |why: &str| {
            let message = format!(
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey ({why})."
            );
            Refusal::new(ErrorCode::InvalidArgument, message)
        };
        let text = std::str::from_utf8(value).map_err(|_| invalid("it is not UTF-8"))?;
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let version = match query.map(|query| query.strip_prefix("versionId=")) {
            None => None,
            Some(Some(raw)) if !raw.is_empty() && !raw.contains(['&', '?']) => {
                Some(decode_path(raw).map_err(|e| invalid(&e.to_string()))?)
            }
            Some(_) => {
                return Err(invalid("only ?versionId=ID may follow the key; a '?' in a key is written %3F"));
            }
        };
        let path = decode_path(path).map_err(|e| invalid(&e.to_string()))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(|| invalid("there is no key"))?;
        Ok(Self {
            bucket: bucket.parse().map_err(|_| invalid("the bucket's name is not valid"))?,
            key: key.parse().map_err(|_| invalid("the key is empty or too long"))?,
            version,
        })
    }

    /// The read that a copy is.
    pub(super) fn read(&self) -> Access {
        self.access(Action::GetObject, Action::GetObjectVersion)
    }

    fn access(&self, current: Action, versioned: Action) -> Access {
        let action = if self.version.is_some() { versioned } else { current };
        Access::on_object(action, &self.bucket, &self.key, self.version.as_deref())
    }

    /// The header's canonical value.
    pub(super) fn to_header(&self) -> String {
        let mut value = String::new();
        // Writing to a String cannot fail.
        let _ = write!(value, "{}/", self.bucket);
        encode_path(&mut value, self.key.as_str());
        if let Some(version) = &self.version {
            value.push_str("?versionId=");
            encode_value(&mut value, version);
        }
        value
    }
}

/// What CopyObject takes along besides the content: tags and annotations, read at the source and written at the
/// target. S3 copies them unless told otherwise, and asks for these actions if there are any; without the header that
/// says so the request does not tell.
///
/// Source: Amazon S3 API reference, "CopyObject", `x-amz-tagging-directive` and `x-amz-object-annotation-directive`.
pub(super) fn carried_along(
    source: &CopySource,
    bucket: &BucketName,
    key: &ObjectKey,
    headers: &HeaderMap,
) -> Result<Vec<Access>, Refusal> {
    let tags = (Action::GetObjectTagging, Action::GetObjectVersionTagging, Action::PutObjectTagging);
    let annotations =
        (Action::GetObjectAnnotation, Action::GetObjectVersionAnnotation, Action::PutObjectAnnotation);
    let directives = [
        ("x-amz-tagging-directive", "REPLACE", tags),
        ("x-amz-object-annotation-directive", "EXCLUDE", annotations),
    ];
    let mut accesses = Vec::new();
    for (name, leave, (read, read_version, write)) in directives {
        let both = [source.access(read, read_version), Access::on_object(write, bucket, key, None)];
        match headers.get(name).map(http::HeaderValue::as_bytes) {
            None => accesses.extend(both.map(Access::possible)),
            Some(b"COPY") => accesses.extend(both),
            Some(value) if value == leave.as_bytes() => {}
            Some(_) => {
                let message = format!("Unknown directive in '{name}'.");
                return Err(Refusal::new(ErrorCode::InvalidArgument, message));
            }
        }
    }
    Ok(accesses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_leads_to_one_form() {
        for spelling in ["bucket/a%20b/c", "/bucket/a%20b/c", "bucket%2Fa%20b%2Fc", "%2fbucket/a b/c"] {
            let source = CopySource::parse(spelling.as_bytes()).unwrap();
            assert_eq!(source.to_header(), "bucket/a%20b/c", "{spelling}");
        }
        let source = CopySource::parse("bucket/ä%3Fx+y%252F?versionId=v%2B1".as_bytes()).unwrap();
        assert_eq!(source.key.as_str(), "ä?x+y%2F");
        assert_eq!(source.version.as_deref(), Some("v+1"));
        assert_eq!(source.to_header(), "bucket/%C3%A4%3Fx%2By%252F?versionId=v%2B1");
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        for bad in [
            "",
            "bucket",
            "bucket/",
            "/bucket",
            "Bucket/key",
            "bucket/k?x=1",
            "bucket/k?versionId=",
            "bucket/%zz",
            "bucket/k?versionId=a&versionId=b",
            "bucket/k?versionId=a?b",
            "//bucket/k",
            "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap/object/key",
        ] {
            assert_eq!(
                CopySource::parse(bad.as_bytes()).unwrap_err().code,
                ErrorCode::InvalidArgument,
                "{bad}"
            );
        }
    }
}
