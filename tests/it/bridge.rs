//! The bridge: plain HTTP in, mTLS out, and nothing else changed on the way.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::harness::{
    Bridge, FOREIGN, Setup, Step, TRUSTED, Upstream, answer, chunked, eventually, head, plain_get, request,
    store, write_client,
};

/// Something that plays the proxy, over TLS, and answers every request with an empty 200.
async fn stand_in() -> Upstream {
    Upstream::encrypted(|_| answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await
}

fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    values
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let proxy = stand_in().await;
    let bridge = Bridge::start(proxy.address, "writer");
    let headers = [
        "Host: data.s3.internal:9000",
        "Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=0",
        "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        "x-amz-meta-a: one",
        "x-amz-meta-a: two",
        "User-Agent: any/1",
        "Accept-Encoding: identity",
        "Content-Type: ",
        "Content-Length: 4",
    ];
    for target in ["/a%20b/%2F//../x?uploads&x-id=1&q=%61+b", "/", "/?list-type=2", "/%E3%83%86/..%2f"] {
        let mut wire = bridge.client().await;
        assert_eq!(wire.ask("PUT", target, &headers, b"body").await.status, 200);
        let seen = proxy.last();
        assert_eq!(seen.request_line(), format!("PUT {target} HTTP/1.1"));
        let sent = headers.iter().map(|line| line.split_once(':').unwrap());
        let sent = sent.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        assert_eq!(sorted(seen.headers()), sorted(sent));
        assert_eq!(seen.body, b"body");
    }
}

#[tokio::test]
async fn a_target_that_nobody_knows_whole_goes_nowhere() {
    let proxy = stand_in().await;
    let bridge = Bridge::start(proxy.address, "writer");
    for target in ["/reports/x#?versionId=1", "/reports/a#b"] {
        let reply = bridge.client().await.ask("DELETE", target, &["Host: h"], b"").await;
        assert_eq!((reply.status, reply.error_code().as_str()), (400, "InvalidURI"), "{target}");
    }
    assert_eq!(bridge.client().await.ask("DELETE", "/reports/a%23b", &["Host: h"], b"").await.status, 200);
    // The readiness check of the bridge makes no request.
    assert_eq!(proxy.only().target(), "/reports/a%23b");
}

#[tokio::test]
async fn only_the_connections_own_headers_stay_behind() {
    let proxy = Upstream::encrypted(|_| {
        answer("HTTP/1.1 200 OK\r\nConnection: keep-alive, x-hop\r\nx-hop: 1\r\nx-amz-id-2: x\r\nDate: d\r\nContent-Length: 2\r\n\r\nok")
    })
    .await;
    let bridge = Bridge::start(proxy.address, "writer");
    let mut wire = bridge.client().await;
    let headers = ["Connection: keep-alive, x-mine", "x-mine: 1", "Keep-Alive: timeout=5", "TE: trailers"];
    let reply = wire.ask("GET", "/reports/x", &headers, b"").await;
    assert_eq!(sorted(reply.names()), ["content-length", "date", "x-amz-id-2"]);
    assert_eq!(reply.text(), "ok");
    assert_eq!(proxy.only().headers(), [("host".to_owned(), "localhost".to_owned())]);
}

#[tokio::test]
async fn what_would_change_the_meaning_is_refused() {
    let proxy = stand_in().await;
    let bridge = Bridge::start(proxy.address, "writer");
    for (method, target, headers, status, code) in [
        ("GET", "/reports/x", &["Connection: range", "Range: bytes=0-1"][..], 400, "InvalidRequest"),
        ("PUT", "/reports/x", &["Connection: x-amz-date", "x-amz-date: x"], 400, "InvalidRequest"),
        ("CONNECT", "example.com:443", &[], 405, "MethodNotAllowed"),
    ] {
        let reply = bridge.client().await.ask(method, target, headers, b"").await;
        assert_eq!((reply.status, reply.error_code().as_str()), (status, code), "{headers:?}");
    }
    assert!(proxy.seen().is_empty());

    // Clients that take the bridge for an HTTP proxy: the host in the target is the one that counts.
    let mut wire = bridge.client().await;
    assert_eq!(wire.ask("GET", "http://data.s3.internal/x?y", &["Host: other"], b"").await.status, 200);
    let seen = proxy.only();
    assert_eq!((seen.target(), seen.header("host").as_deref()), ("/x?y", Some("data.s3.internal")));
    assert_eq!(wire.ask("OPTIONS", "*", &[], b"").await.status, 200);
    assert_eq!(proxy.last().request_line(), "OPTIONS * HTTP/1.1");
}

#[tokio::test]
async fn heads_lengths_and_absent_bodies_stay() {
    for (method, bytes, status, length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5368709120\r\n\r\n", 200, Some("5368709120")),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, None),
        ("DELETE", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        ("GET", "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\nabc", 206, Some("3")),
        (
            "GET",
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            307,
            Some("0"),
        ),
    ] {
        let proxy = Upstream::encrypted(move |_| answer(bytes)).await;
        let bridge = Bridge::start(proxy.address, "writer");
        let reply = bridge.client().await.ask(method, "/reports/x", &[], b"").await;
        assert_eq!((reply.status, reply.header("content-length")), (status, length), "{bytes}");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_stays_one_and_the_proxy_says_so() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let bridge = Bridge::start(proxy.address, "writer");
    let mut wire = bridge.client().await;
    let body = chunked(b"hello", 2);
    let reply = wire.ask("PUT", "/reports/daily/x", &["Transfer-Encoding: chunked"], &body).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (411, "MissingContentLength"));
}

const EXPECT: [&str; 2] = ["Expect: 100-continue", "Content-Length: 5"];

#[tokio::test]
async fn an_expecting_client_is_asked_for_its_body_by_the_proxy() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let bridge = Bridge::start(proxy.address, "writer");
    let mut wire = bridge.client().await;
    for _ in 0..2 {
        wire.send(head("PUT", "/reports/daily/x", &EXPECT)).await;
        let asked = wire.until(b"\r\n\r\n").await.unwrap();
        assert_eq!(String::from_utf8(asked).unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
        wire.send("hello").await;
        assert_eq!(wire.answer("PUT").await.status, 200);
        assert_eq!(upstream.last().body, b"hello");
    }
    // One that does not wait is asked nevertheless.
    assert_eq!(wire.ask("PUT", "/reports/daily/x", &EXPECT, b"hello").await.status, 100);
    assert_eq!(wire.answer("PUT").await.status, 200);
    assert_eq!(upstream.last().body, b"hello");
}

#[tokio::test]
async fn an_expecting_client_that_is_refused_keeps_its_body() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let bridge = Bridge::start(proxy.address, "writer");
    let mut wire = bridge.client().await;
    wire.send(head("PUT", "/reports/secret/x", &EXPECT)).await;
    let reply = wire.answer("PUT").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (403, "AccessDenied"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(wire.ends().await, "the body was never read, so nothing may follow on this connection");
    assert_eq!((upstream.connections(), bridge.metric("s3bridge_received_bytes_total").await), (0, 0.0));
}

#[tokio::test]
async fn an_early_answer_arrives_although_the_body_does_not() {
    let proxy = Upstream::encrypted(|_| {
        let answer = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!";
        vec![Step::Send(answer.into()), Step::Close]
    })
    .await;
    let bridge = Bridge::start(proxy.address, "writer");
    for size in [10_usize, 3_000_000] {
        let mut wire = bridge.client().await;
        wire.send(head("PUT", "/reports/x", &[&format!("Content-Length: {size}")])).await;
        let _ = wire.try_send(&vec![b'x'; size]).await;
        let reply = wire.answer("PUT").await;
        assert_eq!((reply.status, reply.text()), (403, "no!"), "{size}");
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_a_retry_that_sdks_know() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let bridge = Bridge::start(address, "writer");
    let mut wire = bridge.client().await;
    for (method, body) in [("GET", &b""[..]), ("PUT", b""), ("HEAD", b"")] {
        let reply = wire.ask(method, "/reports/x", &[], body).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
        if method != "HEAD" {
            assert_eq!(reply.error_code(), "ServiceUnavailable");
            assert!(reply.text().contains(&format!("localhost:{}", address.port())), "{}", reply.text());
        }
    }
    let mut wire = bridge.client().await;
    let reply = wire.ask("PUT", "/reports/x", &[], b"body").await;
    assert_eq!((reply.status, reply.header("connection")), (503, Some("close")));
    bridge.metric_reaches("s3bridge_upstream_errors_total{kind=\"connect\"}", 4.0).await;
    bridge.metric_reaches("s3bridge_requests_total{status=\"503\"}", 4.0).await;
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_gets_nothing() {
    let proxy = stand_in().await;
    for (name, ca) in [("other.example", &TRUSTED.pem), ("localhost", &FOREIGN.pem)] {
        let bridge = Bridge::with(proxy.address, "writer", |options| {
            std::fs::write(&options.files.ca, ca).unwrap();
            options.to = options.to.clone().named(name.to_owned().try_into().unwrap());
        });
        assert_eq!(bridge.client().await.ask("GET", "/reports/x", &[], b"").await.status, 503);
    }
    assert!(proxy.seen().is_empty());
    // An address whose certificate bears another name: that is what --server-name is for.
    let bridge = Bridge::with(proxy.address, "writer", |options| {
        options.to = format!("127.0.0.2:{}", proxy.address.port()).parse().unwrap();
    });
    assert_eq!(bridge.client().await.ask("GET", "/reports/x", &[], b"").await.status, 503);
    let bridge = Bridge::with(proxy.address, "writer", |options| {
        let to = format!("127.0.0.1:{}", proxy.address.port()).parse();
        options.to = to
            .map(|to: s3_access_proxy::connect::Destination| to.named("a.s3.internal".try_into().unwrap()))
            .unwrap();
    });
    assert_eq!(bridge.client().await.ask("GET", "/reports/x", &[], b"").await.status, 200);
}

#[tokio::test]
async fn a_certificate_that_the_proxy_refuses_is_a_503_and_not_ready() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let bridge = Bridge::start(proxy.address, "admin");
    bridge.readiness(200).await;
    let stranger = Bridge::with(proxy.address, "admin", |options| {
        let leaf = FOREIGN.client("admin");
        std::fs::write(&options.files.certificate, &leaf.pem).unwrap();
        std::fs::write(&options.files.private_key, &leaf.key_pem).unwrap();
    });
    let reply = stranger.client().await.ask("GET", "/reports/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "ServiceUnavailable"));
    let reply = stranger.readiness(503).await;
    assert!(reply.text().contains("has not been reached"), "{}", reply.text());
    assert_eq!(plain_get(stranger.admin, "/livez").await.status, 200);
    // And once it has a good one, it is.
    write_client(stranger.folder.path(), &TRUSTED.client("admin"));
    stranger.readiness(200).await;
    assert!(proxy.log.lines().is_empty(), "readiness is found out without a request");
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    let proxy = Upstream::encrypted(|_| {
        vec![Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst".into()), Step::Close]
    })
    .await;
    let bridge = Bridge::start(proxy.address, "writer");
    let mut wire = bridge.client().await;
    let reply = wire.ask("GET", "/reports/x", &[], b"").await;
    assert_eq!((reply.status, reply.whole, reply.body.as_slice()), (200, false, &b"first"[..]));
    assert!(wire.ends().await);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_completed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).await;
    let proxy = Setup::new(format!("https://localhost:{}", store.addr.port())).start().await;
    let bridge = Bridge::start(proxy.address, "admin");
    let mut wire = bridge.client().await;
    wire.send(request("PUT", "/reports/whole", &[], b"hello")).await;
    assert_eq!(wire.answer("PUT").await.status, 200);
    wire.send(head("PUT", "/reports/part", &["Content-Length: 10"])).await;
    wire.send("first").await;
    drop(wire);
    bridge.metric_reaches("s3bridge_requests_total{status=\"400\"}", 1.0).await;
    let root = folder.path().join("store/reports");
    assert_eq!(std::fs::read(root.join("whole")).unwrap(), b"hello");
    assert!(!root.join("part").exists());
}

#[tokio::test]
async fn a_bucket_in_the_host_name_is_found() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let bridge = Bridge::start(proxy.address, "admin");
    let mut wire = bridge.client().await;
    let reply = wire.ask("GET", "/x%20y", &["Host: reports.s3.internal:9000"], b"").await;
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.last().target(), "/reports/x%20y");
}

#[tokio::test]
async fn connections_are_used_again_and_a_tired_one_costs_no_read() {
    // Two answers a connection, then it ends without a word.
    let proxy = Upstream::encrypted(|seen| {
        let mut steps = answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        if seen.target() == "/last" {
            steps.push(Step::Close);
        }
        steps
    })
    .await;
    let bridge = Bridge::start(proxy.address, "writer");
    // A second client uses the connection of the first.
    for _ in 0..3 {
        let mut wire = bridge.client().await;
        assert_eq!(wire.ask("GET", "/x", &[], b"").await.status, 200);
        assert_eq!(wire.ask("PUT", "/x", &[], b"body").await.status, 200);
    }
    let connections = proxy.seen().iter().map(|seen| seen.connection).max();
    assert_eq!(connections, proxy.seen().first().map(|seen| seen.connection), "one for all");
    let mut wire = bridge.client().await;
    for _ in 0..3 {
        assert_eq!(wire.ask("GET", "/last", &[], b"").await.status, 200);
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_and_nothing_in_flight_is_dropped() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let upstream = Upstream::scripted(move |seen| {
        if seen.target().ends_with("slow") {
            vec![
                Step::Body,
                Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst".to_vec()),
                Step::Wait(waiting.clone()),
                Step::Send(b"later".to_vec()),
            ]
        } else {
            answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let bridge = Bridge::start(proxy.address, "admin");
    let mut slow = bridge.client().await;
    slow.send(request("GET", "/reports/slow", &[], b"")).await;
    slow.until(b"first").await.unwrap();
    let mut wire = bridge.client().await;
    let status = async |wire: &mut crate::harness::Wire<TcpStream>| {
        wire.ask("GET", "/reports/secret", &[], b"").await.status
    };
    assert_eq!(status(&mut wire).await, 200);

    // Half of a change: the key does not fit yet.
    let next = TRUSTED.client("reader");
    std::fs::write(bridge.folder.path().join("tls.crt"), &next.pem).unwrap();
    bridge.reload.send(()).await.unwrap();
    bridge.metric_reaches("s3bridge_reloads_total{result=\"error\"}", 1.0).await;
    assert_eq!(status(&mut wire).await, 200);

    write_client(bridge.folder.path(), &next);
    bridge.reload.send(()).await.unwrap();
    bridge.metric_reaches("s3bridge_reloads_total{result=\"ok\"}", 1.0).await;
    assert_eq!(status(&mut wire).await, 403, "the new identity, on the client's old connection");
    gate.add_permits(1);
    assert_eq!(slow.until(b"later").await.unwrap(), b"later");
    // And back, without being told.
    write_client(bridge.folder.path(), &TRUSTED.client("admin"));
    eventually("the certificate to be noticed", async || (status(&mut wire).await == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_begins_none() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let proxy = Upstream::encrypted(move |_| {
        vec![
            Step::Body,
            Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst".to_vec()),
            Step::Wait(waiting.clone()),
            Step::Send(b"later".to_vec()),
        ]
    })
    .await;
    let bridge = Bridge::start(proxy.address, "writer");
    let mut busy = bridge.client().await;
    busy.send(request("GET", "/reports/slow", &[], b"")).await;
    busy.until(b"first").await.unwrap();
    let mut resting = bridge.client().await;
    bridge.metric_reaches("s3bridge_connections", 2.0).await;
    bridge.stop.cancel();
    let port = bridge.port();
    eventually("the listener's end", async || TcpStream::connect(port).await.is_err().then_some(())).await;
    assert!(plain_get(bridge.admin, "/readyz").await.text().contains("stopping"));
    assert!(resting.ends().await, "a connection at rest is closed");
    gate.add_permits(1);
    assert_eq!(busy.until(b"later").await.unwrap(), b"later");
    assert!(busy.ends().await);
    bridge.stopped().await;
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_off() {
    let proxy = Upstream::encrypted(|_| vec![Step::Silence]).await;
    let bridge = Bridge::with(proxy.address, "writer", |o| o.drain_timeout = Duration::from_millis(50));
    let mut wire = bridge.client().await;
    wire.send(request("GET", "/reports/x", &[], b"")).await;
    proxy.arrival().await;
    bridge.stop.cancel();
    bridge.stopped().await;
    assert!(wire.ends().await);
}

#[tokio::test]
async fn a_unix_socket_is_the_owners_and_goes_with_the_bridge() {
    let proxy = stand_in().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s3.sock");
    let bridge = Bridge::with(proxy.address, "writer", |options| {
        options.listen = format!("unix:{}", path.display()).parse().unwrap();
    });
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let reply = bridge.local_client().await.ask("PUT", "/reports/x", &[], b"body").await;
    assert_eq!((reply.status, proxy.only().body.as_slice()), (200, &b"body"[..]));
    bridge.stop.cancel();
    bridge.stopped().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let proxy = stand_in().await;
    let bridge = Bridge::with(proxy.address, "writer", |options| options.max_connections = 1);
    let mut first = bridge.client().await;
    assert_eq!(first.ask("GET", "/x", &[], b"").await.status, 200);
    assert!(bridge.client().await.ends().await);
    bridge.metric_reaches("s3bridge_refused_connections_total", 1.0).await;
    assert_eq!(first.ask("GET", "/x", &[], b"").await.status, 200);
}

/// More than the sockets on the way hold, and far less than what is offered.
const HELD: usize = 40_000_000;
const OFFERED: usize = 120_000_000;

#[tokio::test]
async fn neither_side_is_read_ahead_of_the_other() {
    let proxy = Upstream::encrypted(|seen| {
        if seen.request_line().starts_with("PUT") {
            return vec![Step::Silence];
        }
        let mut large = format!("HTTP/1.1 200 OK\r\nContent-Length: {OFFERED}\r\n\r\n").into_bytes();
        large.resize(OFFERED, b'x');
        vec![Step::Send(large)]
    })
    .await;
    let bridge = Bridge::start(proxy.address, "writer");
    let mut up = bridge.client().await;
    up.send(head("PUT", "/reports/x", &[&format!("Content-Length: {OFFERED}")])).await;
    let (piece, mut taken) = (vec![b'x'; 500_000], 0);
    while taken < OFFERED
        && tokio::time::timeout(Duration::from_millis(500), up.try_send(&piece)).await.is_ok()
    {
        taken += piece.len();
    }
    assert!(taken < HELD, "{taken} bytes are held by the bridge");

    let mut down = bridge.client().await;
    down.send(request("GET", "/reports/x", &[], b"")).await;
    let (mut before, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(500) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if proxy.sent() != before {
            (before, since) = (proxy.sent(), Instant::now());
        }
    }
    assert!((1..HELD).contains(&before), "{before} bytes are held by the bridge");
}

#[tokio::test]
async fn silence_of_the_proxy_ends_in_an_answer() {
    let proxy = Upstream::encrypted(|_| vec![Step::Silence]).await;
    let bridge = Bridge::with(proxy.address, "writer", |o| o.timeouts.idle = Duration::from_millis(200));
    let reply = bridge.client().await.ask("GET", "/reports/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "ServiceUnavailable"));
    bridge.metric_reaches("s3bridge_upstream_errors_total{kind=\"timeout\"}", 1.0).await;
}
