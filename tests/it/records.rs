//! One line a request, however it ended, with what an auditor needs.

use serde_json::{Value, json};

use crate::harness::{Setup, Step, Upstream, access, answer, head, request, settle};

#[tokio::test]
async fn a_line_says_who_did_what() {
    let upstream = Upstream::scripted(|_| {
        answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-amz-request-id: S3ID\r\n\r\nhello")
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("writer").await;
    wire.ask("PUT", "/reports/daily/a%20b", &[], b"0123456789").await;
    let refused = wire.ask("GET", "/reports?list-type=2&prefix=secret/", &[], b"").await;
    wire.ask("GET", "/reports?list-type=2&prefix=daily/", &[], b"").await;
    let lines = proxy.log.exactly(3).await;

    let expect = |line: &Value, wanted: Value| {
        for (field, value) in wanted.as_object().unwrap() {
            assert_eq!(&line[field], value, "{field} in {line}");
        }
    };
    let writer = "spiffe://cluster.local/ns/reports/sa/writer";
    expect(
        &lines[0],
        json!({
            "identity": writer, "operation": "PutObject", "bucket": "reports", "key": "daily/a b", "status": 200,
            "error_code": null, "bytes_in": 10, "bytes_out": 5, "upstream_request_id": "S3ID", "grant": "daily-writers"
        }),
    );
    expect(
        &lines[1],
        json!({
            "identity": writer, "operation": "ListObjectsV2", "bucket": "reports", "key": "secret/", "status": 403,
            "error_code": "AccessDenied", "bytes_in": 0, "bytes_out": refused.body.len(), "upstream_ms": null,
            "upstream_request_id": null, "grant": null, "request_id": refused.header("x-amz-request-id")
        }),
    );
    expect(&lines[2], json!({ "operation": "ListObjectsV2", "key": "daily/", "status": 200 }));
    for line in &lines {
        let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 14, "{fields:?}");
        let time = access(line, "time");
        time::OffsetDateTime::parse(&time, &time::format_description::well_known::Rfc3339).unwrap();
        assert!(time.ends_with('Z'), "{time}");
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
    }
    assert!(lines[0]["upstream_ms"].as_f64() <= lines[0]["duration_ms"].as_f64());
}

#[tokio::test]
async fn a_client_that_leaves_during_a_download_is_in_the_log() {
    let upstream = Upstream::scripted(|_| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nfirst".to_vec()), Step::Silence]
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(request("GET", "/reports/daily/x", &[], b"")).await;
    wire.until(b"first").await.unwrap();
    drop(wire);
    let mut http2 = proxy.http2("admin").await;
    let response = http2.begin("GET", "/reports/daily/x", &[], b"").await.unwrap();
    let mut body = response.into_body();
    http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
    // Only the stream is given up; the connection goes on.
    drop(body);
    for line in proxy.log.exactly(2).await {
        assert_eq!(
            (access(&line, "status"), access(&line, "bytes_out")),
            ("200".into(), "5".into()),
            "{line}"
        );
        assert_eq!(
            access(&line, "error_code"),
            "ClientClosedRequest",
            "a part was sent, and the log shows it: {line}"
        );
    }
    assert!(proxy.metric("s3proxy_requests_in_flight").await < 0.5);
}

#[tokio::test]
async fn a_client_that_leaves_during_an_upload_is_in_the_log() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(head("PUT", "/reports/daily/x", &["Content-Length: 100"])).await;
    wire.send("first").await;
    upstream.arrival().await;
    settle().await;
    drop(wire);
    let line = &proxy.log.exactly(1).await[0];
    assert!(["400", "499"].contains(&access(line, "status").as_str()), "{line}");
    assert_ne!(access(line, "error_code"), "null", "{line}");
    assert_eq!(access(line, "bytes_in"), "5", "{line}");
    assert_eq!(access(line, "operation"), "PutObject", "{line}");
    assert!(!upstream.only().whole);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_is_in_the_log() {
    let upstream = Upstream::scripted(|_| vec![Step::Body, Step::Silence]).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(request("GET", "/reports/daily/x", &[], b"")).await;
    upstream.arrival().await;
    drop(wire);
    let line = &proxy.log.exactly(1).await[0];
    assert_eq!(
        (access(line, "status"), access(line, "error_code")),
        ("499".into(), "ClientClosedRequest".into())
    );
}

#[tokio::test]
async fn nothing_in_a_line_can_make_another() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    let key = "%0A%7B%22status%22%3A200%7D%0D%0A%22%5C%1B%5B31m%E2%80%A8%E2%80%AE%C2%9B";
    wire.ask("GET", &format!("/reports/{key}"), &[], b"").await;
    let line = &proxy.log.exactly(1).await[0];
    assert_eq!(line["key"], "\n{\"status\":200}\r\n\"\\\u{1b}[31m\u{2028}\u{202e}\u{9b}");
    assert!(proxy.log.text().chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{}", proxy.log.text());
    assert_eq!(access(line, "time").len(), "2026-11-24T04:04:43.884Z".len(), "{line}");
}

#[tokio::test]
async fn secrets_of_clients_are_not_logged() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    let headers = ["Authorization: Bearer verysecret", "x-amz-security-token: verysecret"];
    wire.ask("GET", "/reports/x?X-Amz-Signature=verysecret&X-Amz-Security-Token=verysecret", &headers, b"")
        .await;
    let refused = wire.ask("GET", "/reports/x?unknown=1&Signature=verysecret", &headers, b"").await;
    assert_eq!(refused.status, 501);
    assert!(!refused.text().contains("verysecret"), "{}", refused.text());
    for line in proxy.log.exactly(2).await {
        assert!(!line.to_string().contains("verysecret"), "{line}");
    }
}
