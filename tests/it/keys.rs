//! Keys are bytes: whatever legal way a client writes a key, S3 is asked for exactly that key, in one encoding.
//! The keys are in `tests/data/keys.txt`.

use std::fmt::Write;

use crate::harness::table::rows;
use crate::harness::{Proxy, Setup, Upstream, verify};

/// The legal ways to write a key into a path.
fn spellings(key: &str, canonical: &str) -> Vec<String> {
    let mut all = String::new();
    let mut little = String::new();
    let mut lower = String::new();
    for byte in key.bytes() {
        write!(all, "%{byte:02X}").unwrap();
        // RFC 3986: pchar and the slash need no escape in a path.
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            little.push(char::from(byte));
        } else {
            write!(little, "%{byte:02x}").unwrap();
        }
        if byte == b'/' {
            lower.push('/');
        } else {
            write!(lower, "%{byte:02x}").unwrap();
        }
    }
    let mut spellings = vec![canonical.to_owned(), all, little, lower];
    spellings.dedup();
    spellings
}

async fn ask(proxy: &Proxy, upstream: &Upstream, target: &str, host: &str) -> String {
    let mut wire = proxy.client("admin").await;
    let reply = wire.ask("GET", target, &[&format!("Host: {host}")], b"").await;
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    let seen = upstream.last();
    verify(&seen);
    seen.target().to_owned()
}

#[tokio::test]
async fn every_spelling_of_a_key_reaches_s3_in_one_encoding() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in rows(include_str!("../data/keys.txt")) {
        let [key, canonical] = &row[..] else { panic!("{row:?}") };
        let expected = format!("/reports/{canonical}");
        for spelling in spellings(key, canonical) {
            let in_path = ask(&proxy, &upstream, &format!("/reports/{spelling}"), "localhost").await;
            let in_host = ask(&proxy, &upstream, &format!("/{spelling}"), "reports.s3.internal").await;
            let mut http2 = proxy.http2("admin").await;
            let response = http2.begin("GET", &format!("/reports/{spelling}"), &[], b"").await.unwrap();
            assert_eq!(response.status(), 200);
            let over_http2 = upstream.last().target().to_owned();
            asked += 3;
            for got in [in_path, in_host, over_http2] {
                if got != expected {
                    wrong.push(format!("{spelling}: {got} instead of {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(upstream.seen().len(), asked);
    // The log has the keys decoded.
    let logged = proxy.log.exactly(asked).await;
    assert!(logged.iter().any(|line| line["key"] == "eq=amp&q?x"));
    assert!(logged.iter().any(|line| line["key"] == "dot/../x"));
}

#[tokio::test]
async fn keys_are_bounded_in_bytes() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    let longest = "%C3%A4".repeat(512);
    assert_eq!(wire.ask("GET", &format!("/reports/{longest}"), &[], b"").await.status, 200);
    assert_eq!(upstream.only().target(), format!("/reports/{longest}"));
    let reply = wire.ask("GET", &format!("/reports/{longest}x"), &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (400, "KeyTooLongError"));
}
