//! Any `aws-chunked` body, in any network frames: what comes out is a whole body of the announced length that decodes
//! to the same bytes, or nothing that could be taken for one.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use s3_access_proxy::sigv4::{Reframer, TrailerNames};

/// The re-framed body, if every byte of it was right.
fn reframe(decoded: u64, frames: &mut dyn Iterator<Item = &[u8]>) -> Option<Vec<u8>> {
    let trailers = TrailerNames::parse("x-amz-checksum-crc32").ok()?;
    let mut reframer = Reframer::unsigned(decoded, trailers);
    for frame in frames {
        reframer.push(Bytes::copy_from_slice(frame)).ok()?;
    }
    reframer.finish().ok()?;
    let mut out = Vec::new();
    while let Some(bytes) = reframer.pop() {
        out.extend_from_slice(&bytes);
    }
    Some(out)
}

fuzz_target!(|input: &[u8]| {
    let [length, cut, body @ ..] = input else { return };
    let (length, cut) = (u64::from(*length), usize::from(*cut).max(1));
    let whole = reframe(length, &mut std::iter::once(body));
    let pieces = reframe(length, &mut body.chunks(cut));
    assert_eq!(whole, pieces, "the frames of the network mean nothing");
    if let Some(out) = whole {
        assert_eq!(reframe(length, &mut std::iter::once(out.as_slice())).as_ref(), Some(&out));
    }
});
