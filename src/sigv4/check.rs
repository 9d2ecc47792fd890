//! Framing that is passed on as it came, and checked on its way.
//!
//! A store may take damaged framing for an object, and what is stored cannot be called back. So everything is passed on
//! but for what ends the body: the last chunk and the trailer leave only after all of it was right.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::decoder::{Decoder, FramingError, Piece};
use super::trailer::TrailerNames;

/// Passes a framed body on, without its end until it has been checked.
#[derive(Debug)]
pub(super) struct Checker {
    decoder: Decoder,
    trailers: TrailerNames,
    remaining: u64,
    /// What followed the latest data: the line in front of a chunk, or the end. Bounded by the decoder's limits on
    /// lines and trailers.
    held: BytesMut,
}

impl Checker {
    /// For a body without chunk signatures.
    pub(super) fn new(decoded: u64, trailers: TrailerNames) -> Self {
        Self { decoder: Decoder::new(false), trailers, remaining: decoded, held: BytesMut::new() }
    }

    /// Takes a network frame. What comes up to the end of its last data is no end of the body.
    pub(super) fn push(&mut self, input: &Bytes, out: &mut VecDeque<Bytes>) -> Result<(), FramingError> {
        let (mut rest, mut sound) = (input.clone(), 0);
        while let Piece::Data(data) = self.decoder.next(&mut rest)? {
            let left = self.remaining.checked_sub(data.len() as u64);
            self.remaining = left.ok_or(FramingError::DecodedLength)?;
            sound = input.len() - rest.len();
        }
        if sound > 0 {
            out.extend(Some(self.held.split().freeze()).filter(|held| !held.is_empty()));
            out.push_back(input.slice(..sound));
        }
        self.held.extend_from_slice(&input[sound..]);
        Ok(())
    }

    /// The body has ended: its end may go, if all of it was right.
    pub(super) fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), FramingError> {
        let received = self.decoder.finish()?;
        if self.remaining != 0 {
            return Err(FramingError::DecodedLength);
        }
        if !self.trailers.fit(&received) {
            return Err(FramingError::TrailerMismatch);
        }
        out.push_back(self.held.split().freeze());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "9\r\nsome byte\r\ne\r\ns of an object\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";

    fn carry(body: &str, cuts: &[usize], decoded: u64) -> (String, Result<(), FramingError>) {
        let mut checker = Checker::new(decoded, TrailerNames::parse("x-amz-checksum-crc32").unwrap());
        let (mut out, mut from) = (VecDeque::new(), 0);
        let mut result = Ok(());
        for &cut in cuts.iter().chain([&body.len()]) {
            let piece = Bytes::copy_from_slice(&body.as_bytes()[from..cut]);
            result = result.and_then(|()| checker.push(&piece, &mut out));
            from = cut;
        }
        result = result.and_then(|()| checker.finish(&mut out));
        (String::from_utf8(out.into_iter().flatten().collect()).unwrap(), result)
    }

    proptest! {
        #[test]
        fn every_cut_passes_byte_for_byte(a in 0..=GOOD.len(), b in 0..=GOOD.len()) {
            let (passed, result) = carry(GOOD, &[a.min(b), a.max(b)], 23);
            prop_assert_eq!((passed.as_str(), result), (GOOD, Ok(())));
        }

        #[test]
        fn the_end_of_what_is_wrong_never_leaves(cut in 0..=GOOD.len(), shorter in 0_usize..GOOD.len() - 4) {
            let end = GOOD.find("\r\n0\r\n").unwrap();
            for (body, decoded) in [
                (&GOOD[..shorter], 23),
                (GOOD, 22),
                (GOOD, 24),
                (&GOOD.replace("crc32:", "crc32c:"), 23),
                (&GOOD.replace("y/Q5Jg", "y/Q5J"), 23),
                (&GOOD.replace("crc32:", "crc32:y/Q5Jg==\r\nx-amz-trailer-signature:"), 23),
                (&format!("{GOOD}x"), 23),
            ] {
                let (passed, result) = carry(body, &[cut.min(body.len())], decoded);
                prop_assert!(result.is_err(), "{}", body);
                prop_assert!(passed.len() <= end, "{}", passed);
            }
        }
    }
}
