//! Puts `aws-chunked` framing on, with chunk sizes of our own, so that the length is known beforehand.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::signer::ChunkSigner;
use super::trailer::TrailerNames;

/// Bytes of data in a signed chunk: what a chunk signature covers has to be in memory. The size of the worked
/// example in S3's API reference; S3 demands at least 8 KiB in all chunks but the last.
const SIGNED_CHUNK: u64 = 64 * 1024;
/// Bytes of data in an unsigned chunk, which is never gathered. botocore's size: stores are used to it.
const UNSIGNED_CHUNK: u64 = 1024 * 1024;
const SIGNATURE: &str = ";chunk-signature=";
const SIGNATURE_HEX: u64 = 64;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature:";
const CRLF: &[u8] = b"\r\n";

/// Length of a framed body whose chunk lines carry `extra` bytes beside the size.
fn framed_length(decoded: u64, chunk: u64, extra: u64) -> u64 {
    let one = |size: u64| hex_digits(size) + extra + 2 + size + 2;
    let rest = decoded % chunk;
    let full = decoded / chunk * one(chunk);
    // The last chunk is empty; the final CR LF stands behind the trailers.
    full + if rest > 0 { one(rest) } else { 0 } + 1 + extra + 2 + 2
}

fn hex_digits(size: u64) -> u64 {
    u64::from(64 - size.leading_zeros()).div_ceil(4).max(1)
}

/// Bytes on the wire of an unsigned body with trailers.
pub(super) fn unsigned_length(decoded: u64, trailers: &TrailerNames) -> u64 {
    framed_length(decoded, UNSIGNED_CHUNK, 0) + trailers.encoded_length()
}

/// Bytes on the wire of a signed body.
pub(super) fn signed_length(decoded: u64, trailers: Option<&TrailerNames>) -> u64 {
    let extra = SIGNATURE.len() as u64 + SIGNATURE_HEX;
    let trailer =
        trailers.map_or(0, |t| t.encoded_length() + TRAILER_SIGNATURE.len() as u64 + SIGNATURE_HEX + 2);
    framed_length(decoded, SIGNED_CHUNK, extra) + trailer
}

/// One of the two framings, in progress.
#[derive(Debug)]
pub(super) enum Encoder {
    /// Data passes in slices; `left` bytes are still missing from the chunk that was begun. Small pieces are gathered
    /// in `small` for as long as a network frame is worked on: a client may send chunks of a byte.
    Unsigned { left: u64, small: BytesMut },
    /// Data is gathered until a chunk can be signed.
    Signed { signer: Box<ChunkSigner>, chunk: BytesMut },
}

impl Encoder {
    pub(super) fn unsigned() -> Self {
        Self::Unsigned { left: 0, small: BytesMut::new() }
    }

    pub(super) fn signed(signer: ChunkSigner) -> Self {
        Self::Signed { signer: Box::new(signer), chunk: BytesMut::new() }
    }

    /// Appends data, of which `remaining` bytes (these included) are still to come in the whole body.
    pub(super) fn data(&mut self, mut data: Bytes, mut remaining: u64, out: &mut VecDeque<Bytes>) {
        while !data.is_empty() {
            match self {
                Self::Unsigned { left, small } => {
                    if *left == 0 {
                        *left = remaining.min(UNSIGNED_CHUNK);
                        pass(format!("{left:x}\r\n").into(), small, out);
                    }
                    let piece = take(&mut data, *left);
                    *left -= piece.len() as u64;
                    remaining -= piece.len() as u64;
                    pass(piece, small, out);
                    if *left == 0 {
                        pass(Bytes::from_static(CRLF), small, out);
                    }
                }
                Self::Signed { signer, chunk } => {
                    let piece = take(&mut data, SIGNED_CHUNK - chunk.len() as u64);
                    chunk.extend_from_slice(&piece);
                    if chunk.len() as u64 == SIGNED_CHUNK {
                        sign_into(signer, chunk.split().freeze(), out);
                    }
                }
            }
        }
    }

    /// A network frame has been worked on: what was gathered goes on.
    pub(super) fn flush(&mut self, out: &mut VecDeque<Bytes>) {
        if let Self::Unsigned { small, .. } = self
            && !small.is_empty()
        {
            out.push_back(small.split().freeze());
        }
    }

    /// The rest of the data, the empty chunk, the trailers and the final line end.
    pub(super) fn finish(&mut self, trailers: Option<&[&(String, String)]>, out: &mut VecDeque<Bytes>) {
        let mut end = BytesMut::new();
        match self {
            Self::Unsigned { .. } => end.put_slice(b"0\r\n"),
            Self::Signed { signer, chunk } => {
                if !chunk.is_empty() {
                    sign_into(signer, chunk.split().freeze(), out);
                }
                let signature = signer.sign_chunk(&Bytes::new());
                end.put_slice(format!("0{SIGNATURE}{signature}\r\n").as_bytes());
            }
        }
        for (name, value) in trailers.unwrap_or_default() {
            end.put_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        if let (Self::Signed { signer, .. }, Some(trailers)) = (self, trailers) {
            let signature = signer.sign_trailer(trailers);
            end.put_slice(format!("{TRAILER_SIGNATURE}{signature}\r\n").as_bytes());
        }
        end.put_slice(CRLF);
        out.push_back(end.freeze());
    }
}

/// Bytes up to which copying is cheaper than sending apart.
const SMALL: usize = 4 * 1024;

fn pass(piece: Bytes, small: &mut BytesMut, out: &mut VecDeque<Bytes>) {
    if piece.len() < SMALL {
        small.extend_from_slice(&piece);
        return;
    }
    if !small.is_empty() {
        out.push_back(small.split().freeze());
    }
    out.push_back(piece);
}

fn take(data: &mut Bytes, at_most: u64) -> Bytes {
    data.split_to(usize::try_from(at_most).unwrap_or(usize::MAX).min(data.len()))
}

fn sign_into(signer: &mut ChunkSigner, chunk: Bytes, out: &mut VecDeque<Bytes>) {
    let signature = signer.sign_chunk(&chunk);
    out.push_back(format!("{:x}{SIGNATURE}{signature}\r\n", chunk.len()).into());
    out.push_back(chunk);
    out.push_back(Bytes::from_static(CRLF));
}
