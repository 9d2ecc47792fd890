//! Clients with a good certificate and bad intentions, over HTTP/2: what makes work and is no request ends their
//! connection and is counted, and others work on meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::harness::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, head_block, literal,
};
use crate::harness::{Frames, Proxy, Setup, Step, TRUSTED, Upstream, eventually};

/// Works while somebody else does harm.
struct Bystander(tokio::task::JoinHandle<usize>, tokio_util::sync::CancellationToken);

impl Bystander {
    async fn start(proxy: &Proxy) -> Self {
        let (mut wire, over) = (proxy.client("reader").await, tokio_util::sync::CancellationToken::new());
        let told = over.clone();
        let working = tokio::spawn(async move {
            let mut served = 0;
            while !told.is_cancelled() {
                let began = Instant::now();
                assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
                assert!(began.elapsed() < Duration::from_secs(5), "kept waiting for {:?}", began.elapsed());
                served += 1;
            }
            served
        });
        Self(working, over)
    }

    async fn unharmed(self) {
        self.1.cancel();
        assert!(self.0.await.unwrap() > 0);
    }
}

/// Sends pieces until the connection ends; says how many went out.
async fn flood(client: &mut Frames, piece: impl Fn(u32) -> Vec<u8>) -> usize {
    let (began, mut sent) = (Instant::now(), 0);
    loop {
        let stream = client.next();
        if client.wire.try_send(&piece(stream)).await.is_err() {
            return sent;
        }
        sent += 1;
        assert!(began.elapsed() < Duration::from_secs(15), "still there after {sent} pieces");
    }
}

/// RFC 9113 section 7.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// What a flood consists of, given the number of the next stream.
type Piece = fn(u32) -> Vec<u8>;

fn get(stream: u32, flags: u8) -> Vec<u8> {
    frame(HEADERS, flags, stream, &head_block("GET", "/reports/daily/x"))
}

#[tokio::test]
async fn floods_end_their_connection_and_nobody_elses() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let floods: [(&str, Piece); 7] = [
        ("resets", |stream| {
            [get(stream, END_STREAM | END_HEADERS), frame(RST_STREAM, 0, stream, &CANCEL)].concat()
        }),
        ("settings", |_| frame(SETTINGS, 0, 0, &[])),
        ("pings", |_| frame(PING, 0, 0, b"12345678")),
        ("priorities", |stream| frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 1])),
        ("updates of windows", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown frames", |_| frame(0xfa, 0, 0, b"x")),
        ("continuations", |stream| {
            if stream == 1 { get(1, END_STREAM) } else { frame(CONTINUATION, 0, 1, &literal("x", "y")) }
        }),
    ];
    for (what, piece) in floods {
        let bystander = Bystander::start(&proxy).await;
        let series = "s3proxy_bad_requests_total{cause=\"flood\"}";
        let before = proxy.metric(series).await;
        let mut client = proxy.frames(&TRUSTED.client("admin")).await;
        let sent = flood(&mut client, piece).await;
        assert!(sent > 10, "{what}: {sent}");
        proxy.metric_reaches(series, before + 1.0).await;
        bystander.unharmed().await;
    }
    eventually("the end of what was begun", async || {
        (proxy.metric("s3proxy_requests_in_flight").await < 0.5).then_some(())
    })
    .await;
    // What was reset at once was never sent on, but for a few at the start.
    assert!(upstream.connections() < 300, "{}", upstream.connections());
}

#[tokio::test]
async fn empty_data_without_end_is_a_flood() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    let mut block = head_block("POST", "/reports?delete");
    block.extend(literal("content-length", "1000"));
    let stream = client.next();
    client.wire.send(frame(HEADERS, END_HEADERS, stream, &block)).await;
    flood(&mut client, |_| frame(DATA, 0, stream, &[])).await;
    proxy.metric_reaches("s3proxy_bad_requests_total{cause=\"flood\"}", 1.0).await;
}

#[tokio::test]
async fn a_client_that_gives_up_some_requests_is_no_flood() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    for _ in 0..15 {
        let stream = client.next();
        client
            .wire
            .send([get(stream, END_STREAM | END_HEADERS), frame(PING, 0, 0, b"12345678")].concat())
            .await;
        client.wire.send(frame(RST_STREAM, 0, stream, &CANCEL)).await;
    }
    let stream = client.get("/reports/daily/x").await.unwrap();
    assert_eq!(client.body(stream).await.as_deref(), Some(""));
}

#[tokio::test]
async fn a_small_head_that_means_a_large_one_is_refused() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let bystander = Bystander::start(&proxy).await;
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    for _ in 0..50 {
        // A field of 3,000 bytes goes into the table and is named 13,000 times: 39 MB.
        let mut block = head_block("GET", "/reports/daily/x");
        block.extend([0x40, 1, b'x', 0x7f, 0xb9, 0x16]);
        block.resize(block.len() + 3000, b'y');
        block.resize(block.len() + 13_000, 0xbe);
        let stream = client.next();
        if client.wire.try_send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)).await.is_err() {
            break;
        }
    }
    bystander.unharmed().await;
    assert!(upstream.seen().iter().all(|seen| !seen.head.contains("yyyy")), "it went on to S3");
}

#[tokio::test]
async fn fields_that_http2_does_not_have_make_no_request() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("X-Upper", "a"),
        ("x-line", "a\r\nb: c"),
        ("x-nul", "a\0b"),
        ("x y", "a"),
        (":path", "/reports/daily/y"),
        ("content-length", "-1"),
    ] {
        let mut client = proxy.frames(&TRUSTED.client("admin")).await;
        let mut block = head_block("GET", "/reports/daily/x");
        block.extend(literal(name, value));
        let stream = client.next();
        client.wire.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)).await;
        let answered = client.body(stream).await;
        assert!(
            answered.as_deref().is_none_or(|body| body.contains("<Error>") || body.is_empty()),
            "{name}: {answered:?}"
        );
        assert!(upstream.seen().is_empty(), "{name}: {value:?}");
    }
    // Out of order: a frame on a stream that was never opened ends the connection, and is counted.
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    client.wire.send(frame(DATA, 0, 99, b"x")).await;
    client.wire.until(b"never").await.unwrap_err();
    proxy.metric_reaches("s3proxy_bad_requests_total{cause=\"protocol\"}", 1.0).await;
}

#[tokio::test]
async fn a_stream_that_is_refused_is_counted_and_its_connection_goes_on() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let upstream = Upstream::scripted(move |_| {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        vec![Step::Wait(waiting.clone()), Step::Send(ok.into())]
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    let mut block = head_block("GET", "/reports/daily/x");
    block.extend(literal("connection", "close"));
    let stream = client.next();
    client.wire.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)).await;
    assert_eq!(client.body(stream).await, None);
    proxy.metric_reaches("s3proxy_bad_requests_total{cause=\"protocol\"}", 1.0).await;
    let first = client.get("/reports/daily/x").await.unwrap();
    for _ in 0..200 {
        client.get("/reports/daily/x").await.unwrap();
    }
    proxy.metric_reaches("s3proxy_bad_requests_total{cause=\"too_many_streams\"}", 1.0).await;
    gate.add_permits(1000);
    assert_eq!(client.body(first).await.as_deref(), Some(""));
}

#[tokio::test]
async fn who_downloads_may_make_room_as_often_as_there_is_something_to_make_room_for() {
    const LENGTH: usize = 4 << 20;
    let upstream = Upstream::scripted(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        vec![Step::Send([head.as_bytes(), &vec![b'x'; LENGTH]].concat())]
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    let stream = client.get("/reports/daily/x").await.unwrap();
    // For each kilobyte, of the stream and of the connection: 8192 in all.
    let update = frame(WINDOW_UPDATE, 0, stream, &[0, 0, 4, 0]);
    let updates = [update, frame(WINDOW_UPDATE, 0, 0, &[0, 0, 4, 0])].concat();
    let (mut come, mut told) = (0, 0);
    while come < LENGTH {
        let head = client.wire.exactly(9).await.unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        client.wire.exactly(length).await.unwrap();
        assert_ne!(head[3], RST_STREAM);
        if head[3] == DATA {
            come += length;
            let due = come / 1024 - told;
            client.wire.send(updates.repeat(due)).await;
            told += due;
        }
    }
    assert!(proxy.metric("s3proxy_bad_requests_total{cause=\"flood\"}").await < 0.5);
}
