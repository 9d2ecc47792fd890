//! Connections at rest are put by and taken up again, and nobody notices.

use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;

use crate::harness::{Setup, Step, Upstream, answer, eventually, head, request, within};

const RESTING: &str = "s3proxy_connections_resting";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_that_has_rested_serves_again() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let (mut used, mut fresh) = (proxy.client("admin").await, proxy.client("admin").await);
    for round in 1..=2 {
        assert_eq!(used.ask("GET", "/reports/x", &[], b"").await.text(), "ok", "round {round}");
        proxy.metric_reaches(RESTING, 2.0).await;
    }
    // With a body, and another request in the same breath.
    let mut both = request("PUT", "/reports/x", &[], b"body");
    both.extend(request("GET", "/reports/x", &[], b""));
    fresh.send(both).await;
    assert_eq!((fresh.answer("PUT").await.status, fresh.answer("GET").await.status), (200, 200));
    assert_eq!(upstream.last().request_line(), "GET /reports/x HTTP/1.1");
}

#[tokio::test]
async fn what_is_under_way_does_not_rest() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let large = vec![b'x'; 30_000_000];
    let upstream = Upstream::scripted(move |seen| match seen.target() {
        "/reports/slow" => {
            vec![Step::Body, Step::Wait(waiting.clone()), Step::Send(OK.into())]
        }
        "/reports/halting" => {
            let (first, last) = OK.split_at(OK.len() - 1);
            vec![Step::Send(first.into()), Step::Wait(waiting.clone()), Step::Send(last.into())]
        }
        "/reports/large" => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", large.len());
            vec![Step::Send(head.into()), Step::Send(large.clone())]
        }
        _ => answer(OK),
    })
    .await;
    let limits = "header_timeout: 1m";
    let proxy = Setup::new(upstream.endpoint()).limits(limits).start().await;
    let mut wires = Vec::new();
    for _ in 0..6 {
        wires.push(proxy.client("admin").await);
    }
    let [in_head, in_body, slow, halting, not_reading, blank] = &mut wires[..] else { unreachable!() };
    let whole = request("GET", "/reports/x", &[], b"");
    in_head.send(&whole[..whole.len() - 2]).await;
    in_body.send(head("PUT", "/reports/x", &["Content-Length: 4"])).await;
    in_body.send("bo").await;
    slow.send(request("GET", "/reports/slow", &[], b"")).await;
    halting.send(request("GET", "/reports/halting", &[], b"")).await;
    not_reading.send(request("GET", "/reports/large", &[], b"")).await;
    // What may stand in front of a request counts against the time for its head.
    blank.send("\r\n").await;
    // Long enough for these is long enough for those.
    let idle = proxy.client("admin").await;
    proxy.metric_reaches(RESTING, 1.0).await;
    let later = proxy.client("admin").await;
    proxy.metric_reaches(RESTING, 2.0).await;
    assert!(proxy.metric(RESTING).await <= 2.0, "something under way is taken for rest");
    drop((idle, later));

    gate.add_permits(2);
    in_head.send(&whole[whole.len() - 2..]).await;
    in_body.send("dy").await;
    assert_eq!(in_head.answer("GET").await.text(), "ok");
    assert_eq!(in_body.answer("PUT").await.status, 200);
    assert_eq!(slow.answer("GET").await.text(), "ok");
    assert_eq!(halting.answer("GET").await.text(), "ok");
    assert_eq!(blank.ask("GET", "/reports/x", &[], b"").await.text(), "ok");
    let reply = not_reading.answer("GET").await;
    assert!(reply.whole && reply.body.len() == 30_000_000);
}

#[tokio::test]
async fn a_connection_at_rest_ends_like_any_other() {
    let upstream = Upstream::scripted(|_| answer(OK)).await;
    // Longer than it takes to come to rest.
    let limits = "idle_timeout: 4s, connect_timeout: 100ms";
    let proxy = Setup::new(upstream.endpoint()).limits(limits).start().await;
    let (mut left, gone) = (proxy.client("admin").await, proxy.client("admin").await);
    assert_eq!(left.ask("GET", "/reports/x", &[], b"").await.text(), "ok");
    proxy.metric_reaches(RESTING, 2.0).await;
    drop(gone);
    // With TLS' own goodbye: some clients take anything else for an attack.
    assert_eq!(within("the end", left.stream.read(&mut [0; 16])).await.unwrap(), 0);

    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut draining = proxy.client("admin").await;
    proxy.metric_reaches(RESTING, 1.0).await;
    proxy.stop.cancel();
    // On its way when the process was asked to stop.
    assert_eq!(draining.ask("GET", "/reports/x", &[], b"").await.header("connection"), Some("close"));
    assert!(draining.ends().await);
    proxy.stopped().await;

    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut draining = proxy.client("admin").await;
    proxy.metric_reaches(RESTING, 1.0).await;
    proxy.stop.cancel();
    assert!(draining.ends().await, "it holds up the end of the process");
    proxy.stopped().await;
}

#[tokio::test]
async fn a_connection_that_is_being_closed_does_not_come_back() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let upstream =
        Upstream::scripted(move |_| vec![Step::Body, Step::Wait(waiting.clone()), Step::Send(OK.into())])
            .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut closing = proxy.client("admin").await;
    closing.send(request("GET", "/reports/x", &["Connection: close"], b"")).await;
    // So long that the next look at whether it rests finds it in the middle of its end.
    let _idle = proxy.client("admin").await;
    proxy.metric_reaches(RESTING, 1.0).await;
    gate.add_permits(2);
    assert_eq!(closing.answer("GET").await.text(), "ok");
    assert!(closing.ends().await);
    // Our own side stays open for as long as it is heard out; nothing that comes now may be carried out.
    eventually("the end of a connection that was to be closed", async || {
        let _ = closing.try_send(&request("DELETE", "/reports/x", &[], b"")).await;
        (proxy.metric("s3proxy_connections").await <= 1.0).then_some(())
    })
    .await;
    assert_eq!(upstream.seen().len(), 1);
}
