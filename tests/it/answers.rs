//! S3's answers, as the client gets them: as they came, in HTTP/1.1 and in HTTP/2, and never a part for the whole.

use std::sync::Arc;

use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use crate::harness::{Reply, Setup, Step, Upstream, access, answer, collect, error_code, request, within};

/// Asks through a proxy in front of an upstream that always gives this answer.
pub(crate) async fn through(method: &str, bytes: &'static [u8]) -> Reply {
    let upstream = Upstream::scripted(move |_| answer(bytes)).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    let reply = wire.ask(method, "/reports/daily/x", &[], b"").await;
    assert!(reply.whole, "{reply:?}");
    // The connection goes on: where the answer ends is clear.
    let again = wire.ask(method, "/reports/daily/x", &[], b"").await;
    assert_eq!((again.status, &again.body), (reply.status, &reply.body));

    let mut client = proxy.http2("admin").await;
    let response = client.begin(method, "/reports/daily/x", &[], b"").await.unwrap();
    assert_eq!(response.status(), reply.status);
    for name in ["content-length", "content-encoding", "content-range", "location", "etag", "content-type"] {
        let value = response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(value, reply.header(name), "{name} over HTTP/2");
    }
    assert_eq!(collect(response).await.unwrap(), reply.body, "the body over HTTP/2");
    reply
}

#[tokio::test]
async fn head_keeps_its_length() {
    let reply = through(
        "HEAD",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1234567890123\r\nETag: \"e\"\r\nContent-Type: text/x\r\n\r\n",
    )
    .await;
    assert_eq!(reply.header("content-length"), Some("1234567890123"));
    assert_eq!(reply.header("content-type"), Some("text/x"));
    assert_eq!(reply.header("transfer-encoding"), None);
    let reply = through("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e\"\r\n\r\n").await;
    assert_eq!(reply.header("content-length"), Some("0"));
    let reply = through("HEAD", b"HTTP/1.1 404 Not Found\r\nContent-Type: application/xml\r\n\r\n").await;
    assert_eq!((reply.status, reply.body.len()), (404, 0));
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let reply = through("DELETE", b"HTTP/1.1 204 No Content\r\nx-amz-version-id: v\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("x-amz-version-id")), (204, Some("v")));
    assert_eq!((reply.header("content-length"), reply.header("transfer-encoding")), (None, None));
    let reply = through("GET", b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("etag")), (304, Some("\"e\"")));
    assert_eq!(reply.header("transfer-encoding"), None);
    let reply = through("PUT", b"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((reply.header("content-length"), reply.body.len()), (Some("0"), 0));
}

#[tokio::test]
async fn a_part_of_an_object_stays_a_part() {
    let reply = through(
        "GET",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nContent-Length: 3\r\n\r\ncde",
    )
    .await;
    assert_eq!(
        (reply.status, reply.header("content-range"), reply.text()),
        (206, Some("bytes 2-4/10"), "cde")
    );
}

#[tokio::test]
async fn redirects_are_the_clients_to_follow() {
    for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
        let upstream = Upstream::scripted(move |seen| {
            assert!(!seen.target().contains("elsewhere"), "followed");
            answer(format!(
                "HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/elsewhere?x=%2F\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 2\r\n\r\nno"
            ))
        })
        .await;
        let proxy = Setup::new(upstream.endpoint()).start().await;
        let reply = proxy.client("admin").await.ask("GET", "/reports/x", &[], b"").await;
        assert_eq!(format!("{}", reply.status), status[..3]);
        assert_eq!(reply.header("location"), Some("http://127.0.0.1:1/elsewhere?x=%2F"));
        assert_eq!(reply.header("x-amz-bucket-region"), Some("eu-west-1"));
        assert_eq!(reply.text(), "no");
        upstream.only();
    }
}

#[tokio::test]
async fn compressed_objects_stay_compressed() {
    // Not even gzip: whoever tried to decompress it would fail.
    let reply = through(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x00\xff\x00",
    )
    .await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(reply.body, b"\x1f\x8b\x00\xff\x00");
}

#[tokio::test]
async fn lists_without_a_length_arrive_whole() {
    let reply = through(
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/xml\r\n\r\n4\r\n<a/>\r\n5;x=y\r\n<b/>\n\r\n0\r\nx-trailer: 1\r\n\r\n",
    )
    .await;
    assert_eq!(reply.text(), "<a/><b/>\n");
    assert_eq!(reply.header("content-length"), None);
}

#[tokio::test]
async fn errors_of_s3_are_s3s_own() {
    let xml = "<Error><Code>NoSuchKey</Code><Key>daily/x</Key></Error>";
    let upstream = Upstream::scripted(move |_| {
        answer(format!("HTTP/1.1 404 Not Found\r\nx-amz-request-id: S3S\r\nx-amz-id-2: host\r\nContent-Length: {}\r\n\r\n{xml}", xml.len()))
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let reply = proxy.client("admin").await.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.text()), (404, xml));
    assert_eq!((reply.header("x-amz-request-id"), reply.header("x-amz-id-2")), (Some("S3S"), Some("host")));
    let line = &proxy.log.exactly(1).await[0];
    assert_eq!(access(line, "upstream_request_id"), "S3S");
    assert_eq!((access(line, "status").as_str(), access(line, "grant").as_str()), ("404", "everything"));
}

#[tokio::test]
async fn the_upstreams_connection_is_its_own_business() {
    let reply = through(
        "GET",
        b"HTTP/1.1 200 OK\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: x\r\nx-amz-meta-a: b\r\nServer: AmazonS3\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let names = reply.names();
    for hop in ["connection", "x-private", "keep-alive", "proxy-authenticate", "upgrade", "trailer"] {
        assert!(!names.contains(&hop.to_owned()), "{hop} in {names:?}");
    }
    assert_eq!((reply.header("x-amz-meta-a"), reply.header("server")), (Some("b"), Some("AmazonS3")));

    // `Connection: close` of S3's is not for the client, whose connection goes on.
    let reply = through("GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(reply.header("connection"), None);
}

#[tokio::test]
async fn a_long_completion_is_seen_as_it_comes() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let upstream = Upstream::scripted(move |_| {
        let chunk = |text: &str| Step::Send(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes());
        vec![
            Step::Body,
            Step::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
            chunk("<?xml version=\"1.0\"?>\n"),
            chunk(" "),
            Step::Wait(waiting.clone()),
            chunk(" \n<Error><Code>InternalError</Code></Error>"),
            Step::Send(b"0\r\n\r\n".to_vec()),
        ]
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let completion = request("POST", "/reports/daily/x?uploadId=u", &[], b"<CompleteMultipartUpload/>");

    let mut wire = proxy.client("writer").await;
    wire.send(&completion).await;
    wire.until(b"<?xml version=\"1.0\"?>\n").await.unwrap();
    assert_eq!(wire.until(b" ").await.unwrap().last(), Some(&b' '));
    gate.add_permits(1);
    let rest = wire.until(b"0\r\n\r\n").await.unwrap();
    assert!(String::from_utf8(rest).unwrap().contains("<Error><Code>InternalError</Code></Error>"));

    let mut client = proxy.http2("writer").await;
    let target = "/reports/daily/x?uploadId=u";
    let response = client.begin("POST", target, &[], b"<CompleteMultipartUpload/>").await.unwrap();
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.ends_with("\n ") {
        let frame = within("the first bytes", body.frame()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    gate.add_permits(1);
    let rest = within("the rest", body.collect()).await.unwrap().to_bytes();
    assert!(rest.ends_with(b"</Error>"));
}

#[tokio::test]
async fn interim_answers_are_not_taken_for_the_answer() {
    let reply = through(
        "GET",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
}

#[tokio::test]
async fn a_download_is_never_shorter_than_it_looks() {
    let cut: [(&str, &[u8]); 2] = [
        ("a length", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
        ("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ];
    for (what, bytes) in cut {
        for encrypted in [false, true] {
            let script = move |_: &_| vec![Step::Body, Step::Send(bytes.to_vec()), Step::Close];
            let upstream =
                if encrypted { Upstream::encrypted(script).await } else { Upstream::scripted(script).await };
            let mut setup = Setup::new(upstream.endpoint());
            setup.endpoint = setup.endpoint.replace("127.0.0.1", "localhost");
            let proxy = setup.start().await;

            let mut wire = proxy.client("admin").await;
            let reply = wire.ask("GET", "/reports/daily/x", &[], b"").await;
            assert_eq!((reply.status, reply.text()), (200, "hello"), "{what}");
            assert!(!reply.whole, "{what} cut short looks whole over HTTP/1.1");
            assert!(wire.ends().await);

            let mut client = proxy.http2("admin").await;
            let response = client.begin("GET", "/reports/daily/x", &[], b"").await.unwrap();
            assert!(collect(response).await.is_err(), "{what} cut short looks whole over HTTP/2");

            for line in proxy.log.exactly(2).await {
                assert_eq!(access(&line, "error_code"), "UpstreamBroken");
                assert_eq!((access(&line, "status"), access(&line, "bytes_out")), ("200".into(), "5".into()));
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_retry() {
    for bytes in
        ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 2"]
    {
        let upstream =
            Upstream::scripted(move |_| vec![Step::Body, Step::Send(bytes.into()), Step::Close]).await;
        let proxy = Setup::new(upstream.endpoint()).start().await;
        let mut wire = proxy.client("admin").await;
        let reply = wire.ask("PUT", "/reports/daily/x", &[], b"body").await;
        assert_eq!((reply.status, reply.error_code().as_str()), (500, "InternalError"), "{bytes}");

        let mut client = proxy.http2("admin").await;
        let response = client.begin("GET", "/reports/daily/x", &[], b"").await.unwrap();
        assert_eq!(response.status(), 500);
        let id = response.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
        let body = collect(response).await.unwrap();
        assert_eq!(error_code(std::str::from_utf8(&body).unwrap(), Some(&id)), "InternalError");
        assert!(proxy.metric("s3proxy_upstream_errors_total{kind=\"broken\"}").await > 1.5);
    }
}
