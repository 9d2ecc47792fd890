//! What S3, or the way to it, can do wrong: the client always learns the truth, in words that tell an SDK whether to try
//! again, and a part of an answer never looks like the whole.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use rcgen::ExtendedKeyUsagePurpose;
use time::OffsetDateTime;

use crate::harness::{
    Leaf, Proxy, Reply, Seen, Setup, Step, TRUSTED, Upstream, access, answer, dns, eventually, head, request,
    within,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TARGET: &str = "/reports/daily/x";
/// S3's side ends first, so that the client still gets an answer.
const IMPATIENT: &str = "idle_timeout: 300ms, connect_timeout: 2s";

/// What a client has in the end.
#[derive(Debug)]
struct Outcome {
    status: u16,
    retry_after: Option<String>,
    body: String,
    /// Whether the client takes the body for whole.
    whole: bool,
}

impl Outcome {
    /// Status and error code of an answer that came to its end.
    fn told(&self) -> (u16, String) {
        assert!(self.whole, "{self:?}");
        let code = self.body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        (self.status, code.map_or_else(String::new, |(code, _)| code.to_owned()))
    }
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        let retry_after = reply.header("retry-after").map(str::to_owned);
        Self { status: reply.status, retry_after, body: reply.text().to_owned(), whole: reply.whole }
    }
}

async fn over_http1(proxy: &Proxy, method: &str, target: &str, body: &[u8]) -> Outcome {
    let mut wire = proxy.client("admin").await;
    // Whoever has answered already need not take all of it.
    let _ = within("room to write", wire.try_send(&request(method, target, &[], body))).await;
    wire.answer(method).await.into()
}

async fn over_http2(proxy: &Proxy, method: &str, target: &str, body: &[u8]) -> Outcome {
    let length = format!("content-length: {}", body.len());
    let response = proxy.http2("admin").await.begin(method, target, &[&length], body).await.unwrap();
    let (head, mut incoming) = response.into_parts();
    let (mut got, mut whole) = (Vec::new(), true);
    while let Some(frame) = within("a frame or the end", incoming.frame()).await {
        let Ok(frame) = frame else {
            whole = false;
            break;
        };
        got.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    let retry_after = head.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    Outcome { status: head.status.as_u16(), retry_after, body: String::from_utf8(got).unwrap(), whole }
}

/// The same over both protocols.
async fn both(proxy: &Proxy, method: &str, target: &str, body: &[u8]) -> [Outcome; 2] {
    [over_http1(proxy, method, target, body).await, over_http2(proxy, method, target, body).await]
}

async fn faults(proxy: &Proxy, kind: &str) -> f64 {
    proxy.metric(&format!("s3proxy_upstream_errors_total{{kind=\"{kind}\"}}")).await
}

/// Asks in several ways over both protocols. Each is told the same and counts once, under one kind.
async fn is_told(proxy: &Proxy, kind: &str, status: u16, code: &str) {
    for (method, body) in [("GET", &b""[..]), ("PUT", b"body"), ("DELETE", b"")] {
        let before = faults(proxy, kind).await;
        for outcome in both(proxy, method, TARGET, body).await {
            assert_eq!(outcome.told(), (status, code.to_owned()), "{method}");
            assert_eq!(outcome.retry_after.is_some(), status == 503, "{method}");
        }
        let counted = faults(proxy, kind).await - before;
        assert!((counted - 2.0).abs() < 0.1, "{method}: {counted} of the kind {kind}");
    }
}

/// A script for every request.
async fn always(steps: fn() -> Vec<Step>) -> (Upstream, Proxy) {
    let upstream = Upstream::scripted(move |_| steps()).await;
    let proxy = Setup::new(upstream.endpoint()).limits(IMPATIENT).start().await;
    (upstream, proxy)
}

fn server(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Leaf {
    TRUSTED.issue(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![dns("localhost")];
        change(params);
    })
}

#[tokio::test]
async fn certificates_that_are_not_s3s_get_no_request() {
    let yesterday = OffsetDateTime::now_utc() - time::Duration::minutes(1);
    for (what, leaf) in [
        ("another name", server(|params| params.subject_alt_names = vec![dns("s3.example")])),
        ("out of date", server(|params| params.not_after = yesterday)),
        (
            "a client's",
            server(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        ),
    ] {
        let upstream = Upstream::showing(&leaf, |_| answer(OK)).await;
        let proxy = Setup::new(upstream.endpoint().replace("127.0.0.1", "localhost")).start().await;
        is_told(&proxy, "tls", 503, "ServiceUnavailable").await;
        assert!(upstream.seen().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn what_breaks_before_the_answer_is_an_error_to_try_again() {
    let (_upstream, proxy) = always(|| vec![Step::Reset]).await;
    is_told(&proxy, "broken", 500, "InternalError").await;
    let (_upstream, proxy) =
        always(|| vec![Step::Body, Step::Send(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), Step::Reset]).await;
    is_told(&proxy, "broken", 500, "InternalError").await;
    let (_upstream, proxy) = always(|| vec![Step::Body, Step::HalfClose, Step::Silence]).await;
    is_told(&proxy, "broken", 500, "InternalError").await;
}

#[tokio::test]
async fn what_stands_still_before_the_answer_is_an_error_to_try_again() {
    let (_upstream, proxy) = always(|| vec![Step::Silence]).await;
    is_told(&proxy, "timeout", 500, "InternalError").await;
    let (_upstream, proxy) =
        always(|| vec![Step::Body, Step::Send(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), Step::Silence]).await;
    is_told(&proxy, "timeout", 500, "InternalError").await;
}

/// More than the sockets on the way hold.
const LARGE: usize = 30_000_000;

#[tokio::test]
async fn an_upload_that_s3_breaks_off_or_does_not_take_is_no_success() {
    let body = vec![b'x'; LARGE];
    for (steps, kind) in [
        ((|| vec![Step::Take(100_000), Step::Reset]) as fn() -> Vec<Step>, "broken"),
        (|| vec![Step::Take(100_000), Step::Close], "broken"),
        (|| vec![Step::Take(100_000), Step::Silence], "timeout"),
    ] {
        let (upstream, proxy) = always(steps).await;
        for outcome in both(&proxy, "PUT", TARGET, &body).await {
            assert_eq!(outcome.told(), (500, "InternalError".into()), "{kind}");
        }
        assert!((faults(&proxy, kind).await - 2.0).abs() < 0.1, "{kind}");
        assert!(upstream.seen().iter().all(|seen| !seen.whole));
        for line in proxy.log.exactly(2).await {
            assert_eq!(access(&line, "status"), "500", "{line}");
        }
    }
}

const SLOW_DOWN: &str =
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

fn slow_down() -> Vec<u8> {
    let length = SLOW_DOWN.len();
    format!("HTTP/1.1 503 Slow Down\r\nRetry-After: 7\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{SLOW_DOWN}")
        .into_bytes()
}

#[tokio::test]
async fn slow_down_is_passed_on_with_its_pause() {
    let (_upstream, proxy) = always(|| answer(slow_down())).await;
    for (method, body) in [("GET", &b""[..]), ("PUT", b"body")] {
        for outcome in both(&proxy, method, TARGET, body).await {
            assert_eq!(
                (outcome.told(), outcome.retry_after.as_deref()),
                ((503, "SlowDown".into()), Some("7"))
            );
        }
    }
    let kinds = ["broken", "timeout", "refused", "late_error"];
    for kind in kinds {
        assert!(faults(&proxy, kind).await < 0.5, "S3's own answer is no fault of the way: {kind}");
    }
}

#[tokio::test]
async fn an_answer_in_the_middle_of_an_upload_reaches_the_client() {
    // S3 does not read the rest; what the client has still to send meets a closed door.
    let (_upstream, proxy) = always(|| vec![Step::Take(100_000), Step::Send(slow_down()), Step::Close]).await;
    let body = vec![b'x'; LARGE];
    for outcome in both(&proxy, "PUT", TARGET, &body).await {
        assert_eq!((outcome.told(), outcome.retry_after.as_deref()), ((503, "SlowDown".into()), Some("7")));
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_is_never_whole() {
    const CUTS: [fn() -> Step; 4] = [|| Step::Reset, || Step::Close, || Step::HalfClose, || Step::Silence];
    const BODIES: [&str; 3] = [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na\r\n",
    ];
    for encrypted in [false, true] {
        for (cut, body) in CUTS.into_iter().flat_map(|cut| BODIES.map(|body| (cut, body))) {
            let script = move |_: &Seen| vec![Step::Body, Step::Send(body.into()), cut(), Step::Silence];
            let upstream =
                if encrypted { Upstream::encrypted(script).await } else { Upstream::scripted(script).await };
            let endpoint = upstream.endpoint().replace("127.0.0.1", "localhost");
            let proxy = Setup::new(endpoint).limits(IMPATIENT).start().await;
            for outcome in both(&proxy, "GET", TARGET, b"").await {
                assert!(!outcome.whole, "{body:?} {encrypted} looks whole: {outcome:?}");
                assert_eq!(outcome.status, 200);
                assert!("hello".starts_with(&outcome.body), "{outcome:?}");
            }
            assert!((faults(&proxy, "truncated").await - 2.0).abs() < 0.1, "{body:?} {encrypted}");
            for line in proxy.log.exactly(2).await {
                assert_eq!(access(&line, "error_code"), "UpstreamBroken", "{line}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_encryption_in_good_order() {
    // Only TLS can say that such an answer is whole.
    for (ending, whole) in
        [((|| Step::HalfClose) as fn() -> Step, true), (|| Step::Close, false), (|| Step::Reset, false)]
    {
        let script = move |_: &Seen| {
            vec![Step::Body, Step::Send(b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec()), ending(), Step::Close]
        };
        let upstream = Upstream::encrypted(script).await;
        let proxy = Setup::new(upstream.endpoint().replace("127.0.0.1", "localhost")).start().await;
        for outcome in both(&proxy, "GET", TARGET, b"").await {
            assert_eq!(outcome.whole, whole, "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn an_error_behind_a_success_is_passed_on_and_counted() {
    const ERROR: &str =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n <Error><Code>InternalError</Code></Error>";
    let upstream = Upstream::scripted(|seen| {
        let body = if seen.target().contains("good") { "<CopyObjectResult/>" } else { ERROR };
        answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n  {body}", body.len() + 2))
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    let complete = b"<CompleteMultipartUpload/>";
    let copy = ["x-amz-copy-source: reports/daily/a"];
    for (method, target, headers, body) in [
        ("POST", "/reports/daily/x?uploadId=u", &[][..], &complete[..]),
        ("PUT", TARGET, &copy, b""),
        ("PUT", "/reports/daily/x?partNumber=1&uploadId=u", &copy, b""),
        ("PUT", "/reports/daily/good", &copy, b""),
        ("GET", TARGET, &[], b""),
    ] {
        let reply = wire.ask(method, target, headers, body).await;
        assert_eq!(reply.status, 200, "{target}");
        assert_eq!(reply.text().contains("<Error>"), !target.contains("good"), "byte for byte");
    }
    let codes: Vec<_> = proxy.log.exactly(5).await.iter().map(|line| access(line, "error_code")).collect();
    // An object may well hold such a document.
    assert_eq!(codes, ["InternalError", "InternalError", "InternalError", "null", "null"]);
    assert!((faults(&proxy, "late_error").await - 3.0).abs() < 0.1);
}

/// Whether S3 has been let go; far sooner than any time limit would.
async fn released(upstream: &Upstream) {
    let since = Instant::now();
    eventually("the end of the connection to S3", async || (upstream.open() == 0).then_some(())).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn when_the_client_has_gone_s3_is_released_at_once() {
    let upstream = Upstream::scripted(|seen| {
        if seen.target().ends_with("begun") {
            vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello".to_vec()), Step::Body]
        } else if seen.header("content-length").is_some() {
            vec![Step::Body]
        } else {
            // Reads on, so that it sees the end.
            vec![Step::Take(usize::MAX)]
        }
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    // Before the answer, in its middle, and in the middle of an upload.
    for (first, wait_for) in [
        (request("GET", TARGET, &[], b""), ""),
        (request("GET", "/reports/daily/begun", &[], b""), "hello"),
        ([head("PUT", TARGET, &["Content-Length: 100"]), b"some".to_vec()].concat(), ""),
    ] {
        let before = upstream.seen().len();
        let mut wire = proxy.client("admin").await;
        wire.send(first).await;
        eventually("the request at S3", async || (upstream.seen().len() > before).then_some(())).await;
        if !wait_for.is_empty() {
            wire.until(wait_for.as_bytes()).await.unwrap();
        }
        drop(wire);
        released(&upstream).await;
    }
    // Over HTTP/2 it is the stream that goes; the connection stays.
    let mut client = proxy.http2("admin").await;
    let begun = client.begin("GET", "/reports/daily/begun", &[], b"").await.unwrap();
    drop(begun);
    released(&upstream).await;
    let before = upstream.seen().len();
    let waiting = tokio::spawn(client.request("GET", TARGET));
    eventually("the request at S3", async || (upstream.seen().len() > before).then_some(())).await;
    waiting.abort();
    released(&upstream).await;
    for line in proxy.log.exactly(5).await {
        assert_ne!(access(&line, "error_code"), "null", "{line}");
    }
}
