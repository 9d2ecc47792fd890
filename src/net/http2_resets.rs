//! Reads along what an HTTP/2 server says, for the streams that it refuses: the library ends them by itself and tells
//! nobody.

use super::http2_heads::Objection;

const RST_STREAM: u8 = 3;
/// A frame's head and the reason of a reset behind it (RFC 9113 sections 4.1 and 6.4).
const HEAD: usize = 9;
const REASON: usize = 4;

/// Where in the frames a stream of bytes is.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// Bytes of a payload to pass over.
    over: usize,
    /// The beginning of a frame, as far as it has come.
    begun: Vec<u8>,
}

impl Resets {
    /// Reads on, and says of each stream that was refused why.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut refused: impl FnMut(Objection)) {
        while !bytes.is_empty() {
            if self.over > 0 {
                let passed = self.over.min(bytes.len());
                (self.over, bytes) = (self.over - passed, &bytes[passed..]);
                continue;
            }
            let taken = (self.wanted() - self.begun.len()).min(bytes.len());
            self.begun.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.begun.len() == self.wanted() {
                self.over = self.length() - (self.begun.len() - HEAD);
                if let [.., a, b, c, d] = self.begun[..]
                    && self.begun.len() > HEAD
                    && let Some(objection) = objection(u32::from_be_bytes([a, b, c, d]))
                {
                    refused(objection);
                }
                self.begun.clear();
            }
        }
    }

    /// Bytes at the beginning of a frame that are of interest.
    fn wanted(&self) -> usize {
        let is_reset = self.begun.len() >= HEAD && self.begun[3] == RST_STREAM && self.length() == REASON;
        if is_reset { HEAD + REASON } else { HEAD }
    }

    fn length(&self) -> usize {
        self.begun[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
    }
}

/// The reasons that are the client's fault (RFC 9113 section 7): not that an answer came early, or broke off.
fn objection(reason: u32) -> Option<Objection> {
    match h2::Reason::from(reason) {
        h2::Reason::NO_ERROR | h2::Reason::INTERNAL_ERROR | h2::Reason::CANCEL => None,
        h2::Reason::REFUSED_STREAM => Some(Objection::TooManyStreams),
        h2::Reason::ENHANCE_YOUR_CALM => Some(Objection::Flood),
        _ => Some(Objection::Protocol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_found_wherever_the_cut_is() {
        let frame = |kind: u8, payload: &[u8]| {
            let head = [0, 0, u8::try_from(payload.len()).unwrap(), kind, 0, 0, 0, 0, 1];
            [&head, payload].concat()
        };
        let bytes = [
            frame(4, &[]),
            frame(0, &[RST_STREAM; 30]),
            frame(RST_STREAM, &[0, 0, 0, 1]),
            frame(RST_STREAM, &[0, 0, 0, 8]),
            frame(1, b"abc"),
            frame(RST_STREAM, &[0, 0, 0, 7]),
        ]
        .concat();
        for cut in 0..=bytes.len() {
            let (mut resets, mut found) = (Resets::default(), Vec::new());
            resets.read(&bytes[..cut], |objection| found.push(objection));
            resets.read(&bytes[cut..], |objection| found.push(objection));
            assert_eq!(found, [Objection::Protocol, Objection::TooManyStreams], "{cut}");
        }
    }
}
