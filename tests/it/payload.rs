//! Uploads in every payload mode, cut by the network in every way: what is stored, read from the file system of a
//! store that verifies signatures, is what was sent.

use std::path::PathBuf;

use proptest::prelude::*;

use crate::harness::aws_chunked::{Length, Mode, SIGNATURE, crc32};
use crate::harness::{
    Proxy, Setup, Store, Upstream, Wire, chunked, collect, eventually, head, settle, store, verify,
};

/// A proxy in front of a real store.
pub(crate) struct Stored {
    pub(crate) proxy: Proxy,
    bucket: PathBuf,
    _store: Store,
}

impl Stored {
    pub(crate) async fn start() -> Self {
        let mut setup = Setup::new("");
        let store = store(setup.folder.path()).await;
        setup.endpoint = format!("https://localhost:{}", store.addr.port());
        let bucket = setup.folder.path().join("store/reports");
        Self { proxy: setup.start().await, bucket, _store: store }
    }

    /// What is stored under a key, straight from the store's directory.
    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.bucket.join(key)).ok()
    }
}

/// Headers and body of an upload as they go over the wire.
pub(crate) fn upload(key: &str, mode: Mode, length: Length, data: &[u8], chunk: usize) -> (Vec<u8>, Vec<u8>) {
    let framed = mode.frame(data, chunk);
    let mut headers = mode.headers(data);
    headers.push(length.header(&framed));
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    (head("PUT", &format!("/reports/{key}"), &headers), length.frame(&framed))
}

/// Sends each piece in a TLS record of its own, and not before the proxy has read the one in front.
async fn send_pieces<'a>(wire: &mut Wire, pieces: impl IntoIterator<Item = &'a [u8]>) {
    for piece in pieces {
        wire.send(piece).await;
        settle().await;
    }
}

const DATA: &[u8] = b"twenty-nine bytes,\r\n0\r\n inside";

/// The modes with each length that HTTP/1.1 can declare: without framing there is but one.
fn forms() -> impl Iterator<Item = (Mode, Length)> {
    let lengths = |mode: Mode| {
        let unknown = mode.framed().then_some((mode, Length::Unknown));
        std::iter::once((mode, Length::Declared)).chain(unknown)
    };
    Mode::ALL.into_iter().flat_map(lengths)
}

#[tokio::test]
async fn every_cut_of_every_mode_is_stored_byte_for_byte() {
    let stored = Stored::start().await;
    for (mode, length) in forms() {
        let mut wire = stored.proxy.client("writer").await;
        let cuts = upload("", mode, length, DATA, 17).1.len();
        for cut in 0..=cuts {
            let key = format!("daily/{mode:?}-{length:?}-{cut}");
            let (head, body) = upload(&key, mode, length, DATA, 17);
            let (first, second) = body.split_at(cut);
            send_pieces(&mut wire, [&head[..], first, second].into_iter().filter(|p| !p.is_empty())).await;
            let reply = wire.answer("PUT").await;
            assert_eq!(reply.status, 200, "{key}: {}", reply.text());
            assert_eq!(stored.object(&key).as_deref(), Some(DATA), "{key}");
        }
    }
}

#[tokio::test]
async fn byte_by_byte_is_stored_too() {
    let stored = Stored::start().await;
    for (mode, length) in forms() {
        let mut wire = stored.proxy.client("writer").await;
        let key = format!("daily/{mode:?}-{length:?}");
        let (head, body) = upload(&key, mode, length, DATA, 10);
        send_pieces(&mut wire, head.chunks(1).chain(body.chunks(1))).await;
        let reply = wire.answer("PUT").await;
        assert_eq!(reply.status, 200, "{key}: {}", reply.text());
        assert_eq!(stored.object(&key).as_deref(), Some(DATA), "{key}");
    }
}

#[tokio::test]
async fn nothing_at_all_is_stored_in_every_mode() {
    let stored = Stored::start().await;
    for (mode, length) in forms() {
        let mut wire = stored.proxy.client("writer").await;
        let key = format!("daily/{mode:?}-{length:?}");
        let (head, body) = upload(&key, mode, length, b"", 10);
        wire.send([head, body].concat()).await;
        let reply = wire.answer("PUT").await;
        assert_eq!(reply.status, 200, "{key}: {}", reply.text());
        assert_eq!(stored.object(&key).as_deref(), Some(&b""[..]), "{key}");
    }
}

#[tokio::test]
async fn uploads_over_http2_are_stored_byte_for_byte() {
    let stored = Stored::start().await;
    let mut client = stored.proxy.http2("writer").await;
    for (mode, length) in forms() {
        let key = format!("daily/{mode:?}-{length:?}");
        let (target, headers) = (format!("/reports/{key}"), mode.headers(DATA));
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let body = mode.frame(DATA, 17);
        let response = match length {
            Length::Declared => client.begin("PUT", &target, &headers, &body).await,
            Length::Unknown => {
                let pieces = body.chunks(7).map(<[u8]>::to_vec).collect();
                client.begin_pieces("PUT", &target, &headers, pieces).await
            }
        };
        let response = response.unwrap();
        assert_eq!(response.status(), 200, "{key}");
        collect(response).await.unwrap();
        assert_eq!(stored.object(&key).as_deref(), Some(DATA), "{key}");
    }
}

/// Bytes that no shift maps onto themselves.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    /// Around the sizes of the proxy's own chunks, with chunks and cuts of the client's of any size.
    #[test]
    fn large_uploads_are_stored_byte_for_byte(
        size in prop_oneof![Just(65_536_usize), Just(65_537), Just(1_048_576), 0_usize..1_300_000],
        chunk in prop_oneof![Just(8_192_usize), Just(65_536), 1_000_usize..2_000_000],
        piece in prop_oneof![Just(16_384_usize), 500_usize..200_000],
        form in 0_usize..8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stored = Stored::start().await;
            let mut wire = stored.proxy.client("writer").await;
            let (mode, length) = forms().nth(form).unwrap();
            let data = noise(size);
            let (head, body) = upload("daily/x", mode, length, &data, chunk);
            send_pieces(&mut wire, std::iter::once(&head[..]).chain(body.chunks(piece))).await;
            let reply = wire.answer("PUT").await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(stored.object("daily/x").unwrap() == data, "{mode:?} {length:?}");
        });
    }
}

#[tokio::test]
async fn the_length_always_goes_to_s3_and_never_chunked() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for (mode, length) in forms() {
        let mut wire = proxy.client("writer").await;
        let (head, body) = upload("daily/x", mode, length, DATA, 17);
        wire.send([head, body].concat()).await;
        assert_eq!(wire.answer("PUT").await.status, 200);
        let seen = upstream.last();
        verify(&seen);
        assert!(seen.whole, "{mode:?} {length:?}: {seen:#?}");
        assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string()), "{mode:?} {length:?}");
        assert_eq!(seen.header("transfer-encoding"), None);
        let announced = mode.headers(DATA)[0].replace("x-amz-content-sha256: ", "");
        assert_eq!(seen.header("x-amz-content-sha256"), Some(announced));
        if mode.framed() {
            assert_eq!(seen.header("x-amz-decoded-content-length"), Some(DATA.len().to_string()));
            assert_eq!(seen.header("content-encoding").as_deref(), Some("aws-chunked"));
        }
        let text = String::from_utf8(seen.body).unwrap();
        assert!(!text.contains(SIGNATURE), "the client's signatures are of no use to S3: {text}");
        match mode {
            Mode::Sha256 | Mode::Unsigned => assert_eq!(text.as_bytes(), DATA),
            Mode::UnsignedTrailer => {
                assert!(
                    text.ends_with(&format!("\r\n0\r\nx-amz-checksum-crc32:{}\r\n\r\n", crc32(DATA))),
                    "{text}"
                );
            }
            Mode::SignedChunks => assert!(text.starts_with("1e;chunk-signature="), "{text}"),
            Mode::SignedChunksTrailer => assert!(text.contains("\r\nx-amz-trailer-signature:"), "{text}"),
        }
    }
}

#[tokio::test]
async fn a_body_is_passed_on_as_it_comes() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for mode in [Mode::Sha256, Mode::Unsigned, Mode::UnsignedTrailer] {
        let mut wire = proxy.client("writer").await;
        let (head, body) = upload("daily/x", mode, Length::Declared, DATA, 17);
        let (first, rest) = body.split_at(10);
        wire.send([&head[..], first].concat()).await;
        // The client sends no more before S3 has got what was sent so far.
        eventually("the first bytes at the upstream", async || {
            upstream.seen().last().filter(|seen| seen.body == first && !seen.whole).map(|_| ())
        })
        .await;
        wire.send(rest).await;
        assert_eq!(wire.answer("PUT").await.status, 200);
        assert_eq!(upstream.last().body, body);
    }
}

#[tokio::test]
async fn the_framing_of_a_known_length_is_passed_on_as_it_is() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("writer").await;
    let (head, body) = upload("daily/x", Mode::UnsignedTrailer, Length::Declared, DATA, 7);
    wire.send([&head[..], &body[..]].concat()).await;
    assert_eq!(wire.answer("PUT").await.status, 200);
    assert_eq!(upstream.only().body, body);
}

#[tokio::test]
async fn a_body_that_only_claims_to_be_framed_is_passed_on_as_it_is() {
    // `aws-chunked` may stand on a plain upload (rustfs#4960): what counts is x-amz-content-sha256.
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("writer").await;
    let headers = ["Content-Encoding: aws-chunked", "x-amz-content-sha256: UNSIGNED-PAYLOAD"];
    assert_eq!(wire.ask("PUT", "/reports/daily/x", &headers, b"0\r\n\r\n").await.status, 200);
    assert_eq!(upstream.only().body, b"0\r\n\r\n");
}

#[tokio::test]
async fn other_content_codings_stay() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("writer").await;
    let mut headers = Mode::UnsignedTrailer.headers(DATA);
    headers[1] = "Content-Encoding: gzip,aws-chunked".to_owned();
    headers.push("Transfer-Encoding: chunked".to_owned());
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let body = chunked(&Mode::UnsignedTrailer.frame(DATA, 9), 5);
    assert_eq!(wire.ask("PUT", "/reports/daily/x", &headers, &body).await.status, 200);
    assert_eq!(upstream.only().header("content-encoding").as_deref(), Some("gzip,aws-chunked"));
}

#[tokio::test]
async fn an_object_beyond_the_limit_is_refused_before_its_body() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("max_object_size: 30B").start().await;
    for (mode, length) in forms() {
        for (size, status) in [(30, 200), (31, 400)] {
            let mut wire = proxy.client("writer").await;
            let (head, body) = upload("daily/x", mode, length, &noise(size), 17);
            wire.send(head).await;
            // Only the larger one is answered without its body.
            let body = if status == 200 { body } else { Vec::new() };
            wire.send(body).await;
            let reply = wire.answer("PUT").await;
            assert_eq!(reply.status, status, "{mode:?} {length:?}: {}", reply.text());
            if status == 400 {
                assert_eq!(reply.error_code(), "EntityTooLarge");
            }
        }
    }
    assert_eq!(upstream.seen().len(), forms().count());
}
