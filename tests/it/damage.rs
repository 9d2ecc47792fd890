//! Uploads that are damaged on their way: the store never holds a wrong object, and a client that still listens is
//! told so as S3 would tell it.

use crate::harness::aws_chunked::{Length, Mode, SIGNATURE, crc32};
use crate::harness::{Reply, Setup, Upstream, access, head, settle};
use crate::payload::Stored;

const DATA: &[u8] = b"some bytes of an object";

/// Sends an upload with a body that was tampered with.
async fn damaged(stored: &Stored, key: &str, mode: Mode, length: Length, body: &[u8]) -> Reply {
    with_headers(stored, key, &mode.headers(DATA), length, body).await
}

async fn with_headers(stored: &Stored, key: &str, headers: &[String], length: Length, body: &[u8]) -> Reply {
    let framed_by = length.header(body);
    let mut headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    headers.push(&framed_by);
    let mut wire = stored.proxy.client("writer").await;
    wire.send(head("PUT", &format!("/reports/{key}"), &headers)).await;
    let _ = wire.try_send(&length.frame(body)).await;
    wire.answer("PUT").await
}

fn text(mode: Mode) -> String {
    String::from_utf8(mode.frame(DATA, 9)).unwrap()
}

/// Ways to damage framing, by name. `None` where a mode does not have the part.
fn damages(mode: Mode) -> Vec<(&'static str, String)> {
    let good = text(mode);
    let last =
        if good.contains(';') { format!("0;chunk-signature={SIGNATURE}\r\n") } else { "0\r\n".to_owned() };
    let mut all = vec![
        ("first chunk longer than it says", good.replacen('9', "8", 1)),
        ("first chunk shorter than it says", good.replacen('9', "a", 1)),
        ("size is no number", good.replacen('9', "g", 1)),
        ("negative size", good.replacen('9', "-9", 1)),
        ("size without end", good.replacen('9', &"9".repeat(30), 1)),
        ("no line end behind a chunk", good.replacen("some byte\r\n", "some byte", 1)),
        ("no last chunk", good.split(&format!("\r\n{last}")).next().unwrap().to_owned() + "\r\n"),
        ("last chunk in the middle", format!("{last}\r\n{good}")),
        ("bytes behind the end", format!("{good}x")),
        ("a request behind the end", format!("{good}PUT /reports/daily/y HTTP/1.1\r\n\r\n")),
        ("no framing at all", String::from_utf8(DATA.to_vec()).unwrap()),
        ("nothing", String::new()),
    ];
    if mode != Mode::SignedChunks {
        let line = good.split("\r\n").find(|line| line.contains("crc32:")).unwrap().to_owned() + "\r\n";
        all.push(("no trailer", good.replace(&line, "")));
        all.push(("another trailer", good.replace("crc32:", "crc32c:")));
        all.push((
            "two trailers",
            good.replace(&line, &format!("{line}x-amz-checksum-sha1:2jmj7l5rSw0yVb/vlWAYkK/YBwk=\r\n")),
        ));
        all.push(("the trailer twice", good.replace(&line, &format!("{line}{line}"))));
        all.push((
            "a trailer that is a header",
            good.replace(&line, &format!("{line}x-amz-acl:public-read\r\n")),
        ));
        all.push(("trailer cut short", good.replace("==\r\n", "\r\n")));
    }
    if mode != Mode::UnsignedTrailer {
        all.push(("no signature", good.replacen(&format!(";chunk-signature={SIGNATURE}"), "", 1)));
        all.push(("short signature", good.replacen(SIGNATURE, "0123", 1)));
        all.push(("another extension", good.replacen("chunk-signature", "chunk-extension", 1)));
    }
    all
}

#[tokio::test]
async fn damaged_framing_is_refused_and_nothing_is_stored() {
    let stored = Stored::start().await;
    let mut wrong = Vec::new();
    for mode in [Mode::UnsignedTrailer, Mode::SignedChunks, Mode::SignedChunksTrailer] {
        for length in [Length::Declared, Length::Unknown] {
            for (number, (damage, body)) in damages(mode).into_iter().enumerate() {
                assert_ne!(body, text(mode), "{damage}");
                let key = format!("daily/{mode:?}-{length:?}-{number}");
                let reply = damaged(&stored, &key, mode, length, body.as_bytes()).await;
                let object = stored.object(&key);
                let good = object.is_none() && reply.status == 400 && reply.error_code() == "IncompleteBody";
                if !good {
                    let held = object.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                    wrong.push(format!(
                        "{key}, {damage}: {} {}, stored: {held:?}",
                        reply.status,
                        reply.text()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn chunks_that_do_not_add_up_are_refused_and_nothing_is_stored() {
    let stored = Stored::start().await;
    for mode in [Mode::UnsignedTrailer, Mode::SignedChunks, Mode::SignedChunksTrailer] {
        for claimed in [0, DATA.len() - 1, DATA.len() + 1, 5_000_000] {
            let key = format!("daily/{mode:?}-{claimed}");
            let mut headers = mode.headers(DATA);
            headers[2] = format!("x-amz-decoded-content-length: {claimed}");
            for length in [Length::Unknown, Length::Declared] {
                let reply = with_headers(&stored, &key, &headers, length, text(mode).as_bytes()).await;
                assert_eq!((reply.status, reply.error_code().as_str()), (400, "IncompleteBody"), "{key}");
                assert_eq!(stored.object(&key), None, "{key}, {length:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let stored = Stored::start().await;
    let mut count = 0;
    for mode in Mode::ALL {
        for length in [Length::Declared, Length::Unknown] {
            if !mode.framed() && length == Length::Unknown {
                continue;
            }
            let key = format!("daily/{mode:?}-{length:?}");
            let body = length.frame(&mode.frame(DATA, 9));
            let announced = length.header(&mode.frame(DATA, 9));
            let mut headers = mode.headers(DATA);
            headers.push(announced);
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            // Everything but the last byte that the mode needs; the line ends behind it may be missing.
            for cut in (0..body.len() - 7).step_by(5) {
                let mut wire = stored.proxy.client("writer").await;
                wire.send(head("PUT", &format!("/reports/{key}"), &headers)).await;
                wire.send(&body[..cut]).await;
                settle().await;
                drop(wire);
                count += 1;
            }
        }
    }
    // One line each, and none of them says that all was well.
    for line in stored.proxy.log.exactly(count).await {
        assert_ne!(access(&line, "status"), "200", "{line}");
        assert_ne!(access(&line, "error_code"), "null", "{line}");
    }
    for mode in Mode::ALL {
        for length in [Length::Declared, Length::Unknown] {
            assert_eq!(stored.object(&format!("daily/{mode:?}-{length:?}")), None, "{mode:?} {length:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_hash_is_noticed_by_the_store() {
    let stored = Stored::start().await;
    let body = b"other bytes of another!";
    let reply = damaged(&stored, "daily/x", Mode::Sha256, Length::Declared, body).await;
    // S3 says 400 XAmzContentSHA256Mismatch; this store says 500.
    assert!(reply.status >= 400, "{} {}", reply.status, reply.text());
    assert_eq!(stored.object("daily/x"), None);
}

/// Sound framing whose checksum is not that of its data.
fn wrong_checksum(mode: Mode) -> String {
    text(mode).replace(&crc32(DATA), "AAAAAA==")
}

#[tokio::test]
async fn a_wrong_trailing_checksum_is_noticed_by_the_store() {
    let stored = Stored::start().await;
    for mode in [Mode::UnsignedTrailer, Mode::SignedChunksTrailer] {
        for length in [Length::Declared, Length::Unknown] {
            let reply = damaged(&stored, "daily/x", mode, length, wrong_checksum(mode).as_bytes()).await;
            assert_eq!(reply.status, 400, "{mode:?} {length:?}");
            assert_eq!(reply.any_code(), "BadDigest", "the store's own answer comes through");
        }
    }
}

/// A store of one object that does as S3 does: it looks at the checksum first and stores then.
fn verify_then_store(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).unwrap();
    let (mut rest, mut data) = (text, String::new());
    loop {
        let (line, behind) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(line.split(';').next().unwrap(), 16).unwrap();
        if size == 0 {
            let checksum = behind.split("crc32:").nth(1)?.split("\r\n").next()?;
            return (checksum == crc32(data.as_bytes())).then(|| data.into_bytes());
        }
        data.push_str(&behind[..size]);
        rest = &behind[size + 2..];
    }
}

#[tokio::test]
async fn a_store_that_verifies_first_never_holds_a_wrong_object() {
    // The proxy does not compute checksums: it sees to it that the store can.
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for mode in [Mode::UnsignedTrailer, Mode::SignedChunksTrailer] {
        for length in [Length::Declared, Length::Unknown] {
            for (body, held) in [(text(mode), Some(DATA.to_vec())), (wrong_checksum(mode), None)] {
                let framed_by = length.header(body.as_bytes());
                let mut headers = mode.headers(DATA);
                headers.push(framed_by);
                let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
                let mut wire = proxy.client("writer").await;
                wire.send(head("PUT", "/reports/daily/x", &headers)).await;
                wire.send(length.frame(body.as_bytes())).await;
                assert_eq!(wire.answer("PUT").await.status, 200);
                let arrived = upstream.last();
                assert!(arrived.whole);
                assert_eq!(verify_then_store(&arrived.body), held, "{mode:?} {length:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_follows_a_whole_body_is_not_part_of_the_object() {
    let stored = Stored::start().await;
    let mut wire = stored.proxy.client("writer").await;
    let length = format!("Content-Length: {}", DATA.len());
    wire.send(head("PUT", "/reports/daily/x", &[&length])).await;
    wire.send([DATA, b"garbage that is no request\r\n\r\n"].concat()).await;
    assert_eq!(wire.answer("PUT").await.status, 200);
    assert_eq!(stored.object("daily/x").as_deref(), Some(DATA));
    // What is no request ends the connection.
    let rest = wire.until(b"\r\n\r\n").await.unwrap_or_else(|rest| rest);
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&rest));
    stored.proxy.log.exactly(1).await;
}

#[tokio::test]
async fn a_length_that_http2_contradicts_stores_nothing() {
    let stored = Stored::start().await;
    for claimed in [DATA.len() - 1, DATA.len() + 1] {
        let mut client = stored.proxy.http2("writer").await;
        let length = format!("content-length: {claimed}");
        let pieces = DATA.chunks(5).map(<[u8]>::to_vec).collect();
        let result = client.begin_pieces("PUT", "/reports/daily/x", &[&length], pieces).await;
        assert!(result.is_err() || (400..500).contains(&result.unwrap().status().as_u16()), "{claimed}");
        assert_eq!(stored.object("daily/x"), None, "{claimed}");
    }
    for line in stored.proxy.log.exactly(2).await {
        assert_ne!(access(&line, "status"), "200", "{line}");
    }
}
