//! Connections to S3: what a client is told when there is none, and when one breaks.

use tokio::net::TcpListener;

use crate::harness::{FOREIGN, Seen, Setup, Step, Upstream, answer, eventually, request};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn an_s3_that_cannot_be_reached_is_a_retry() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (endpoint, kind) in [
        (format!("http://{address}"), "connect"),
        (format!("https://{address}"), "connect"),
        ("http://no-such-host.invalid".into(), "lookup"),
    ] {
        let proxy = Setup::new(endpoint).start().await;
        let mut wire = proxy.client("admin").await;
        for (method, body) in [("GET", &b""[..]), ("PUT", b"body"), ("HEAD", b"")] {
            wire.send(request(method, "/reports/daily/x", &[], body)).await;
            let reply = wire.answer(method).await;
            assert_eq!(reply.status, 503);
            if method != "HEAD" {
                assert_eq!(reply.error_code(), "ServiceUnavailable");
            }
            if method == "PUT" {
                wire = proxy.client("admin").await;
            }
        }
        let series = format!("s3proxy_upstream_errors_total{{kind=\"{kind}\"}}");
        assert!(proxy.metric(&series).await > 2.5);
    }
}

#[tokio::test]
async fn an_s3_that_does_not_answer_the_handshake_is_given_up() {
    // Takes connections into the kernel's queue and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let proxy = Setup::new(endpoint).limits("connect_timeout: 200ms").start().await;
    let reply = proxy.client("admin").await.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "ServiceUnavailable"));
}

#[tokio::test]
async fn an_s3_that_cannot_be_trusted_gets_nothing() {
    let upstream = Upstream::encrypted(|_| answer(OK)).await;
    let mut setup = Setup::new(upstream.endpoint().replace("127.0.0.1", "localhost"));
    setup.upstream_ca = FOREIGN.pem.clone();
    let proxy = setup.start().await;
    let reply = proxy.client("admin").await.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "ServiceUnavailable"));
    assert!(upstream.seen().is_empty());
    assert!(proxy.metric("s3proxy_upstream_errors_total{kind=\"tls\"}").await > 0.5);
}

#[tokio::test]
async fn an_s3_that_hangs_up_instead_of_answering_is_an_error() {
    let upstream = Upstream::scripted(|_| vec![Step::Body, Step::Close]).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for (method, body) in [("GET", &b""[..]), ("PUT", b"body")] {
        let mut wire = proxy.client("admin").await;
        let before = upstream.seen().len();
        let reply = wire.ask(method, "/reports/daily/x", &[], body).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (500, "InternalError"), "{method}");
        assert_eq!(
            upstream.seen().len(),
            before + 1,
            "a fresh connection that breaks says nothing of the next one"
        );
    }
}

#[tokio::test]
async fn an_s3_that_keeps_silent_is_an_error_after_the_idle_timeout() {
    let upstream = Upstream::scripted(|_| vec![Step::Body, Step::Silence]).await;
    let limits = "idle_timeout: 300ms, connect_timeout: 2s";
    let proxy = Setup::new(upstream.endpoint()).limits(limits).start().await;
    let mut wire = proxy.client("admin").await;
    for method in ["GET", "PUT"] {
        let reply = wire.ask(method, "/reports/daily/x", &[], b"").await;
        assert_eq!((reply.status, reply.error_code().as_str()), (500, "InternalError"), "{method}");
    }
    proxy.metric_reaches("s3proxy_upstream_errors_total{kind=\"timeout\"}", 2.0).await;
}

/// Answers the first request of a connection and hangs up at the next, as S3 does when it has tired of waiting just
/// as a request is under way.
fn tires(seen: &Seen, first: &mut [bool]) -> Vec<Step> {
    if std::mem::replace(&mut first[seen.connection], false) {
        answer(OK)
    } else {
        vec![Step::Body, Step::Close]
    }
}

async fn tiring(encrypted: bool) -> Upstream {
    let first = std::sync::Mutex::new([true; 64]);
    let script = move |seen: &Seen| tires(seen, &mut *first.lock().unwrap());
    if encrypted { Upstream::encrypted(script).await } else { Upstream::scripted(script).await }
}

#[tokio::test]
async fn a_read_that_meets_a_tired_connection_is_sent_again() {
    for encrypted in [false, true] {
        let upstream = tiring(encrypted).await;
        let proxy = Setup::new(upstream.endpoint().replace("127.0.0.1", "localhost")).start().await;
        let mut wire = proxy.client("admin").await;
        for (method, arrivals) in [("GET", 1), ("GET", 3), ("HEAD", 5)] {
            wire.send(request(method, "/reports/daily/x", &[], b"")).await;
            let reply = wire.answer(method).await;
            assert_eq!(reply.status, 200, "{method}, encrypted {encrypted}: {}", reply.text());
            assert_eq!(upstream.seen().len(), arrivals, "{method}");
        }
        for seen in upstream.seen() {
            crate::harness::verify(&seen);
        }
        proxy.log.exactly(3).await;
    }
}

#[tokio::test]
async fn a_write_is_never_sent_twice() {
    for (method, target, body) in [
        ("PUT", "/reports/daily/x", &b"body"[..]),
        ("PUT", "/reports/daily/x", b""),
        ("POST", "/reports/daily/x?uploads", b""),
        ("DELETE", "/reports/daily/x", b""),
        ("POST", "/reports?delete", b"<Delete><Object><Key>daily/x</Key></Object></Delete>"),
    ] {
        let upstream = tiring(false).await;
        let proxy = Setup::new(upstream.endpoint()).start().await;
        let mut wire = proxy.client("admin").await;
        assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
        let reply = wire.ask(method, target, &[], body).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (500, "InternalError"), "{method} {target}");
        assert_eq!(upstream.seen().len(), 2, "{method} {target}");
    }
}

#[tokio::test]
async fn connections_to_s3_are_used_again() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for account in ["admin", "writer", "reader"] {
        let mut wire = proxy.client(account).await;
        for _ in 0..3 {
            assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
        }
    }
    assert_eq!((upstream.seen().len(), upstream.connections()), (9, 1));
}

#[tokio::test]
async fn an_abandoned_answer_does_not_spoil_the_next() {
    // The client leaves in the middle of a download: that connection to S3 must not serve anybody else.
    let upstream = Upstream::scripted(|seen| {
        if seen.target().ends_with("large") {
            vec![
                Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nfirst".to_vec()),
                Step::Silence,
            ]
        } else {
            answer(OK)
        }
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(request("GET", "/reports/daily/large", &[], b"")).await;
    wire.until(b"first").await.unwrap();
    drop(wire);
    proxy.log.exactly(1).await;
    let reply = proxy.client("reader").await.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    assert_eq!(upstream.last().connection, 1);
}

#[tokio::test]
async fn connections_to_s3_do_not_rest_until_s3_tires_of_them() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    assert_eq!(upstream.open(), 1);
    // Within the twenty seconds that others report of S3, and far from the idle timeout of a minute.
    eventually("the end of a connection at rest", async || (upstream.open() == 0).then_some(())).await;
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // `localhost` has an address in both families, and only one of them answers; which comes first is drawn anew.
    let upstream =
        Upstream::scripted(|_| [answer(OK), vec![Step::Close]].into_iter().flatten().collect()).await;
    let proxy = Setup::new(upstream.endpoint().replace("127.0.0.1", "localhost")).start().await;
    let mut wire = proxy.client("admin").await;
    for _ in 0..20 {
        assert_eq!(wire.ask("PUT", "/reports/daily/x", &[], b"").await.status, 200);
    }
}

#[tokio::test]
async fn an_answer_to_head_that_may_be_about_credentials_is_counted() {
    let upstream =
        Upstream::scripted(|_| vec![Step::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Step::Close])
            .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(request("HEAD", "/reports/daily/x", &[], b"")).await;
    assert_eq!(wire.answer("HEAD").await.status, 400);
    assert!(proxy.metric("s3proxy_upstream_errors_total{kind=\"unexplained\"}").await > 0.5);
}
