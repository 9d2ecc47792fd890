//! Clients that are trusted no longer while their connections are open: what is in flight finishes, nothing new begins,
//! and there is a bound on both.

use std::sync::Arc;

use http_body_util::BodyExt;
use time::{Duration, OffsetDateTime};
use tokio::sync::Semaphore;

use crate::harness::{
    FOREIGN, Http2, Leaf, Proxy, Setup, Step, TRUSTED, Upstream, Wire, connect, eventually, request, spiffe,
    tls, uri, within,
};
use crate::revocation::{list, numbered, revoke, setup};

/// An upstream whose object comes in two halves, the second when the gate opens.
async fn halves() -> (Upstream, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let upstream = Upstream::scripted(move |_| {
        let first = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst".to_vec();
        vec![Step::Send(first), Step::Wait(waiting.clone()), Step::Send(b"later".to_vec())]
    })
    .await;
    (upstream, gate)
}

/// Has a download in flight over both protocols, lets trust be lost, and sees what becomes of them and of more.
async fn loses_trust(proxy: &Proxy, leaf: &Leaf, gate: &Semaphore, lose: impl AsyncFnOnce()) {
    let mut wire = Wire::new(connect(proxy.address, tls(Some(leaf), "http/1.1")).await.unwrap());
    wire.send(request("GET", "/reports/x", &[], b"")).await;
    wire.until(b"first").await.unwrap();
    let mut resting = Wire::new(connect(proxy.address, tls(Some(leaf), "http/1.1")).await.unwrap());
    let mut http2 = Http2::new(connect(proxy.address, tls(Some(leaf), "h2")).await.unwrap()).await;
    let mut body = http2.begin("GET", "/reports/x", &[], b"").await.unwrap().into_body();
    within("the first half", body.frame()).await.unwrap().unwrap();
    lose().await;
    assert!(resting.ends().await, "a connection at rest is closed");
    let refused = eventually("a refusal over HTTP/2", async || {
        match http2.begin("GET", "/reports/y", &[], b"").await {
            Ok(response) => (response.status() == 403).then_some(()),
            Err(_) => Some(()),
        }
    });
    refused.await;
    gate.add_permits(2);
    assert_eq!(wire.until(b"later").await.unwrap(), b"later", "what was in flight finishes");
    assert!(wire.ends().await, "and then it is over");
    assert_eq!(within("the second half", body.collect()).await.unwrap().to_bytes(), "later");
    eventually("the end of the HTTP/2 connection", async || http2.connection.is_finished().then_some(()))
        .await;
}

async fn reload(proxy: &Proxy) {
    proxy.reload.send(()).await.unwrap();
    proxy.metric_reaches("s3proxy_reloads_total{result=\"ok\"}", 1.0).await;
}

#[tokio::test]
async fn revocation_cuts_off_after_the_request_in_flight() {
    let (upstream, gate) = halves().await;
    let proxy = setup(&upstream, &list(&[], Duration::days(1))).start().await;
    Box::pin(loses_trust(&proxy, &numbered(7), &gate, async || revoke(&proxy).await)).await;
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn the_removal_of_an_authority_cuts_off_after_the_request_in_flight() {
    let (upstream, gate) = halves().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    Box::pin(loses_trust(&proxy, &TRUSTED.client("admin"), &gate, async || {
        std::fs::write(proxy.setup.folder.path().join("ca.crt"), &FOREIGN.pem).unwrap();
        reload(&proxy).await;
    }))
    .await;
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn expiry_cuts_off_after_the_request_in_flight() {
    let (upstream, gate) = halves().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let short = TRUSTED.issue(|params| {
        params.subject_alt_names = vec![uri(&spiffe("admin"))];
        params.not_after = OffsetDateTime::now_utc() + Duration::seconds(5);
    });
    Box::pin(loses_trust(&proxy, &short, &gate, async || {})).await;
}

#[tokio::test]
async fn what_is_in_flight_has_a_bound_too() {
    let (upstream, _gate) = halves().await;
    let proxy = setup(&upstream, &list(&[], Duration::days(1))).limits("drain_timeout: 300ms").start().await;
    let leaf = numbered(7);
    let mut wire = Wire::new(connect(proxy.address, tls(Some(&leaf), "http/1.1")).await.unwrap());
    wire.send(request("GET", "/reports/x", &[], b"")).await;
    wire.until(b"first").await.unwrap();
    let mut http2 = Http2::new(connect(proxy.address, tls(Some(&leaf), "h2")).await.unwrap()).await;
    let mut body = http2.begin("GET", "/reports/x", &[], b"").await.unwrap().into_body();
    within("the first half", body.frame()).await.unwrap().unwrap();
    revoke(&proxy).await;
    assert!(wire.ends().await);
    assert!(within("the end of the body", body.collect()).await.is_err());
}
