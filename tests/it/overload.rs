//! Clients that take more than their part, or take nothing: nobody else notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::harness::{Proxy, Setup, Step, Upstream, access, answer, collect, eventually, head, within};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn refusals_that_nobody_takes_are_over_when_they_are_handed_out() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut client = proxy.unwilling("nobody").await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(client.begin("GET", "/reports/daily/x", &[], b"").await.unwrap());
    }
    assert!(held.iter().all(|response| response.status() == 403));
    for line in proxy.log.exactly(100).await {
        assert_eq!(access(&line, "error_code"), "AccessDenied");
    }
    assert!(proxy.metric("s3proxy_requests_in_flight").await < 0.5);
}

#[tokio::test]
async fn an_answer_that_nobody_takes_ends_and_its_connection_goes_on() {
    let upstream = Upstream::scripted(|_| {
        let mut large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec();
        large.resize(3_000_000, b'x');
        vec![Step::Send(large)]
    })
    .await;
    // Long against the pings, which a busy machine delays.
    let limits = "idle_timeout: 2s, connect_timeout: 1s";
    let proxy = Setup::new(upstream.endpoint()).limits(limits).start().await;
    let mut client = proxy.unwilling("admin").await;
    let response = client.begin("GET", "/reports/daily/x", &[], b"").await.unwrap();
    // The connection is kept alive by pings; it is the answer that does not move.
    let line = &proxy.log.exactly(1).await[0];
    assert_eq!(access(line, "error_code"), "IdleTimeout", "{line}");
    assert!(collect(response).await.is_err());
    assert_eq!(client.begin("HEAD", "/reports/daily/x", &[], b"").await.unwrap().status(), 200);
}

/// Requests that one client may have open where `max_connections` is small.
const OPEN: usize = 256;

/// An S3 whose `slow` object comes when the gate opens.
async fn slow() -> (Upstream, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let upstream = Upstream::scripted(move |seen| {
        let mut steps = answer(OK);
        if seen.target().ends_with("slow") {
            steps.insert(0, Step::Wait(waiting.clone()));
        }
        steps
    })
    .await;
    (upstream, gate)
}

/// As many requests of a client as it may have open; each gives its status.
async fn fill(proxy: &Proxy, account: &str) -> JoinSet<u16> {
    let mut open = JoinSet::new();
    for _ in 0..4 {
        let client = Arc::new(Mutex::new(proxy.http2(account).await));
        for _ in 0..OPEN / 4 {
            let request = client.lock().await.request("GET", "/reports/daily/slow");
            let client = client.clone();
            open.spawn(async move {
                let _connected = client;
                request.await.unwrap().status().as_u16()
            });
        }
    }
    open
}

#[tokio::test]
async fn one_client_cannot_have_every_request_open() {
    let (upstream, gate) = slow().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let open = fill(&proxy, "admin").await;
    eventually("every request at S3", async || (upstream.seen().len() == OPEN).then_some(())).await;
    let mut more = proxy.client("admin").await;
    let reply = more.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "SlowDown"));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(proxy.client("reader").await.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    gate.add_permits(OPEN);
    let statuses = within("every answer", open.join_all()).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(more.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    proxy.log.exactly(OPEN + 3).await;
}

#[tokio::test]
async fn connections_to_s3_are_bounded() {
    let (upstream, gate) = slow().await;
    let proxy =
        Setup::new(upstream.endpoint()).limits("connect_timeout: 2s, max_connections: 64").start().await;
    let (first, second) = (fill(&proxy, "admin").await, fill(&proxy, "reader").await);
    eventually("every request at S3", async || (upstream.seen().len() == 2 * OPEN).then_some(())).await;
    let mut wire = proxy.client("writer").await;
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 503);
    assert_eq!(upstream.connections(), 2 * OPEN);
    gate.add_permits(2 * OPEN);
    for open in [first, second] {
        let statuses = within("every answer", open.join_all()).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
}

#[tokio::test]
async fn without_a_reader_of_the_log_requests_are_refused_and_no_line_is_lost() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    // A line of a large batch takes some 100 KiB.
    let objects: Vec<_> = (0..1000).map(|i| format!("<Object><Key>{i:0>32}</Key></Object>")).collect();
    let batch = format!("<Delete>{}</Delete>", objects.concat());
    let (log, mut wire) = (proxy.log.clone(), proxy.client("admin").await);
    let (held, release) = std::sync::mpsc::channel::<()>();
    let (holding, is_held) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let _hold = log.hold();
        holding.send(()).unwrap();
        let _ = release.recv();
    });
    is_held.recv().unwrap();
    let mut answered = 0;
    loop {
        let reply = wire.ask("POST", "/reports?delete", &[], batch.as_bytes()).await;
        if reply.status == 503 {
            assert_eq!(reply.error_code(), "ServiceUnavailable");
            break;
        }
        answered += 1;
        assert!(answered < 2000, "lines are kept without end");
    }
    assert!(proxy.readiness(503).await.text().contains("access log"));
    let series = "s3proxy_unrecorded_refusals_total{cause=\"log_stuck\"}";
    assert!(proxy.metric(series).await > 0.5);
    drop(held);
    holder.join().unwrap();
    proxy.readiness(200).await;
    assert_eq!(proxy.client("admin").await.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    proxy.log.exactly(answered + 1).await;
}

#[tokio::test]
async fn documents_that_do_not_come_keep_only_their_own_client_waiting() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut wire = proxy.client("admin").await;
        wire.send(head("POST", "/reports?delete", &["Content-Length: 1000"])).await;
        held.push(wire);
    }
    proxy.metric_reaches("s3proxy_requests_in_flight", 16.0).await;
    let batch = b"<Delete><Object><Key>daily/x</Key></Object></Delete>";
    let began = Instant::now();
    assert_eq!(proxy.client("writer").await.ask("POST", "/reports?delete", &[], batch).await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let reply = held[15].answer("POST").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "SlowDown"));
}
