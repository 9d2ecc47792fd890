//! A framed body on its way, in constant memory: taken out of the client's framing and put into ours, or only checked.

use std::collections::VecDeque;

use bytes::Bytes;

use super::check::Checker;
use super::decoder::{Decoder, FramingError, Piece};
use super::encoder::Encoder;
use super::signer::ChunkSigner;
use super::trailer::TrailerNames;

/// Carries a body over piece by piece. The last chunk leaves only after everything before it was right: a damaged
/// upload is never completed.
#[derive(Debug)]
pub struct Reframer {
    way: Way,
    out: VecDeque<Bytes>,
}

#[derive(Debug)]
enum Way {
    Keep(Checker),
    Renew(Renewal),
}

/// Decodes and encodes.
#[derive(Debug)]
struct Renewal {
    decoder: Decoder,
    encoder: Encoder,
    trailers: Option<TrailerNames>,
    remaining: u64,
}

impl Reframer {
    /// For a body without chunk signatures whose framing goes on as it is.
    pub fn checked(decoded: u64, trailers: TrailerNames) -> Self {
        Self { way: Way::Keep(Checker::new(decoded, trailers)), out: VecDeque::new() }
    }

    /// For a body without chunk signatures whose framing has no declared length.
    pub fn unsigned(decoded: u64, trailers: TrailerNames) -> Self {
        Self::renewed(Decoder::new(false), Encoder::unsigned(), decoded, Some(trailers))
    }

    /// For a body with chunk signatures, which are replaced by `signer`'s.
    pub fn signed(decoded: u64, trailers: Option<TrailerNames>, signer: ChunkSigner) -> Self {
        Self::renewed(Decoder::new(true), Encoder::signed(signer), decoded, trailers)
    }

    fn renewed(decoder: Decoder, encoder: Encoder, decoded: u64, trailers: Option<TrailerNames>) -> Self {
        let renewal = Renewal { decoder, encoder, trailers, remaining: decoded };
        Self { way: Way::Renew(renewal), out: VecDeque::new() }
    }

    /// Takes a network frame.
    pub fn push(&mut self, input: Bytes) -> Result<(), FramingError> {
        match &mut self.way {
            Way::Keep(checker) => checker.push(&input, &mut self.out),
            Way::Renew(renewal) => renewal.push(input, &mut self.out),
        }
    }

    /// The client's body has ended.
    pub fn finish(&mut self) -> Result<(), FramingError> {
        match &mut self.way {
            Way::Keep(checker) => checker.finish(&mut self.out),
            Way::Renew(renewal) => renewal.finish(&mut self.out),
        }
    }

    /// The next bytes to send, if there are any.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }
}

impl Renewal {
    fn push(&mut self, mut input: Bytes, out: &mut VecDeque<Bytes>) -> Result<(), FramingError> {
        while let Piece::Data(data) = self.decoder.next(&mut input)? {
            let length = data.len() as u64;
            if length > self.remaining {
                return Err(FramingError::DecodedLength);
            }
            self.encoder.data(data, self.remaining, out);
            self.remaining -= length;
        }
        self.encoder.flush(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Result<(), FramingError> {
        let received = self.decoder.finish()?;
        if self.remaining != 0 {
            return Err(FramingError::DecodedLength);
        }
        let announced = self.trailers.take();
        if !announced.as_ref().map_or(received.is_empty(), |names| names.fit(&received)) {
            return Err(FramingError::TrailerMismatch);
        }
        let ordered = announced.as_ref().map(|names| names.in_order(&received));
        self.encoder.finish(ordered.as_deref(), out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
