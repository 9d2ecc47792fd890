//! Takes `aws-chunked` framing apart, whatever way the network cut the bytes.
//!
//! Source: Amazon S3 API reference, "Signature calculations for the Authorization header: transferring payload in
//! multiple chunks" and "… including trailing headers". Data is passed on in slices, never gathered, so that the
//! size of a client's chunks does not matter.

use bytes::{Buf, Bytes};

/// Framing that does not follow the rules. The upload is cut off before its last chunk, so nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The line in front of a chunk.
    #[error("a chunk does not start with its size in hexadecimal and, in the signed modes, its signature")]
    ChunkHeader,
    /// A chunk that is not followed by CR LF where its size says that it ends.
    #[error("a chunk is longer or shorter than it says")]
    ChunkSize,
    /// A trailer that is malformed, doubled or too long.
    #[error("the trailer is malformed")]
    Trailer,
    /// Trailers other than `x-amz-trailer` announced.
    #[error("the trailer is not the one that x-amz-trailer announced")]
    TrailerMismatch,
    /// The body ended in the middle.
    #[error("the body ends before its last chunk")]
    Truncated,
    /// Bytes behind the end.
    #[error("there are bytes behind the last chunk")]
    Excess,
    /// The chunks do not add up.
    #[error("the chunks do not add up to x-amz-decoded-content-length")]
    DecodedLength,
}

/// Behind the size: `;chunk-signature=` and 64 digits, with room for extensions.
const MAX_LINE: usize = 256;
/// Three announced checksums and a signature take less.
const MAX_TRAILERS: usize = 16;

#[derive(Debug)]
enum State {
    Header,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

/// What the decoder found next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes of the object.
    Data(Bytes),
    /// All input is used up.
    More,
}

/// The state between two network frames.
#[derive(Debug)]
pub(super) struct Decoder {
    signed: bool,
    state: State,
    line: Vec<u8>,
    trailers: Vec<(String, String)>,
}

impl Decoder {
    /// `signed`: whether each chunk has to carry a signature (which only the client's own key could verify).
    pub(super) fn new(signed: bool) -> Self {
        Self { signed, state: State::Header, line: Vec::new(), trailers: Vec::new() }
    }

    /// Takes bytes from the front of `input` until a piece of data is found or the input is used up.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Piece, FramingError> {
        while !input.is_empty() {
            match self.state {
                State::Header => {
                    if let Some(line) = self.line(input, FramingError::ChunkHeader)? {
                        self.state = match self.chunk_size(&line)? {
                            0 => State::Trailers,
                            size => State::Data(size),
                        };
                    }
                }
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(take);
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Piece::Data(data));
                }
                State::DataEnd => self.data_end(input)?,
                State::Trailers => {
                    if let Some(line) = self.line(input, FramingError::Trailer)? {
                        self.trailer(&line)?;
                    }
                }
                State::Done => return Err(FramingError::Excess),
            }
        }
        Ok(Piece::More)
    }

    /// The body has ended: all trailers, names in lower case, without the client's trailer signature.
    pub(super) fn finish(&mut self) -> Result<Vec<(String, String)>, FramingError> {
        // Some clients leave out the empty line behind the last trailer or the last chunk.
        let complete = matches!(self.state, State::Done)
            || matches!(self.state, State::Trailers) && self.line.is_empty();
        if complete { Ok(std::mem::take(&mut self.trailers)) } else { Err(FramingError::Truncated) }
    }

    /// A whole line without its line end, or `None` while it has not fully arrived.
    fn line(&mut self, input: &mut Bytes, too_long: FramingError) -> Result<Option<Vec<u8>>, FramingError> {
        let end = input.iter().position(|&b| b == b'\n');
        let take = end.map_or(input.len(), |at| at + 1);
        if self.line.len() + take > MAX_LINE {
            return Err(too_long);
        }
        self.line.extend_from_slice(&input[..take]);
        input.advance(take);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        Ok(Some(line))
    }

    fn chunk_size(&self, line: &[u8]) -> Result<u64, FramingError> {
        let line = line.strip_suffix(b"\r").ok_or(FramingError::ChunkHeader)?;
        let line = std::str::from_utf8(line).map_err(|_| FramingError::ChunkHeader)?;
        let (size, extension) = line.split_once(';').map_or((line, None), |(size, ext)| (size, Some(ext)));
        let signature = extension.and_then(|ext| ext.strip_prefix("chunk-signature="));
        let well_signed =
            signature.is_some_and(|s| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit()));
        let well_formed = if self.signed { well_signed } else { extension.is_none() };
        if !well_formed || size.is_empty() || size.len() > 15 || !size.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Err(FramingError::ChunkHeader);
        }
        u64::from_str_radix(size, 16).map_err(|_| FramingError::ChunkHeader)
    }

    fn data_end(&mut self, input: &mut Bytes) -> Result<(), FramingError> {
        let expected: &[u8] = b"\r\n";
        while self.line.len() < expected.len() && !input.is_empty() {
            if input[0] != expected[self.line.len()] {
                return Err(FramingError::ChunkSize);
            }
            self.line.push(input.get_u8());
        }
        if self.line.len() == expected.len() {
            self.line.clear();
            self.state = State::Header;
        }
        Ok(())
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), FramingError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.state = State::Done;
            return Ok(());
        }
        let line = std::str::from_utf8(line).map_err(|_| FramingError::Trailer)?;
        let (name, value) = line.split_once(':').ok_or(FramingError::Trailer)?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        let doubled = self.trailers.iter().any(|(other, _)| *other == name);
        if doubled || self.trailers.len() == MAX_TRAILERS || !value.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(FramingError::Trailer);
        }
        // Without chunk signatures it is a trailer like any other, and not an announced one.
        if !self.signed || name != "x-amz-trailer-signature" {
            self.trailers.push((name, value));
        }
        Ok(())
    }
}
