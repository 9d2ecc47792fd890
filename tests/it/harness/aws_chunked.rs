//! Uploads as clients make them, in the five payload modes.
//!
//! Source: Amazon S3 API reference, "Signature calculations for the Authorization header". The proxy does not know a
//! client's key, so the signatures are of the right form and otherwise nonsense.

use std::iter;

use sha2::{Digest, Sha256};

use super::chunked;

/// How a body is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Sha256,
    Unsigned,
    UnsignedTrailer,
    SignedChunks,
    SignedChunksTrailer,
}

impl Mode {
    pub(crate) const ALL: [Self; 5] =
        [Self::Sha256, Self::Unsigned, Self::UnsignedTrailer, Self::SignedChunks, Self::SignedChunksTrailer];

    pub(crate) fn framed(self) -> bool {
        !matches!(self, Self::Sha256 | Self::Unsigned)
    }

    fn signed(self) -> bool {
        matches!(self, Self::SignedChunks | Self::SignedChunksTrailer)
    }

    fn trailer(self) -> bool {
        matches!(self, Self::UnsignedTrailer | Self::SignedChunksTrailer)
    }

    /// The headers of an upload, but for those that frame it in HTTP.
    pub(crate) fn headers(self, data: &[u8]) -> Vec<String> {
        let announced = match self {
            Self::Sha256 => hex::encode(Sha256::digest(data)),
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
            Self::SignedChunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            Self::SignedChunksTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
        };
        let mut headers = vec![format!("x-amz-content-sha256: {announced}")];
        if self.framed() {
            headers.push("Content-Encoding: aws-chunked".to_owned());
            headers.push(format!("x-amz-decoded-content-length: {}", data.len()));
        }
        if self.trailer() {
            headers.push("x-amz-sdk-checksum-algorithm: CRC32".to_owned());
            headers.push("x-amz-trailer: x-amz-checksum-crc32".to_owned());
        }
        headers
    }

    /// The body with its framing, in chunks of `size` bytes.
    pub(crate) fn frame(self, data: &[u8], size: usize) -> Vec<u8> {
        if !self.framed() {
            return data.to_vec();
        }
        let mut framed = Vec::new();
        for chunk in data.chunks(size).chain(iter::once(&[][..])) {
            let signature =
                if self.signed() { format!(";chunk-signature={SIGNATURE}") } else { String::new() };
            framed.extend_from_slice(format!("{:x}{signature}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            // Behind the empty chunk come the trailers at once.
            framed.extend_from_slice(if chunk.is_empty() { b"" } else { b"\r\n" });
        }
        if self.trailer() {
            framed.extend_from_slice(format!("x-amz-checksum-crc32:{}\r\n", crc32(data)).as_bytes());
        }
        if self == Self::SignedChunksTrailer {
            framed.extend_from_slice(format!("x-amz-trailer-signature:{SIGNATURE}\r\n").as_bytes());
        }
        framed.extend_from_slice(b"\r\n");
        framed
    }
}

/// How HTTP/1.1 says where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Declared,
    Unknown,
}

impl Length {
    pub(crate) fn header(self, body: &[u8]) -> String {
        match self {
            Self::Declared => format!("Content-Length: {}", body.len()),
            Self::Unknown => "Transfer-Encoding: chunked".to_owned(),
        }
    }

    pub(crate) fn frame(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Declared => body.to_vec(),
            Self::Unknown => chunked(body, 50),
        }
    }
}

/// 64 digits, as a signature has, but nobody's.
pub(crate) const SIGNATURE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// CRC-32 of IEEE 802.3 in base64, as S3 wants it.
pub(crate) fn crc32(data: &[u8]) -> String {
    let mut crc = u32::MAX;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    base64(!crc)
}

/// Four bytes: six digits and two `=`.
fn base64(value: u32) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = u64::from(value) << 4;
    let digit = |i: u32| char::from(DIGITS[usize::try_from(bits >> (30 - 6 * i) & 63).unwrap()]);
    (0..6).map(digit).chain(['=', '=']).collect()
}

#[test]
fn checksums_are_those_of_the_specification() {
    // The check value of CRC-32/ISO-HDLC is cbf43926 for "123456789".
    assert_eq!(crc32(b"123456789"), "y/Q5Jg==");
}
