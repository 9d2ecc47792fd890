//! Bounds on what a client can make the proxy hold, and that none of them hits a transfer that moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::harness::frames::{CONTINUATION, END_STREAM, HEADERS, frame, head_block};
use crate::harness::{
    Setup, Step, TRUSTED, Upstream, Wire, access, answer, connect, eventually, head, request, tls,
};

/// The client's side waits longer by the connect timeout, so that S3's side is the first to end.
const IDLE: &str = "idle_timeout: 300ms, connect_timeout: 100ms";

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("max_connections: 2").start().await;
    let mut first = proxy.client("admin").await;
    let mut second = proxy.client("admin").await;
    assert_eq!(second.ask("GET", "/reports/x", &[], b"").await.status, 200);
    assert_eq!(first.ask("GET", "/reports/x", &[], b"").await.status, 200);

    let mut beyond = Wire::new(TcpStream::connect(proxy.address).await.unwrap());
    assert!(beyond.ends().await);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"over_limit\"}", 1.0).await;
    assert_eq!(first.ask("GET", "/reports/x", &[], b"").await.status, 200, "who is in stays in");

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
async fn sockets_that_say_nothing_keep_nobody_out() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("max_connections: 2").start().await;
    let mut silent = Vec::new();
    for _ in 0..520 {
        silent.push(TcpStream::connect(proxy.address).await.unwrap());
    }
    for _ in 0..2 {
        assert_eq!(proxy.client("admin").await.ask("GET", "/reports/x", &[], b"").await.status, 200);
    }
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"crowded_out\"}", 8.0).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("handshake_timeout: 200ms").start().await;
    let mut silent = Wire::new(TcpStream::connect(proxy.address).await.unwrap());
    let mut begun = Wire::new(TcpStream::connect(proxy.address).await.unwrap());
    begun.send([22, 3, 1]).await;
    assert!(silent.ends().await && begun.ends().await);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"timeout\"}", 2.0).await;
}

#[tokio::test]
async fn a_connection_at_rest_is_closed_after_the_idle_timeout() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits(IDLE).start().await;
    let fresh = Instant::now();
    let mut untouched = proxy.client("admin").await;
    let mut used = proxy.client("admin").await;
    assert_eq!(used.ask("GET", "/reports/x", &[], b"").await.status, 200);
    let http2 = proxy.http2("admin").await;
    assert!(untouched.ends().await && used.ends().await);
    assert!(fresh.elapsed() >= Duration::from_millis(300), "{:?}", fresh.elapsed());
    eventually("the end of an HTTP/2 connection at rest", async || {
        http2.connection.is_finished().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_is_cut_off() {
    let upstream = Upstream::scripted(|seen| {
        if seen.request_line().starts_with("GET") {
            // More than every buffer on the way holds.
            let mut large = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
            large.resize(50_000_000, b'x');
            vec![Step::Send(large)]
        } else {
            answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).limits(IDLE).start().await;
    let mut uploading = proxy.client("admin").await;
    uploading.send(head("PUT", "/reports/x", &["Content-Length: 1000"])).await;
    uploading.send("first").await;
    let mut downloading = proxy.client("admin").await;
    downloading.send(request("GET", "/reports/x", &[], b"")).await;
    let lines = proxy.log.exactly(2).await;
    let code = |operation| {
        access(lines.iter().find(|line| access(line, "operation") == operation).unwrap(), "error_code")
    };
    assert_eq!(code("GetObject"), "IdleTimeout");
    assert_ne!(code("PutObject"), "null");
    assert!(!upstream.seen()[0].whole);
    drop((uploading, downloading));
}

#[tokio::test]
async fn a_slow_transfer_that_moves_goes_on_for_as_long_as_it_takes() {
    const STEPS: usize = 18;
    let step = Duration::from_millis(100);
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let upstream = Upstream::scripted(move |seen| {
        if !seen.request_line().starts_with("GET") {
            return answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        let mut steps =
            vec![Step::Send(format!("HTTP/1.1 200 OK\r\nContent-Length: {STEPS}\r\n\r\n").into())];
        for _ in 0..STEPS {
            steps.extend([Step::Wait(waiting.clone()), Step::Send(b"x".to_vec())]);
        }
        steps
    })
    .await;
    // Three times as long as the limit, in steps of a sixth.
    let limits = "idle_timeout: 600ms, connect_timeout: 1ms, header_timeout: 600ms";
    let proxy = Setup::new(upstream.endpoint()).limits(limits).start().await;
    let mut up = proxy.client("admin").await;
    let mut down = proxy.client("admin").await;
    let length = format!("Content-Length: {STEPS}");
    up.send(head("PUT", "/reports/x", &[&length])).await;
    down.send(request("GET", "/reports/x", &[], b"")).await;
    let began = Instant::now();
    for _ in 0..STEPS {
        tokio::time::sleep(step).await;
        up.send("x").await;
        gate.add_permits(1);
    }
    assert!(began.elapsed() > Duration::from_millis(1200));
    assert_eq!(up.answer("PUT").await.status, 200);
    let reply = down.answer("GET").await;
    assert!(reply.whole && reply.body.len() == STEPS);
}

/// Bytes in a step of the slow side, and steps: so much more than the kernels on the way hold that they fill up.
const SIP: usize = 32 * 1024;
const SIPS: usize = 120;

#[tokio::test]
async fn a_slow_reader_is_not_taken_for_an_absent_one() {
    let limits = "idle_timeout: 500ms, connect_timeout: 50ms";
    let large = vec![b'x'; 5 * SIP * SIPS];
    let upstream = Upstream::scripted(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", large.len());
        vec![Step::Send(head.into()), Step::Send(large.clone())]
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).limits(limits).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(request("GET", "/reports/x", &[], b"")).await;
    wire.answer_head().await.unwrap();
    for _ in 0..SIPS {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(wire.exactly(SIP).await.is_ok(), "cut off in the middle");
    }
    assert!(proxy.log.lines().is_empty());
}

#[tokio::test]
async fn a_slow_s3_is_not_taken_for_an_absent_one() {
    let limits = "idle_timeout: 500ms, connect_timeout: 50ms";
    let s3 = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Setup::new(format!("http://{}", s3.local_addr().unwrap())).limits(limits).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(head("PUT", "/reports/x", &[&format!("Content-Length: {OFFERED}")])).await;
    let piece = vec![b'x'; SIP];
    let pushing = tokio::spawn(async move { while wire.try_send(&piece).await.is_ok() {} });
    let mut taking = Wire::new(s3.accept().await.unwrap().0);
    for _ in 0..SIPS {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(taking.exactly(SIP).await.is_ok(), "cut off in the middle");
    }
    assert!(proxy.log.lines().is_empty());
    pushing.abort();
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_given_up() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("header_timeout: 300ms").start().await;
    // One that stops, on a fresh connection and behind a request.
    let mut stopped = proxy.client("admin").await;
    stopped.send("GET /reports/x HTTP/1.1\r\nHost: loc").await;
    let mut second = proxy.client("admin").await;
    assert_eq!(second.ask("GET", "/reports/x", &[], b"").await.status, 200);
    second.send("GET /reports/x HTTP/1.1\r\n").await;
    for wire in [&mut stopped, &mut second] {
        let last = wire.until(b"never").await.unwrap_err();
        assert!(last.is_empty() || last.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&last));
    }

    // One that goes on forever, a byte at a time: what counts is the whole head.
    let mut trickling = proxy.client("admin").await;
    let began = Instant::now();
    let mut gone = false;
    while !gone && began.elapsed() < Duration::from_secs(10) {
        gone = trickling.try_send(b"G").await.is_err();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(gone, "still there after {:?}", began.elapsed());
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_head_over_http2_that_does_not_come_to_its_end_is_given_up() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("header_timeout: 300ms").start().await;
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    let stream = client.get("/reports/x").await.unwrap();
    assert_eq!(client.body(stream).await.as_deref(), Some(""));
    let stream = client.next();
    let (block, began) = (head_block("GET", "/reports/y"), Instant::now());
    client.wire.send(frame(HEADERS, END_STREAM, stream, &block[..1])).await;
    // As slowly as the head may go on, it has to come to an end. Few frames: many would be a flood.
    for sent in 1..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.wire.send(frame(CONTINUATION, 0, stream, &block[sent..=sent])).await;
    }
    client.wire.until(b"never").await.unwrap_err();
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    // A preface that does not come is none either.
    let config = tls(Some(&TRUSTED.client("admin")), "h2");
    let mut silent = Wire::new(connect(proxy.address, config).await.unwrap());
    silent.until(b"never").await.unwrap_err();
    // Each of the two, once.
    let series = "s3proxy_bad_requests_total{cause=\"head_timeout\"}";
    proxy.metric_reaches(series, 2.0).await;
    assert!(proxy.metric(series).await < 2.5);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn what_is_no_request_is_counted_by_cause() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("header_timeout: 100ms").start().await;
    let long = format!("x-amz-meta-a: {}", "x".repeat(70_000));
    let many: Vec<String> = (0..300).map(|i| format!("a{i}: b")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (cause, status, bytes) in [
        ("malformed", "400", b"GET /reports/x HTTP/1.1\r\nno header\r\n\r\n".to_vec()),
        (
            "malformed",
            "400",
            b"GET /reports/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_vec(),
        ),
        ("head_too_large", "431", head("GET", "/reports/x", &[&long])),
        ("head_too_large", "431", head("GET", "/reports/x", &many)),
        ("head_timeout", "408", b"GET /reports/x HTTP/1.1\r\n".to_vec()),
    ] {
        let series = format!("s3proxy_bad_requests_total{{cause=\"{cause}\"}}");
        let before = proxy.metric(&series).await;
        let mut wire = proxy.client("admin").await;
        let _ = wire.try_send(&bytes).await;
        let reply = wire.until(b"\r\n").await.unwrap_or_default();
        let reply = String::from_utf8_lossy(&reply).into_owned();
        assert!(reply.contains(status) || status == "408" && reply.is_empty(), "{cause}: {reply}");
        proxy.metric_reaches(&series, before + 1.0).await;
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn metadata_in_many_lines_is_one_request_over_both_protocols() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let lines: Vec<String> = (0..120).map(|i| format!("x-amz-meta-{i}: b")).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(proxy.client("admin").await.ask("PUT", "/reports/x", &lines, b"").await.status, 200);
    lines.push("content-length: 0");
    let mut http2 = proxy.http2("admin").await;
    assert_eq!(http2.begin("PUT", "/reports/x", &lines, b"").await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_limit_on_heads_is_none_on_rest_or_bodies() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("header_timeout: 100ms").start().await;
    let mut wire = proxy.client("admin").await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        wire.send(head("PUT", "/reports/x", &["Content-Length: 2"])).await;
        wire.send("a").await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        wire.send("b").await;
        assert_eq!(wire.answer("PUT").await.status, 200);
    }
}

/// More than the sockets on the way hold, and far less than what is offered.
const HELD: usize = 40_000_000;
const OFFERED: usize = 120_000_000;

#[tokio::test]
async fn what_s3_does_not_take_is_not_taken_from_the_client() {
    let upstream = Upstream::scripted(|_| vec![Step::Silence]).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(head("PUT", "/reports/x", &[&format!("Content-Length: {OFFERED}")])).await;
    let (piece, mut taken) = (vec![b'x'; 500_000], 0);
    while taken < OFFERED
        && tokio::time::timeout(Duration::from_millis(500), wire.try_send(&piece)).await.is_ok()
    {
        taken += piece.len();
    }
    assert!(taken < HELD, "{taken} bytes are held by the proxy");
}

#[tokio::test]
async fn what_the_client_does_not_take_is_not_taken_from_s3() {
    let upstream = Upstream::scripted(|_| {
        let mut large = format!("HTTP/1.1 200 OK\r\nContent-Length: {OFFERED}\r\n\r\n").into_bytes();
        large.resize(OFFERED, b'x');
        vec![Step::Send(large)]
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(request("GET", "/reports/x", &[], b"")).await;
    let mut http2 = proxy.http2("admin").await;
    let _unread = http2.begin("GET", "/reports/x", &[], b"").await.unwrap();
    let sent = at_rest(&upstream).await;
    assert!((1..2 * HELD).contains(&sent), "{sent} bytes are held by the proxy");
}

#[tokio::test]
async fn what_an_absent_client_does_not_take_is_not_taken_from_s3() {
    const PIECE: usize = 64 * 1024;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let upstream = Upstream::scripted(move |_| {
        let mut steps = vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\nxxx".to_vec())];
        for _ in 0..500 {
            steps.extend([Step::Wait(waiting.clone()), Step::Send(vec![b'x'; PIECE])]);
        }
        steps
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(request("GET", "/reports/x", &[], b"")).await;
    wire.until(b"xxx").await.unwrap();
    drop(wire);
    proxy.log.exactly(1).await;
    // S3 goes on, a piece at a time, until there is nobody to send it to.
    eventually("the end of the connection to S3", async || {
        gate.add_permits(1);
        (gate.available_permits() > 10).then_some(())
    })
    .await;
    assert!(upstream.sent() < 3 * PIECE, "{} bytes of an answer that nobody reads", upstream.sent());
}

/// What S3 has sent when nothing has moved for a while.
async fn at_rest(upstream: &Upstream) -> usize {
    let (mut before, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(500) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if upstream.sent() != before {
            (before, since) = (upstream.sent(), Instant::now());
        }
    }
    before
}
