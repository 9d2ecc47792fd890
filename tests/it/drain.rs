//! Stopping loses nothing: what is in flight finishes, what is new is not begun.

use std::sync::Arc;

use http_body_util::BodyExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::harness::{
    Proxy, Setup, Step, TRUSTED, Upstream, access, answer, eventually, head, plain_get, request, within,
};

/// An upstream whose `slow` object comes in two halves, the second when the gate opens.
async fn slow() -> (Upstream, Arc<Semaphore>) {
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
    (upstream, gate)
}

async fn refuses_connections(proxy: &Proxy) {
    let address = proxy.address;
    eventually("the listener's end", async || TcpStream::connect(address).await.is_err().then_some(())).await;
}

#[tokio::test]
async fn a_download_in_flight_finishes_and_nothing_new_begins() {
    let (upstream, gate) = slow().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut busy = proxy.client("admin").await;
    busy.send(request("GET", "/reports/slow", &[], b"")).await;
    busy.until(b"first").await.unwrap();
    let mut resting = proxy.client("admin").await;
    assert_eq!(resting.ask("GET", "/reports/x", &[], b"").await.status, 200);
    let mut http2 = proxy.http2("admin").await;
    let mut body = http2.begin("GET", "/reports/slow", &[], b"").await.unwrap().into_body();
    within("the first half", body.frame()).await.unwrap().unwrap();

    proxy.stop.cancel();
    refuses_connections(&proxy).await;
    let reply = plain_get(proxy.admin, "/readyz").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("stopping"), "{}", reply.text());
    assert_eq!(plain_get(proxy.admin, "/livez").await.status, 200, "not to be restarted while it drains");
    assert!(resting.ends().await, "a connection at rest is closed");
    assert!(http2.begin("GET", "/reports/x", &[], b"").await.is_err(), "nothing new on an open connection");

    gate.add_permits(2);
    assert_eq!(busy.until(b"later").await.unwrap(), b"later");
    assert!(busy.ends().await);
    assert_eq!(within("the second half", body.collect()).await.unwrap().to_bytes(), "later");
    let log = proxy.log.clone();
    proxy.stopped().await;
    let lines = log.exactly(3).await;
    assert!(lines.iter().all(|line| access(line, "status") == "200"), "{lines:#?}");
    assert!(lines.iter().all(|line| access(line, "error_code") == "null"), "{lines:#?}");
}

#[tokio::test]
async fn an_upload_in_flight_finishes() {
    let (upstream, _gate) = slow().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(head("PUT", "/reports/x", &["Content-Length: 10"])).await;
    wire.send("first").await;
    upstream.arrival().await;
    proxy.stop.cancel();
    refuses_connections(&proxy).await;
    wire.send("later").await;
    assert_eq!(wire.answer("PUT").await.status, 200);
    assert_eq!(upstream.only().body, b"firstlater");
    assert!(wire.ends().await);
    proxy.stopped().await;
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let (upstream, _gate) = slow().await;
    let proxy = Setup::new(upstream.endpoint()).limits("drain_timeout: 200ms").start().await;
    let mut wire = proxy.client("admin").await;
    wire.send(request("GET", "/reports/slow", &[], b"")).await;
    wire.until(b"first").await.unwrap();
    let mut http2 = proxy.http2("admin").await;
    let mut body = http2.begin("GET", "/reports/slow", &[], b"").await.unwrap().into_body();
    within("the first half", body.frame()).await.unwrap().unwrap();
    let log = proxy.log.clone();
    proxy.stop.cancel();
    proxy.stopped().await;
    // Cut off, seen as such by the client, and on record before the process ends.
    assert!(wire.ends().await && body.collect().await.is_err());
    for line in log.exactly(2).await {
        assert_eq!(access(&line, "error_code"), "ClientClosedRequest", "{line}");
    }
}

#[tokio::test]
async fn a_client_that_ignores_the_goodbye_begins_nothing_new() {
    let (upstream, _gate) = slow().await;
    let proxy = Setup::new(upstream.endpoint()).limits("drain_timeout: 500ms").start().await;
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    let stream = client.get("/reports/x").await.unwrap();
    assert_eq!(client.body(stream).await.as_deref(), Some(""));
    proxy.stop.cancel();
    refuses_connections(&proxy).await;
    let (mut served, mut refused) = (1, 0);
    while let Ok(stream) = client.get("/reports/x").await
        && let Some(body) = client.body(stream).await
    {
        // What could have been on its way is served; then nothing is.
        if body.is_empty() && refused == 0 {
            served += 1;
        } else {
            assert!(body.contains("<Code>ServiceUnavailable</Code>"), "{body}");
            refused += 1;
        }
    }
    assert!(refused > 0);
    assert_eq!(upstream.seen().len(), served);
    proxy.stopped().await;
}

#[tokio::test]
async fn nobody_there_is_nobody_to_wait_for() {
    let (upstream, _gate) = slow().await;
    // What has begun of a head has the time of heads, which may have been read or not when the end comes.
    let proxy = Setup::new(upstream.endpoint()).limits("header_timeout: 2s").start().await;
    // One at rest, one that never finished its handshake, one in the middle of a head.
    let _resting = proxy.client("admin").await;
    let _silent = TcpStream::connect(proxy.address).await.unwrap();
    let mut begun = proxy.client("admin").await;
    begun.send("GET /rep").await;
    let asked = std::time::Instant::now();
    proxy.stop.cancel();
    proxy.stopped().await;
    assert!(asked.elapsed() < std::time::Duration::from_secs(10), "{:?}", asked.elapsed());
}
