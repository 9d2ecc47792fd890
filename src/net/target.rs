//! Sees a `#` in the request line of HTTP/1.1, which the parser drops together with all that stands behind it.
//!
//! `DELETE /b/k#?versionId=1` would otherwise delete the current object. Only the bytes that arrive while a head is
//! awaited are looked at: a request that is sent before the answer to the one in front of it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::s3::{ErrorCode, Refusal};

/// Between two requests, or in the middle of one.
const ELSEWHERE: u8 = 0;
/// A request line comes next.
const AWAITED: u8 = 1;
/// Its first byte has been seen.
const WITHIN: u8 = 2;
/// A `#` was in it.
const FRAGMENT: u8 = 3;

/// What is known of the request line; shared by the stream, the timer that knows when one is awaited, and the proxy.
#[derive(Debug, Clone, Default)]
pub struct TargetWatch(Arc<AtomicU8>);

impl TargetWatch {
    pub(super) fn expect(&self) {
        self.0.store(AWAITED, Ordering::Relaxed);
    }

    pub(super) fn see(&self, bytes: &[u8]) {
        let mut state = self.0.load(Ordering::Relaxed);
        if !matches!(state, AWAITED | WITHIN) {
            return;
        }
        for byte in bytes {
            state = match byte {
                b'#' => FRAGMENT,
                b'\n' if state == WITHIN => ELSEWHERE,
                // Empty lines in front of a request mean nothing (RFC 9112 section 2.2).
                b'\r' | b'\n' => state,
                _ => WITHIN,
            };
            if !matches!(state, AWAITED | WITHIN) {
                break;
            }
        }
        self.0.store(state, Ordering::Relaxed);
    }

    /// Refuses the request that has just begun if its target went on behind a `#`: nobody knows any more how.
    pub fn named_no_fragment(&self) -> Result<(), Refusal> {
        if self.0.swap(ELSEWHERE, Ordering::Relaxed) == FRAGMENT {
            let message = "The target of a request has no '#'. Where it is part of a key, write it as %23.";
            return Err(Refusal::new(ErrorCode::InvalidURI, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_counts_however_it_is_cut() {
        for (line, found) in [
            ("GET /a#b HTTP/1.1\r\n", true),
            ("\r\nGET /a?b# HTTP/1.1\r\n", true),
            ("GET /a HTTP/1.1\r\nx: #\r\n\r\n#", false),
            ("\r\n\r\nGET /a HTTP/1.1\r\n#", false),
        ] {
            for cut in 0..=line.len() {
                let watch = TargetWatch::default();
                watch.see(b"#\n");
                assert!(watch.named_no_fragment().is_ok());
                watch.expect();
                watch.see(&line.as_bytes()[..cut]);
                watch.see(&line.as_bytes()[cut..]);
                assert_eq!(watch.named_no_fragment().is_err(), found, "{line} at {cut}");
                assert!(watch.named_no_fragment().is_ok());
            }
        }
    }
}
