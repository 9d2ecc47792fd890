//! Framing, by the worked examples of AWS and by every cut of the bytes into frames.

use super::*;
use crate::sigv4::{PayloadMode, Signer};
use aws_credential_types::Credentials;
use proptest::prelude::*;
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

fn run(reframer: &mut Reframer, wire: &[u8], cuts: &[usize]) -> Result<Vec<u8>, FramingError> {
    let mut out = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([wire.len()]) {
        let end = cut.clamp(at, wire.len());
        reframer.push(Bytes::copy_from_slice(&wire[at..end]))?;
        at = end;
        while let Some(piece) = reframer.pop() {
            out.extend_from_slice(&piece);
        }
    }
    reframer.finish()?;
    while let Some(piece) = reframer.pop() {
        out.extend_from_slice(&piece);
    }
    Ok(out)
}

/// Frames a body as a client would, with chunks of `chunk` bytes.
fn frame(body: &[u8], chunk: usize, signed: bool, trailer: &str) -> Vec<u8> {
    let extension = if signed { format!(";chunk-signature={}", "0".repeat(64)) } else { String::new() };
    let mut wire = Vec::new();
    for piece in body.chunks(chunk) {
        wire.extend_from_slice(format!("{:x}{extension}\r\n", piece.len()).as_bytes());
        wire.extend_from_slice(piece);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
    wire
}

const CRC: &str = "x-amz-checksum-crc32:AAAAAA==\r\n";

fn crc() -> TrailerNames {
    TrailerNames::parse("x-amz-checksum-crc32").unwrap()
}

fn decode(wire: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(false);
    let mut input = Bytes::copy_from_slice(wire);
    let mut body = Vec::new();
    while let Piece::Data(data) = decoder.next(&mut input).unwrap() {
        body.extend_from_slice(&data);
    }
    decoder.finish().unwrap();
    body
}

#[test]
fn chunks_are_signed_as_in_the_golden_cases() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sigv4-chunks");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        count += 1;
        let case: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let text = |pointer: &str| case.pointer(pointer).and_then(|v| v.as_str()).unwrap();
        let keys = Credentials::new(
            text("/credentials/access_key_id"),
            text("/credentials/secret_access_key"),
            None,
            None,
            "golden",
        );
        let time: SystemTime = OffsetDateTime::parse(text("/timestamp"), &Rfc3339).unwrap().into();
        let signer = ChunkSigner::golden(text("/region"), time, &keys.into(), text("/seed_signature"));

        let decoded = usize::try_from(case["decoded_length"].as_u64().unwrap()).unwrap();
        let body = vec![text("/fill").as_bytes()[0]; decoded];
        let (mut trailer, mut names, mut expected_trailer) = (String::new(), None, String::new());
        if let Some(headers) = case.pointer("/trailer/headers").and_then(|h| h.as_array()) {
            for pair in headers {
                trailer =
                    [&trailer, pair[0].as_str().unwrap(), ":", pair[1].as_str().unwrap(), "\r\n"].concat();
            }
            names = Some(TrailerNames::parse(headers[0][0].as_str().unwrap()).unwrap());
            text("/trailer/encoded").clone_into(&mut expected_trailer);
        }
        let mut expected = Vec::new();
        for chunk in case["chunks"].as_array().unwrap() {
            let size = usize::try_from(chunk["size"].as_u64().unwrap()).unwrap();
            expected.extend_from_slice(chunk["header"].as_str().unwrap().as_bytes());
            expected.extend_from_slice(&body[..size]);
            if size > 0 {
                expected.extend_from_slice(b"\r\n");
            }
        }
        expected.extend_from_slice(expected_trailer.as_bytes());
        expected.extend_from_slice(b"\r\n");

        let mut reframer = Reframer::signed(decoded as u64, names, signer);
        let out = run(&mut reframer, &frame(&body, 9000, true, &trailer), &[]).unwrap();
        assert_eq!(out.len() as u64, case["encoded_length"].as_u64().unwrap(), "{}", path.display());
        assert!(out == expected, "{}", path.display());
    }
    assert!(count >= 5, "the golden cases are missing");
}

#[test]
fn damage_is_noticed_before_the_last_chunk_is_sent() {
    let good = frame(b"hello world", 4, false, CRC);
    let attempt = |wire: &[u8], decoded: u64| run(&mut Reframer::unsigned(decoded, crc()), wire, &[]);
    assert_eq!(decode(&attempt(&good, 11).unwrap()), b"hello world");

    let text = String::from_utf8(good.clone()).unwrap();
    let damaged = [
        ("wrong chunk size", text.replacen("4\r\n", "5\r\n", 1)),
        ("smaller chunk size", text.replacen("4\r\n", "3\r\n", 1)),
        ("no hexadecimal", text.replacen("4\r\n", "x\r\n", 1)),
        ("signature in the unsigned mode", text.replacen("4\r\n", "4;chunk-signature=00\r\n", 1)),
        ("no trailer", text.replace(CRC, "")),
        ("another trailer", text.replace("crc32:", "crc32c:")),
        ("short trailer value", text.replace("AAAAAA==", "AAAA")),
        ("bytes behind the end", format!("{text}x")),
        ("doubled trailer", text.replace(CRC, &format!("{CRC}{CRC}"))),
        ("cut in the trailer", text[..text.len() - 8].to_owned()),
        ("cut in the data", text[..8].to_owned()),
        ("empty", String::new()),
    ];
    for (what, wire) in damaged {
        assert!(attempt(wire.as_bytes(), 11).is_err(), "{what}");
    }
    assert!(attempt(&good, 10).is_err(), "longer than declared");
    assert!(attempt(&good, 12).is_err(), "shorter than declared");
}

proptest! {
    #[test]
    fn every_cut_of_the_bytes_gives_the_same_body(
        body in proptest::collection::vec(any::<u8>(), 0..5000),
        chunk in 1usize..2000,
        mut cuts in proptest::collection::vec(0usize..12000, 0..40),
    ) {
        cuts.sort_unstable();
        let length = body.len() as u64;
        let mut unsigned = Reframer::unsigned(length, crc());
        let out = run(&mut unsigned, &frame(&body, chunk, false, CRC), &cuts).unwrap();
        prop_assert_eq!(out.len() as u64, crate::sigv4::encoder::unsigned_length(length, &crc()));
        prop_assert_eq!(decode(&out), body.clone());

        let keys = Credentials::new("AKID", "secret", None, None, "test").into();
        let mut request = http::Request::put("https://h/b/k").header("host", "h").body(()).unwrap();
        let signer = || Signer::new("r").sign(&mut request, &PayloadMode::SignedChunks, &keys, SystemTime::UNIX_EPOCH);
        let mut signed = Reframer::signed(length, None, { let mut signer = signer; signer().unwrap() });
        let out = run(&mut signed, &frame(&body, chunk, true, ""), &cuts).unwrap();
        prop_assert_eq!(out.len() as u64, crate::sigv4::encoder::signed_length(length, None));
    }

    #[test]
    fn arbitrary_bytes_never_panic(wire in proptest::collection::vec(any::<u8>(), 0..300), decoded in 0u64..300) {
        let _ = run(&mut Reframer::unsigned(decoded, crc()), &wire, &[]);
    }
}

#[test]
fn chunks_of_a_byte_do_not_make_frames_of_a_byte() {
    let names = TrailerNames::parse("x-amz-checksum-crc32").unwrap();
    let mut reframer = Reframer::unsigned(10_000, names);
    let framed = "1\r\nx\r\n".repeat(10_000) + "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    let mut pieces = 0;
    for frame in framed.as_bytes().chunks(16 * 1024) {
        reframer.push(Bytes::copy_from_slice(frame)).unwrap();
        pieces += std::iter::from_fn(|| reframer.pop()).count();
    }
    reframer.finish().unwrap();
    assert!(pieces <= 4, "{pieces}");
}
