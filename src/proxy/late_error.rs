//! Errors that S3 tells behind a status of 200: what takes long is answered at once and kept alive with white space, and
//! whether it succeeded stands in the body alone.
//!
//! The answer streams as it comes; it is read along for the log and the metrics, nothing more. Source: Amazon S3 API
//! reference, `CompleteMultipartUpload`, `CopyObject` and `UploadPartCopy`.

use http::StatusCode;

use crate::s3::Operation;

/// What has come of a document that may be an error.
#[derive(Debug, Default)]
pub(super) struct LateError(Vec<u8>);

/// Bytes that are kept: an error document has a few hundred.
const KEPT: usize = 4 * 1024;

impl LateError {
    /// Where an answer with this status may still be an error.
    pub(super) fn possible(operation: Option<Operation>, status: StatusCode) -> Option<Self> {
        use Operation::{CompleteMultipartUpload, CopyObject, UploadPartCopy};
        let late = matches!(operation, Some(CompleteMultipartUpload | CopyObject | UploadPartCopy));
        (late && status == StatusCode::OK).then(Self::default)
    }

    /// The next bytes of the body.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        // White space in front keeps the connection alive, for minutes if need be.
        let bytes = if self.0.is_empty() { bytes.trim_ascii_start() } else { bytes };
        let room = KEPT - self.0.len();
        self.0.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// The error's code, if it was one. To be asked at the end of the body.
    pub(super) fn code(&self) -> Option<String> {
        let text = std::str::from_utf8(&self.0).ok()?;
        // Behind the declaration there may be white space as well.
        let root = match text.strip_prefix("<?xml") {
            Some(declared) => declared.split_once("?>")?.1.trim_start(),
            None => text,
        };
        let inner = root.strip_prefix("<Error")?.split_once('>')?.1;
        let code = inner.split_once("<Code>").and_then(|(_, code)| code.split_once("</Code>"));
        Some(code.map_or_else(|| "UnknownError".to_owned(), |(code, _)| code.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_however_it_comes() {
        let error = "<Error><Code>SlowDown</Code><Message>x</Message></Error>";
        for (body, code) in [
            (error.to_owned(), Some("SlowDown")),
            (format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n \n \n{error}"), Some("SlowDown")),
            (format!("{}{error}", " \n".repeat(10_000)), Some("SlowDown")),
            ("<Error xmlns=\"x\"><Message/></Error>".to_owned(), Some("UnknownError")),
            ("<CopyObjectResult><ETag>&lt;Error&gt;</ETag></CopyObjectResult>".to_owned(), None),
            (" ".repeat(10), None),
            (String::new(), None),
        ] {
            for size in [1, 7, 100_000] {
                let mut late = LateError::possible(Some(Operation::CopyObject), StatusCode::OK).unwrap();
                body.as_bytes().chunks(size).for_each(|piece| late.see(piece));
                assert_eq!(late.code().as_deref(), code, "{body} by {size}");
            }
        }
        assert!(LateError::possible(Some(Operation::GetObject), StatusCode::OK).is_none());
        assert!(LateError::possible(Some(Operation::CopyObject), StatusCode::NOT_FOUND).is_none());
    }
}
