//! `Expect: 100-continue`: the client is asked for its body when the request is allowed, and not otherwise.

use crate::harness::{Setup, Step, Upstream, head};

const EXPECT: [&str; 2] = ["Expect: 100-continue", "Content-Length: 5"];

#[tokio::test]
async fn an_allowed_upload_is_asked_for_its_body() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("writer").await;
    for _ in 0..2 {
        wire.send(head("PUT", "/reports/daily/x", &EXPECT)).await;
        let asked = wire.until(b"\r\n\r\n").await.unwrap();
        assert_eq!(String::from_utf8(asked).unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
        wire.send("hello").await;
        assert_eq!(wire.answer("PUT").await.status, 200);
        let seen = upstream.last();
        assert_eq!((seen.body.as_slice(), seen.header("expect")), (&b"hello"[..], None));
    }
}

#[tokio::test]
async fn a_refused_upload_is_not() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for (account, method, target, status, code) in [
        ("reader", "PUT", "/reports/daily/x", 403, "AccessDenied"),
        ("writer", "PUT", "/reports/secret/x", 403, "AccessDenied"),
        ("writer", "PUT", "/reports/daily/x?acl", 403, "AccessDenied"),
        ("writer", "PUT", "/reports/daily/x?unheard-of", 501, "NotImplemented"),
        // The keys are in the body, but without any delete in this bucket there is no need to read them.
        ("reader", "POST", "/reports?delete", 403, "AccessDenied"),
    ] {
        let mut wire = proxy.client(account).await;
        wire.send(head(method, target, &EXPECT)).await;
        let reply = wire.answer(method).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (status, code));
        assert!(wire.ends().await, "the body was never read, so nothing may follow on this connection");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_batch_is_asked_for_its_keys_by_the_proxy() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let body = "<Delete><Object><Key>secret/x</Key></Object></Delete>";
    let mut wire = proxy.client("writer").await;
    let length = format!("Content-Length: {}", body.len());
    wire.send(head("POST", "/reports?delete", &["Expect: 100-continue", &length])).await;
    assert_eq!(wire.until(b"\r\n\r\n").await.unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");
    wire.send(body).await;
    assert_eq!(wire.answer("POST").await.error_code(), "AccessDenied");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn what_s3_refuses_without_reading_the_body_arrives_as_it_is() {
    const ANSWER: &str =
        "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 4\r\nConnection: close\r\n\r\nno!\n";
    // S3 looks at the condition, answers, and closes with the body unread.
    let upstream = Upstream::scripted(|_| vec![Step::Send(ANSWER.into()), Step::Close]).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for size in [10_usize, 3_000_000] {
        let mut wire = proxy.client("writer").await;
        let headers = [format!("Content-Length: {size}"), "If-None-Match: *".to_owned()];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        wire.send(head("PUT", "/reports/daily/x", &headers)).await;
        // The client may find the connection closed while it still writes; the answer is there nevertheless.
        let _ = wire.try_send(&vec![b'x'; size]).await;
        let reply = wire.answer("PUT").await;
        assert_eq!((reply.status, reply.text()), (412, "no!\n"), "{size}");
    }
}
