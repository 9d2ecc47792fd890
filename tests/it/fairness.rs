//! Limits by client and by connection: who takes more than its part is told to slow down, and others do not notice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::harness::{
    Proxy, Setup, Step, TRUSTED, Upstream, Wire, access, answer, collect, connect, eventually, plain_get,
    request, spiffe, tls,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An S3 that answers when the gate opens.
async fn slow() -> (Upstream, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let steps = move || vec![Step::Wait(waiting.clone()), Step::Body, Step::Send(OK.into())];
    (Upstream::scripted(move |_| steps()).await, gate)
}

#[tokio::test]
async fn one_address_has_a_bound_of_its_own() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("max_connections_per_peer: 2").start().await;
    let mut first = proxy.client("admin").await;
    // One in the middle of its handshake counts too.
    let second = TcpStream::connect(proxy.address).await.unwrap();
    let mut beyond = Wire::new(TcpStream::connect(proxy.address).await.unwrap());
    assert!(beyond.ends().await);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"over_peer_limit\"}", 1.0).await;
    assert_eq!(first.ask("GET", "/reports/x", &[], b"").await.status, 200);
    // Another address has places of its own: all of 127.0.0.0/8 is this machine.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(proxy.address).await.unwrap();
    let config = Arc::new(tls(Some(&TRUSTED.client("admin")), "http/1.1"));
    let connector = tokio_rustls::TlsConnector::from(config);
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(Wire::new(stream).ask("GET", "/reports/x", &[], b"").await.status, 200);
    drop(second);
    eventually("room again", async || {
        let config = tls(Some(&TRUSTED.client("admin")), "http/1.1");
        let mut wire = Wire::new(connect(proxy.address, config).await.ok()?);
        wire.try_send(&request("GET", "/reports/x", &[], b"")).await.ok()?;
        wire.answer_head().await.filter(|reply| reply.status == 200)
    })
    .await;
}

#[tokio::test]
async fn an_identity_that_is_too_fast_is_told_to_slow_down() {
    let upstream = Upstream::start().await;
    let limits = "per_identity: { requests_per_second: 3 }";
    let proxy = Setup::new(upstream.endpoint()).limits(limits).start().await;
    let mut refused = 0;
    // On a new connection each time: who comes back does not begin anew.
    for _ in 0..8 {
        let reply = proxy.client("admin").await.ask("GET", "/reports/x", &[], b"").await;
        if reply.status != 200 {
            assert_eq!((reply.status, reply.error_code().as_str()), (503, "SlowDown"));
            assert_eq!(reply.header("retry-after"), Some("1"));
            refused += 1;
        }
    }
    assert!(refused >= 1, "eight requests at once are more than three a second");
    assert_eq!(upstream.seen().len(), 8 - refused);
    assert_eq!(proxy.client("reader").await.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    eventually("a second's rest", async || {
        let reply = proxy.client("admin").await.ask("GET", "/reports/x", &[], b"").await;
        (reply.status == 200).then_some(())
    })
    .await;
    assert!(proxy.metric("s3proxy_denials_total{code=\"SlowDown\"}").await > 0.5);
}

#[tokio::test]
async fn an_identity_has_so_many_requests_open_and_no_more() {
    let (upstream, gate) = slow().await;
    let limits = "per_identity: { concurrent_requests: 2 }";
    let proxy = Setup::new(upstream.endpoint()).limits(limits).start().await;
    let (mut first, mut second) = (proxy.client("admin").await, proxy.client("admin").await);
    for wire in [&mut first, &mut second] {
        wire.send(request("GET", "/reports/x", &[], b"")).await;
    }
    eventually("both at S3", async || (upstream.seen().len() == 2).then_some(())).await;
    let mut third = proxy.client("admin").await;
    let reply = third.ask("GET", "/reports/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "SlowDown"));
    gate.add_permits(3);
    assert_eq!(first.answer("GET").await.status, 200);
    assert_eq!(second.answer("GET").await.status, 200);
    eventually("room again", async || {
        (third.ask("GET", "/reports/x", &[], b"").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn requests_beyond_what_all_may_have_open_are_shed() {
    let (upstream, gate) = slow().await;
    let proxy = Setup::new(upstream.endpoint()).limits("max_requests: 4").start().await;
    let mut open = Vec::new();
    for account in ["admin", "writer", "reader", "lister"] {
        let mut wire = proxy.client(account).await;
        wire.send(request("GET", "/reports/daily/x", &[], b"")).await;
        open.push(wire);
    }
    eventually("all at S3", async || (upstream.seen().len() == 4).then_some(())).await;
    let mut fifth = proxy.client("nobody").await;
    let reply = fifth.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "SlowDown"));
    assert_eq!(reply.header("retry-after"), Some("1"));
    let series = "s3proxy_unrecorded_refusals_total{cause=\"too_many_requests\"}";
    assert!((proxy.metric(series).await - 1.0).abs() < 0.5);
    gate.add_permits(4);
    for wire in &mut open {
        assert_eq!(wire.answer("GET").await.status, 200);
    }
    proxy.log.exactly(4).await;
    assert_eq!(fifth.ask("GET", "/reports/daily/x", &[], b"").await.status, 403);
}

const AGE: &str = "max_connection_age: 300ms";

/// Requests on one connection until it is said to be the last one.
async fn serve_out(wire: &mut Wire) -> usize {
    for served in 1.. {
        let reply = wire.ask("PUT", "/reports/x", &[], b"body").await;
        assert_eq!(reply.status, 200, "no request is lost");
        if reply.header("connection") == Some("close") {
            return served;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!()
}

#[tokio::test]
async fn an_old_connection_ends_with_an_answer_that_says_so() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits(AGE).start().await;
    let mut wire = proxy.client("admin").await;
    let served = serve_out(&mut wire).await;
    assert!(served > 1, "not before its time");
    assert!(wire.ends().await);
    assert_eq!(upstream.seen().len(), served);
}

#[tokio::test]
async fn an_old_connection_finishes_what_is_in_flight() {
    let (upstream, gate) = slow().await;
    let proxy = Setup::new(upstream.endpoint()).limits("max_connection_age: 100ms, drain_timeout: 100ms");
    let proxy = proxy.start().await;
    let mut wire = proxy.client("admin").await;
    let connected = Instant::now();
    wire.send(request("GET", "/reports/x", &[], b"")).await;
    let mut http2 = proxy.http2("admin").await;
    let answered = tokio::spawn(http2.request("GET", "/reports/x"));
    eventually("both at S3", async || (upstream.seen().len() == 2).then_some(())).await;
    // Over HTTP/2 a connection says at once that it takes nothing more, and what is in flight goes on. What is begun
    // before the goodbye has arrived waits at S3 too; only what comes after it has an end while the gate is closed.
    let mut later = Vec::new();
    eventually("the goodbye", async || {
        later.push(tokio::spawn(http2.request("GET", "/reports/y")));
        later.iter().any(tokio::task::JoinHandle::is_finished).then_some(())
    })
    .await;
    // The age has a jitter of its own on each connection.
    eventually("the other's age", async || {
        (connected.elapsed() > 2 * Duration::from_millis(100)).then_some(())
    })
    .await;
    gate.add_permits(1000);
    let reply = wire.answer("GET").await;
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert!(wire.ends().await);
    assert_eq!(collect(answered.await.unwrap().unwrap()).await.unwrap(), "ok");
    let mut refused = 0;
    for request in later {
        match request.await.unwrap() {
            Ok(reply) => assert_eq!(collect(reply).await.unwrap(), "ok", "what was taken is answered"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "what came after the goodbye was not taken");
    eventually("its end", async || http2.connection.is_finished().then_some(())).await;
}

async fn series(proxy: &Proxy) -> Vec<String> {
    let reply = plain_get(proxy.admin, "/metrics").await;
    let lines = reply.text().lines().filter(|line| line.starts_with("s3proxy_identity_requests_total{"));
    lines.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn so_many_identities_have_series_of_their_own_and_the_rest_share_one() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let mut setup = Setup::new(upstream.endpoint());
    setup.more = "metrics: { identities: 2 }\n".to_owned();
    let proxy = setup.start().await;
    for account in ["admin", "reader", "writer", "nobody", "admin"] {
        proxy.client(account).await.ask("GET", "/reports/daily/x", &[], b"").await;
    }
    proxy.log.exactly(5).await;
    let lines = series(&proxy).await;
    let identity = |account: &str| format!("identity=\"{}\"", spiffe(account));
    let wanted = [
        format!("s3proxy_identity_requests_total{{{},status=\"200\"}} 2", identity("admin")),
        format!("s3proxy_identity_requests_total{{{},status=\"200\"}} 1", identity("reader")),
        "s3proxy_identity_requests_total{identity=\"other\",status=\"200\"} 1".to_owned(),
        "s3proxy_identity_requests_total{identity=\"other\",status=\"403\"} 1".to_owned(),
    ];
    for line in &wanted {
        assert!(lines.contains(line), "{line} in {lines:#?}");
    }
    assert_eq!(lines.len(), wanted.len());
    let sent = format!("s3proxy_identity_sent_bytes_total{{{}}}", identity("admin"));
    assert!((proxy.metric(&sent).await - 4.0).abs() < 0.5);
}

#[tokio::test]
async fn without_a_word_there_are_no_series_by_identity() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    proxy.client("admin").await.ask("GET", "/reports/daily/x", &[], b"").await;
    let line = &proxy.log.exactly(1).await[0];
    assert_eq!(access(line, "status"), "200");
    assert!(series(&proxy).await.is_empty());
}
