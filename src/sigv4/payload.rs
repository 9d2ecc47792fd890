//! How a request's body is announced, and what therefore goes upstream.

use http::HeaderMap;
use http::request::Parts;

use super::encoder::{signed_length, unsigned_length};
use super::trailer::TrailerNames;
use crate::s3::{Document, ErrorCode, Operation, Refusal};

/// The five ways in which S3 lets a body be announced in `x-amz-content-sha256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadMode {
    /// The body's SHA-256, in lower-case hex; S3 checks it.
    Sha256(String),
    /// Nothing is said of the body.
    Unsigned,
    /// `aws-chunked` framing with a trailing checksum, without chunk signatures.
    UnsignedTrailer,
    /// `aws-chunked` framing, each chunk signed.
    SignedChunks,
    /// `aws-chunked` framing, each chunk and the trailer signed.
    SignedChunksTrailer,
}

impl PayloadMode {
    /// Reads the header's value; without one the body is unsigned.
    pub fn parse(value: Option<&str>) -> Result<Self, Refusal> {
        Ok(match value {
            None | Some("UNSIGNED-PAYLOAD") => Self::Unsigned,
            Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => Self::UnsignedTrailer,
            Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => Self::SignedChunks,
            Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") => Self::SignedChunksTrailer,
            Some(hash) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Self::Sha256(hash.to_ascii_lowercase())
            }
            Some(_) => {
                let message = "This value of x-amz-content-sha256 is not supported: use a SHA-256, UNSIGNED-PAYLOAD or \
                    one of the STREAMING- modes of AWS4-HMAC-SHA256.";
                return Err(Refusal::new(ErrorCode::NotImplemented, message));
            }
        })
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sha256(hash) => hash,
            Self::Unsigned => "UNSIGNED-PAYLOAD",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            Self::SignedChunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedChunksTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        }
    }

    /// Whether the body is in `aws-chunked` framing.
    pub fn is_streaming(&self) -> bool {
        !matches!(self, Self::Sha256(_) | Self::Unsigned)
    }
}

/// What happens to the body's bytes on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recode {
    /// Nothing: there is no framing.
    Keep,
    /// The framing goes on byte for byte, and is checked before its end leaves.
    Check {
        /// Bytes of the object.
        decoded: u64,
        /// The announced trailers.
        trailers: TrailerNames,
    },
    /// The framing is taken off and put on anew, because its length was not declared and S3 wants to know it.
    Reframe {
        /// Bytes of the object.
        decoded: u64,
        /// The announced trailers.
        trailers: TrailerNames,
    },
    /// The framing is taken off and put on anew with the proxy's own chunk signatures.
    Resign {
        /// Bytes of the object.
        decoded: u64,
        /// The announced trailers; `None` in the mode without.
        trailers: Option<TrailerNames>,
    },
}

/// A body as it goes upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Its announcement.
    pub mode: PayloadMode,
    /// Bytes on the wire upstream; `None` for methods that carry no body.
    pub content_length: Option<u64>,
    /// Bytes of the object or document itself.
    pub object_length: u64,
    /// What becomes of the bytes.
    pub recode: Recode,
}

impl Payload {
    /// Judges the head. `received` is the length of the body as it arrives, if the client declared one.
    pub fn plan(head: &Parts, received: Option<u64>) -> Result<Self, Refusal> {
        let mode = PayloadMode::parse(text(head, "x-amz-content-sha256")?)?;
        if !["PUT", "POST"].contains(&head.method.as_str()) {
            if received != Some(0) || mode.is_streaming() {
                let message = format!("A {} request carries no body here.", head.method);
                return Err(Refusal::new(ErrorCode::InvalidRequest, message));
            }
            return Ok(Self { mode, content_length: None, object_length: 0, recode: Recode::Keep });
        }
        let trailers = text(head, "x-amz-trailer")?.map(TrailerNames::parse).transpose()?;
        match (&mode, trailers) {
            (PayloadMode::Sha256(_) | PayloadMode::Unsigned, None) => {
                let length = received.ok_or_else(missing_length)?;
                Ok(Self { mode, content_length: Some(length), object_length: length, recode: Recode::Keep })
            }
            (PayloadMode::UnsignedTrailer, Some(trailers)) => {
                let decoded = decoded_length(head)?;
                let (length, recode) = match received {
                    // Nothing to check is nothing to break off either.
                    Some(0) => {
                        let message = "A body in aws-chunked framing has a last chunk at least.";
                        return Err(Refusal::new(ErrorCode::IncompleteBody, message));
                    }
                    Some(length) => (length, Recode::Check { decoded, trailers }),
                    None => (unsigned_length(decoded, &trailers), Recode::Reframe { decoded, trailers }),
                };
                Ok(Self { mode, content_length: Some(length), object_length: decoded, recode })
            }
            (PayloadMode::SignedChunks, None) => Self::resign(head, mode, None),
            (PayloadMode::SignedChunksTrailer, Some(trailers)) => Self::resign(head, mode, Some(trailers)),
            (PayloadMode::UnsignedTrailer | PayloadMode::SignedChunksTrailer, None) => Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "x-amz-trailer is missing in a mode with a trailer.",
            )),
            (_, Some(_)) => Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "x-amz-trailer is given in a mode without a trailer.",
            )),
        }
    }

    /// Refuses a document that has to be read before the decision and is not sent as it is, or is too long.
    pub fn check_document(&self, operation: Operation, document: Document) -> Result<(), Refusal> {
        if self.mode.is_streaming() {
            let message = format!("The body of {operation} cannot be sent in aws-chunked framing here.");
            return Err(Refusal::new(ErrorCode::NotImplemented, message));
        }
        let most = document.max_bytes();
        if self.object_length > most as u64 {
            let message = format!("The XML of this request is at most {} KiB.", most / 1024);
            return Err(Refusal::new(ErrorCode::EntityTooLarge, message));
        }
        Ok(())
    }

    /// Refuses an object of more than `most` bytes: in one request, and in the sum that the end of a multipart upload
    /// may state. Other bodies are no objects.
    pub fn check_size(&self, operation: Operation, headers: &HeaderMap, most: u64) -> Result<(), Refusal> {
        let size = match operation {
            Operation::PutObject | Operation::UploadPart => Some(self.object_length),
            Operation::CompleteMultipartUpload => match headers.get("x-amz-mp-object-size") {
                None => None,
                Some(size) => {
                    Some(size.to_str().ok().and_then(|size| size.parse().ok()).ok_or_else(|| {
                        Refusal::new(
                            ErrorCode::InvalidArgument,
                            "x-amz-mp-object-size is not a length in bytes.",
                        )
                    })?)
                }
            },
            _ => None,
        };
        if size.is_none_or(|size| size <= most) {
            return Ok(());
        }
        let message = format!("Your proposed upload exceeds the maximum allowed size of {most} bytes.");
        Err(Refusal::new(ErrorCode::EntityTooLarge, message))
    }

    fn resign(head: &Parts, mode: PayloadMode, trailers: Option<TrailerNames>) -> Result<Self, Refusal> {
        let decoded = decoded_length(head)?;
        let length = signed_length(decoded, trailers.as_ref());
        let recode = Recode::Resign { decoded, trailers };
        Ok(Self { mode, content_length: Some(length), object_length: decoded, recode })
    }
}

fn text<'h>(head: &'h Parts, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = head.headers.get_all(name).iter();
    let value = values.next().map(http::HeaderValue::to_str).transpose();
    if values.next().is_some() {
        // Two readers could pick different ones.
        return Err(Refusal::new(ErrorCode::InvalidArgument, format!("The header '{name}' occurs twice.")));
    }
    value.map_err(|_| {
        Refusal::new(ErrorCode::InvalidArgument, format!("The header '{name}' is not US-ASCII."))
    })
}

fn missing_length() -> Refusal {
    Refusal::new(ErrorCode::MissingContentLength, "You must provide the Content-Length HTTP header.")
}

/// S3's own limit on an object is far below; the sum of lengths must only not overflow.
const MAX_DECODED: u64 = 1 << 56;

fn decoded_length(head: &Parts) -> Result<u64, Refusal> {
    let Some(value) = text(head, "x-amz-decoded-content-length")? else {
        let message = "You must provide the x-amz-decoded-content-length HTTP header.";
        return Err(Refusal::new(ErrorCode::MissingContentLength, message));
    };
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match value.parse() {
        Ok(length) if digits && length <= MAX_DECODED => Ok(length),
        _ => Err(Refusal::new(
            ErrorCode::InvalidArgument,
            "x-amz-decoded-content-length is not a length in bytes.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(method: &str, headers: &[(&str, &str)], received: Option<u64>) -> Result<Payload, ErrorCode> {
        let mut request = http::Request::builder().method(method).uri("/b/k");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Payload::plan(&request.body(()).unwrap().into_parts().0, received).map_err(|refusal| refusal.code)
    }

    const SHA: (&str, &str) = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    const SIGNED: (&str, &str) = ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    const DECODED: (&str, &str) = ("x-amz-decoded-content-length", "66560");
    const TRAILER: (&str, &str) = ("x-amz-trailer", "x-amz-checksum-crc32c");

    #[test]
    fn a_length_is_always_known_upstream() {
        assert_eq!(plan("PUT", &[], None), Err(ErrorCode::MissingContentLength));
        assert_eq!(plan("PUT", &[], Some(0)).unwrap().content_length, Some(0));
        assert_eq!(plan("GET", &[], Some(0)).unwrap().content_length, None);
        assert_eq!(plan("GET", &[], Some(1)), Err(ErrorCode::InvalidRequest));
        assert_eq!(plan("DELETE", &[], None), Err(ErrorCode::InvalidRequest));
        assert_eq!(plan("PUT", &[SHA, TRAILER], Some(9)), Err(ErrorCode::MissingContentLength));
        assert_eq!(plan("PUT", &[SHA, TRAILER, DECODED], Some(0)), Err(ErrorCode::IncompleteBody));
        assert!(matches!(
            plan("PUT", &[SHA, TRAILER, DECODED], Some(9)).unwrap().recode,
            Recode::Check { decoded: 66560, .. }
        ));
        assert!(matches!(
            plan("PUT", &[SHA, TRAILER, DECODED], None).unwrap().recode,
            Recode::Reframe { .. }
        ));
        // The lengths of the two worked examples in the S3 API reference.
        assert_eq!(plan("PUT", &[SIGNED, DECODED], None).unwrap().content_length, Some(66824));
        let trailing = ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
        assert_eq!(plan("PUT", &[trailing, DECODED, TRAILER], None).unwrap().content_length, Some(66946));
    }

    #[test]
    fn contradictions_are_refused() {
        let other = ("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        assert_eq!(plan("PUT", &[SHA, other, DECODED, TRAILER], Some(9)), Err(ErrorCode::InvalidArgument));
        assert_eq!(plan("PUT", &[SHA, DECODED, DECODED, TRAILER], Some(9)), Err(ErrorCode::InvalidArgument));
        let ecdsa = ("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
        assert_eq!(plan("PUT", &[ecdsa, DECODED], Some(9)), Err(ErrorCode::NotImplemented));
        assert_eq!(plan("PUT", &[("x-amz-content-sha256", "abc")], Some(9)), Err(ErrorCode::NotImplemented));
        assert_eq!(plan("PUT", &[SHA, DECODED], Some(9)), Err(ErrorCode::InvalidRequest));
        assert_eq!(plan("PUT", &[SIGNED, DECODED, TRAILER], Some(9)), Err(ErrorCode::InvalidRequest));
        assert_eq!(plan("PUT", &[TRAILER], Some(9)), Err(ErrorCode::InvalidRequest));
        let unknown = ("x-amz-trailer", "x-amz-meta-a");
        assert_eq!(plan("PUT", &[SHA, DECODED, unknown], Some(9)), Err(ErrorCode::InvalidRequest));
        for length in ["-1", "+1", "", "1e3", "99999999999999999999"] {
            let decoded = ("x-amz-decoded-content-length", length);
            assert_eq!(plan("PUT", &[SIGNED, decoded], None), Err(ErrorCode::InvalidArgument), "{length}");
        }
    }
}
