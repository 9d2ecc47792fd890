//! A body taken out of the client's framing and put into ours, in constant memory.

use std::collections::VecDeque;

use bytes::Bytes;

use super::decoder::{Decoder, FramingError, Piece};
use super::encoder::Encoder;
use super::signer::ChunkSigner;
use super::trailer::TrailerNames;

/// Decodes and encodes a body piece by piece. The last chunk leaves only after everything before it was right: a
/// damaged upload is never completed.
#[derive(Debug)]
pub struct Reframer {
    decoder: Decoder,
    encoder: Encoder,
    trailers: Option<TrailerNames>,
    remaining: u64,
    out: VecDeque<Bytes>,
}

impl Reframer {
    /// For a body without chunk signatures whose framing has no declared length.
    pub fn unsigned(decoded: u64, trailers: TrailerNames) -> Self {
        Self::new(Decoder::new(false), Encoder::unsigned(), decoded, Some(trailers))
    }

    /// For a body with chunk signatures, which are replaced by `signer`'s.
    pub fn signed(decoded: u64, trailers: Option<TrailerNames>, signer: ChunkSigner) -> Self {
        Self::new(Decoder::new(true), Encoder::signed(signer), decoded, trailers)
    }

    fn new(decoder: Decoder, encoder: Encoder, decoded: u64, trailers: Option<TrailerNames>) -> Self {
        Self { decoder, encoder, trailers, remaining: decoded, out: VecDeque::new() }
    }

    /// Takes a network frame.
    pub fn push(&mut self, mut input: Bytes) -> Result<(), FramingError> {
        while let Piece::Data(data) = self.decoder.next(&mut input)? {
            let length = data.len() as u64;
            if length > self.remaining {
                return Err(FramingError::DecodedLength);
            }
            self.encoder.data(data, self.remaining, &mut self.out);
            self.remaining -= length;
        }
        Ok(())
    }

    /// The client's body has ended.
    pub fn finish(&mut self) -> Result<(), FramingError> {
        let received = self.decoder.finish()?;
        if self.remaining != 0 {
            return Err(FramingError::DecodedLength);
        }
        let announced = self.trailers.take();
        if !announced.as_ref().map_or(received.is_empty(), |names| names.fit(&received)) {
            return Err(FramingError::TrailerMismatch);
        }
        let ordered = announced.as_ref().map(|names| names.in_order(&received));
        self.encoder.finish(ordered.as_deref(), &mut self.out);
        Ok(())
    }

    /// The next bytes to send, if there are any.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }
}

#[cfg(test)]
mod tests;
