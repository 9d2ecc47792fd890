//! Where a request ends: whatever a client says about lengths, there is one reading of it, and S3 gets the same one.

use crate::harness::{Setup, Upstream, head};

/// Heads that leave room for a second reading, with a request hidden in the body.
#[tokio::test]
async fn a_request_hidden_in_a_body_is_never_answered() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let hidden = "GET /reports/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let empty = format!("0\r\n\r\n{hidden}");
    let cases: [(&[&str], &str); 9] = [
        (&["Content-Length: 0", "Content-Length: 5"], hidden),
        (&["Content-Length: 5, 0"], hidden),
        (&["Content-Length: +5"], hidden),
        (&["Content-Length: 0x5"], hidden),
        (&["Content-Length: -1"], hidden),
        (&["Transfer-Encoding: gzip"], &empty),
        (&["Transfer-Encoding: chunked, identity"], &empty),
        (&["Transfer-Encoding : chunked"], &empty),
        (&["Transfer-Encoding:\x0bchunked"], &empty),
    ];
    for (headers, body) in cases {
        let mut wire = proxy.client("admin").await;
        wire.send(head("PUT", "/reports/x", headers)).await;
        // The connection may be closed already.
        let _ = wire.try_send(body.as_bytes()).await;
        let reply = wire.answer("PUT").await;
        assert!((400..500).contains(&reply.status), "{headers:?}: {}", reply.status);
        assert!(wire.ends().await, "{headers:?}: something follows the refusal");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn two_framings_are_read_as_chunks_and_the_connection_ends() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    let headers = ["Content-Length: 100", "Transfer-Encoding: chunked"];
    wire.send(head("PUT", "/reports/x", &headers)).await;
    wire.send("0\r\n\r\nGET /reports/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let reply = wire.answer("PUT").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (411, "MissingContentLength"));
    assert!(wire.ends().await, "RFC 9112 section 6.1: nothing behind such a request is to be trusted");
    assert_eq!(upstream.connections(), 0);
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
