//! Where a request ends: whatever a client says about lengths, there is one reading of it, and S3 gets the same one.

use crate::harness::{Setup, Upstream, head};

/// Heads that leave room for a second reading, with a request hidden in the body, and what they are counted as.
fn doubtful() -> Vec<(&'static str, Vec<&'static str>)> {
    let framings: [(&str, &[&str]); 21] = [
        ("ambiguous", &["Content-Length: 100", "Transfer-Encoding: chunked"]),
        ("ambiguous", &["Transfer-Encoding: chunked", "Content-Length: 100"]),
        ("ambiguous", &["Content-Length: 0", "Content-Length: 0"]),
        ("ambiguous", &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
        ("ambiguous", &["Transfer-Encoding: gzip, chunked"]),
        ("ambiguous", &["Transfer-Encoding: chunked, chunked"]),
        ("ambiguous", &["x: y\nContent-Length: 0"]),
        ("malformed", &["Content-Length: 0", "Content-Length: 5"]),
        ("malformed", &["Content-Length: 5, 0"]),
        ("malformed", &["Content-Length: +5"]),
        ("malformed", &["Content-Length: 0x5"]),
        ("malformed", &["Content-Length: -1"]),
        ("malformed", &["Content-Length: 1 1"]),
        ("malformed", &["Content-Length : 5"]),
        ("malformed", &["Transfer-Encoding: gzip"]),
        ("malformed", &["Transfer-Encoding: chunked, identity"]),
        ("malformed", &["Transfer-Encoding : chunked"]),
        ("malformed", &["Transfer-Encoding:\x0bchunked"]),
        ("malformed", &["x: a", " folded: b", "Content-Length: 0"]),
        ("malformed", &["x: a\0b", "Content-Length: 0"]),
        ("malformed", &["x: a\rContent-Length: 0"]),
    ];
    framings.into_iter().map(|(cause, headers)| (cause, headers.to_vec())).collect()
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_is_refused_and_counted() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let hidden = "0\r\n\r\nGET /reports/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (cause, headers) in doubtful() {
        let series = format!("s3proxy_bad_requests_total{{cause=\"{cause}\"}}");
        // Alone, and behind a request that is still being answered.
        for first in ["", "GET /reports/daily/first HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            let (before, seen) = (proxy.metric(&series).await, upstream.seen().len());
            let mut wire = proxy.client("admin").await;
            let mut all = first.as_bytes().to_vec();
            all.extend(head("PUT", "/reports/x", &headers));
            all.extend_from_slice(hidden.as_bytes());
            // The connection may be closed already.
            let _ = wire.try_send(&all).await;
            if !first.is_empty() {
                assert_eq!(wire.answer("GET").await.status, 200);
            }
            let reply = wire.answer("PUT").await;
            assert_eq!(reply.status, 400, "{headers:?}");
            if cause == "ambiguous" {
                assert_eq!(reply.error_code(), "InvalidRequest", "{headers:?}");
            }
            assert!(wire.ends().await, "{headers:?}: something follows the refusal");
            proxy.metric_reaches(&series, before + 1.0).await;
            assert_eq!(upstream.seen().len() - seen, usize::from(!first.is_empty()), "{headers:?}");
        }
    }
    for line_end in
        ["GET /reports/x HTTP/1.1\nHost: localhost\r\n\r\n", "GET /reports/x HTTP/1.1\r\nHost: localhost\n\n"]
    {
        let mut wire = proxy.client("admin").await;
        wire.send(line_end).await;
        assert_eq!(wire.answer("GET").await.status, 400, "{line_end:?}");
        assert!(wire.ends().await);
    }
}

#[tokio::test]
async fn chunks_of_a_doubtful_form_carry_no_object() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mode = crate::harness::aws_chunked::Mode::UnsignedTrailer;
    for chunk in [
        "5\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut wire = proxy.client("admin").await;
        let mut headers = mode.headers(b"hello");
        headers.push("Transfer-Encoding: chunked".to_owned());
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        wire.send(head("PUT", "/reports/x", &headers)).await;
        let _ = wire.try_send(chunk.as_bytes()).await;
        assert_eq!(wire.answer("PUT").await.status, 400, "{chunk:?}");
        assert!(wire.ends().await, "{chunk:?}");
    }
    assert!(upstream.seen().iter().all(|seen| !seen.whole));
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_their_order() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("writer").await;
    let mut all = head("PUT", "/reports/daily/1", &["Content-Length: 3"]);
    all.extend_from_slice(b"one");
    all.extend(head("GET", "/reports/secret/2", &[]));
    all.extend(head("HEAD", "/reports/secret/3", &[]));
    all.extend(head("GET", "/reports/daily/4", &[]));
    wire.send(all).await;
    let mut statuses = Vec::new();
    for method in ["PUT", "GET", "HEAD", "GET"] {
        statuses.push(wire.answer(method).await.status);
    }
    assert_eq!(statuses, [200, 403, 403, 200]);
    let targets: Vec<_> = upstream.seen().iter().map(|seen| seen.target().to_owned()).collect();
    assert_eq!(targets, ["/reports/daily/1", "/reports/daily/4"]);
    assert_eq!(upstream.seen()[0].body, b"one");
}

#[tokio::test]
async fn a_head_beyond_all_measure_is_refused() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let large = format!("x-amz-meta-large: {}", "x".repeat(100_000));
    let mut wire = proxy.client("admin").await;
    let _ = wire.try_send(&head("GET", "/reports/x", &[&large])).await;
    assert_eq!(wire.answer("GET").await.status, 431);
    assert!(wire.ends().await);

    let large = format!("x-amz-meta-large: {}", "x".repeat(60_000));
    let mut wire = proxy.client("admin").await;
    assert_eq!(wire.ask("GET", "/reports/x", &[&large], b"").await.status, 200);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn http2_names_one_host() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut client = proxy.http2("admin").await;
    // The first is the `:authority` of the request, the second a header beside it.
    for (header, status) in [("host: reports.s3.internal", 200), ("host: other.s3.internal", 400)] {
        let headers = ["Host: reports.s3.internal", header];
        let response = client.begin("GET", "/daily/x", &headers, b"").await.unwrap();
        assert_eq!(response.status(), status, "{header}");
    }
    assert_eq!(upstream.only().target(), "/reports/daily/x");
}
