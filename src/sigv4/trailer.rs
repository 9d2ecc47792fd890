//! The trailing checksums that a client may announce, and how long each is on the wire.
//!
//! The length of a re-framed body has to be known before its first byte, so only trailers of a known length pass.

use http::HeaderName;

use crate::s3::{ErrorCode, Refusal};

/// Checksum headers and the length of their base64 values. Source: Amazon S3 user guide, "Checking object
/// integrity"; botocore's service model lists the same algorithms for PutObject and UploadPart.
const CHECKSUMS: [(&str, usize); 10] = [
    ("x-amz-checksum-crc32", 8),
    ("x-amz-checksum-crc32c", 8),
    ("x-amz-checksum-crc64nvme", 12),
    ("x-amz-checksum-md5", 24),
    ("x-amz-checksum-sha1", 28),
    ("x-amz-checksum-sha256", 44),
    ("x-amz-checksum-sha512", 88),
    ("x-amz-checksum-xxhash128", 24),
    ("x-amz-checksum-xxhash3", 12),
    ("x-amz-checksum-xxhash64", 12),
];

/// The trailers that `x-amz-trailer` announces, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrailerNames(Vec<(HeaderName, usize)>);

impl TrailerNames {
    /// Reads the value of `x-amz-trailer`.
    pub fn parse(value: &str) -> Result<Self, Refusal> {
        let mut names = Vec::new();
        for name in value.split(',').map(|name| name.trim().to_ascii_lowercase()) {
            let known = CHECKSUMS.iter().find(|(known, _)| *known == name);
            let Some(&(name, length)) = known else {
                let message = format!("The trailer '{name}' is not one of S3's checksums.");
                return Err(Refusal::new(ErrorCode::InvalidRequest, message));
            };
            let name = HeaderName::from_static(name);
            if names.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::new(
                    ErrorCode::InvalidRequest,
                    format!("The trailer '{name}' is announced twice."),
                ));
            }
            names.push((name, length));
        }
        Ok(Self(names))
    }

    /// Bytes of all trailer lines, `name:value\r\n` each.
    pub(super) fn encoded_length(&self) -> u64 {
        self.0.iter().map(|(name, value)| (name.as_str().len() + 1 + value + 2) as u64).sum()
    }

    /// Whether exactly these trailers arrived, each with a value of its proper length.
    pub(super) fn fit(&self, received: &[(String, String)]) -> bool {
        received.len() == self.0.len()
            && self.0.iter().all(|(name, length)| {
                received.iter().any(|(other, value)| other == name.as_str() && value.len() == *length)
            })
    }

    /// The received values in the announced order.
    pub(super) fn in_order<'r>(&self, received: &'r [(String, String)]) -> Vec<&'r (String, String)> {
        self.0
            .iter()
            .filter_map(|(name, _)| received.iter().find(|(other, _)| other == name.as_str()))
            .collect()
    }
}
