//! SIGTERM to the real binary while clients are at work: each request that it took is answered in full, and each client
//! is told in time to go elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::net::TcpStream;

use crate::cli::Running;
use crate::harness::{
    Http2, Setup, TRUSTED, Upstream, Wire, answer, collect, connect, eventually, plain_get, tls, within,
};

const LENGTH: usize = 100_000;

/// Asks until the answer says that it is the last one.
async fn over_http1(address: SocketAddr, served: Arc<AtomicUsize>) {
    let config = tls(Some(&TRUSTED.client("admin")), "http/1.1");
    let mut wire = Wire::new(connect(address, config).await.unwrap());
    loop {
        let reply = wire.ask("GET", "/reports/daily/x", &[], b"").await;
        assert_eq!((reply.status, reply.body.len()), (200, LENGTH));
        served.fetch_add(1, Ordering::Relaxed);
        if reply.header("connection") == Some("close") {
            assert!(wire.ends().await);
            return;
        }
    }
}

/// Asks for several at once until the connection takes none any more.
async fn over_http2(address: SocketAddr, served: Arc<AtomicUsize>) {
    let config = tls(Some(&TRUSTED.client("admin")), "h2");
    let mut client = Http2::new(connect(address, config).await.unwrap()).await;
    let mut over = false;
    while !over {
        let round: Vec<_> = (0..8).map(|_| tokio::spawn(client.request("GET", "/reports/daily/x"))).collect();
        for answer in round {
            match answer.await.unwrap() {
                Ok(response) => {
                    assert_eq!(response.status(), 200);
                    assert_eq!(collect(response).await.unwrap().len(), LENGTH, "what was begun is finished");
                    served.fetch_add(1, Ordering::Relaxed);
                }
                // It was not taken: S3 has not seen it, which is checked at the end.
                Err(_) => over = true,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_loses_no_request() {
    let ok = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n{}", "x".repeat(LENGTH));
    let upstream = Upstream::scripted(move |_| answer(&ok)).await;
    let setup = Setup::new(upstream.endpoint());
    let mut running = Running::start(&setup.write());
    let listening = running.says("listening");
    let address = listening["listen"].as_str().unwrap().parse().unwrap();
    running.says("credentials loaded");
    let served = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..4 {
        clients.spawn(over_http1(address, served.clone()));
        clients.spawn(over_http2(address, served.clone()));
    }
    eventually("work", async || (served.load(Ordering::Relaxed) > 200).then_some(())).await;
    running.signal("-TERM");
    within("the end of all clients", async {
        while clients.join_next().await.transpose().unwrap().is_some() {}
    })
    .await;
    let (code, stdout, log) = tokio::task::spawn_blocking(|| running.end()).await.unwrap();
    assert_eq!(code, Some(0), "{log}");
    let served = served.load(Ordering::Relaxed);
    assert_eq!(upstream.seen().len(), served, "what S3 was asked for has reached a client");
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), served);
    assert!(lines.iter().all(|line| line["status"] == 200 && line["error_code"].is_null()), "{stdout}");
}

#[tokio::test]
async fn a_request_that_was_on_its_way_is_served_and_the_last_one() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    assert_eq!(wire.ask("GET", "/reports/x", &[], b"").await.header("connection"), None);
    proxy.stop.cancel();
    eventually("the listener's end", async || TcpStream::connect(proxy.address).await.is_err().then_some(()))
        .await;
    let reply = wire.ask("GET", "/reports/x", &[], b"").await;
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert!(wire.ends().await);
    proxy.stopped().await;
}

#[tokio::test]
async fn it_is_not_ready_before_it_takes_no_connections() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).limits("drain_timeout: 5s").start().await;
    // Keeps the process from its end.
    let mut resting = proxy.client("admin").await;
    assert_eq!(resting.ask("GET", "/reports/x", &[], b"").await.status, 200);
    proxy.stop.cancel();
    eventually("the listener's end", async || TcpStream::connect(proxy.address).await.is_err().then_some(()))
        .await;
    let reply = plain_get(proxy.admin, "/readyz").await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(resting.ends().await);
}
