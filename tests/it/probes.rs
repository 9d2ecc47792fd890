//! The port for the platform: alive, ready, and numbers.

use tokio::net::TcpStream;

use crate::harness::{Setup, Upstream, Wire, plain_get};

#[tokio::test]
async fn ready_only_with_credentials() {
    let upstream = Upstream::start().await;
    let mut setup = Setup::new(upstream.endpoint());
    let credentials = setup.credentials.take();
    let proxy = setup.start_unready();
    assert_eq!(plain_get(proxy.admin, "/livez").await.status, 200);
    let reply = proxy.readiness(503).await;
    assert!(reply.text().contains("credentials"), "{}", reply.text());

    std::fs::write(proxy.setup.folder.path().join("credentials"), credentials.unwrap()).unwrap();
    proxy.readiness(200).await;
    let reply = proxy.client("admin").await.ask("GET", "/reports/x", &[], b"").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn the_port_answers_what_it_is_for_and_nothing_else() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = Wire::new(TcpStream::connect(proxy.admin).await.unwrap());
    for (method, path, status) in [
        ("GET", "/livez", 200),
        ("HEAD", "/readyz", 200),
        ("GET", "/readyz?verbose", 200),
        ("GET", "/metrics", 200),
        ("GET", "/", 404),
        ("GET", "/reports/daily/x", 404),
        ("POST", "/livez", 405),
    ] {
        assert_eq!(wire.ask(method, path, &[], b"").await.status, status, "{method} {path}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn what_happens_is_counted() {
    let upstream =
        Upstream::scripted(|_| crate::harness::answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
            .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("writer").await;
    wire.ask("GET", "/reports/daily/x", &[], b"").await;
    wire.ask("PUT", "/reports/daily/x", &[], b"0123456789").await;
    wire.ask("GET", "/reports/secret/x", &[], b"").await;
    wire.ask("GET", "/reports/daily/x?unheard-of", &[], b"").await;
    proxy.log.exactly(4).await;
    for (series, value) in [
        ("s3proxy_requests_total{operation=\"GetObject\",status=\"200\"}", 1.0),
        ("s3proxy_requests_total{operation=\"PutObject\",status=\"200\"}", 1.0),
        ("s3proxy_requests_total{operation=\"GetObject\",status=\"403\"}", 1.0),
        ("s3proxy_requests_total{operation=\"none\",status=\"501\"}", 1.0),
        ("s3proxy_denials_total{code=\"AccessDenied\"}", 1.0),
        ("s3proxy_denials_total{code=\"NotImplemented\"}", 1.0),
        ("s3proxy_received_bytes_total", 10.0),
        ("s3proxy_request_duration_seconds_count{operation=\"GetObject\"}", 2.0),
        ("s3proxy_upstream_duration_seconds_count{operation=\"GetObject\"}", 1.0),
        ("s3proxy_requests_in_flight", 0.0),
        ("s3proxy_connections", 1.0),
        ("s3proxy_handshakes_total{result=\"ok\"}", 1.0),
        ("s3proxy_credential_loads_total{result=\"ok\"}", 1.0),
    ] {
        let got = proxy.metric(series).await;
        assert!((got - value).abs() < 0.5, "{series} is {got}");
    }
    assert!(proxy.metric("s3proxy_sent_bytes_total").await > 10.0);
    let day = proxy.metric("s3proxy_certificate_expiry_timestamp_seconds").await - now();
    assert!((80_000.0..90_000.0).contains(&day), "the server's certificate is good for a day: {day}");
    drop(wire);
    crate::harness::eventually("the connection's end", async || {
        (proxy.metric("s3proxy_connections").await < 0.5).then_some(())
    })
    .await;
    let text = plain_get(proxy.admin, "/metrics").await;
    let text = text.text();
    for name in ["reports", "daily", "writer", "secret"] {
        assert!(!text.contains(name), "'{name}' came from a request and is a label now");
    }
}

fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[tokio::test]
async fn connections_that_say_nothing_keep_no_probe_out() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(proxy.admin).await.unwrap());
    }
    for _ in 0..10 {
        assert_eq!(plain_get(proxy.admin, "/livez").await.status, 200);
    }
}
