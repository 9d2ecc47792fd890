//! S3's errors about the proxy's own credentials quote secrets; the client gets none of them.

use crate::answers::through;
use crate::harness::{Setup, Upstream, access, answer};

#[tokio::test]
async fn errors_about_the_proxys_credentials_are_not_the_clients() {
    const TOKEN: &str = "the-proxys-own-token";
    for (status, code) in [
        ("403 Forbidden", "SignatureDoesNotMatch"),
        ("403 Forbidden", "InvalidAccessKeyId"),
        ("403 Forbidden", "RequestTimeTooSkewed"),
        ("400 Bad Request", "ExpiredToken"),
        ("400 Bad Request", "InvalidToken"),
        ("400 Bad Request", "TokenRefreshRequired"),
    ] {
        for chunked in [false, true] {
            let xml = format!("<Error><Code>{code}</Code><Message>m</Message><Token>{TOKEN}</Token></Error>");
            let framed = if chunked {
                format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{xml}\r\n0\r\n\r\n", xml.len())
            } else {
                format!("Content-Length: {}\r\n\r\n{xml}", xml.len())
            };
            let upstream =
                Upstream::scripted(move |_| answer(format!("HTTP/1.1 {status}\r\n{framed}"))).await;
            let proxy = Setup::new(upstream.endpoint()).session_token(TOKEN).start().await;
            let mut wire = proxy.client("admin").await;
            let reply = wire.ask("GET", "/reports/daily/x", &[], b"").await;
            assert_eq!((reply.status, reply.error_code().as_str()), (503, "ServiceUnavailable"), "{code}");
            assert!(!reply.text().contains(TOKEN), "{}", reply.text());
            let line = &proxy.log.exactly(1).await[0];
            assert_eq!(access(line, "error_code"), "ServiceUnavailable");
            proxy.metric_reaches("s3proxy_upstream_errors_total{kind=\"refused\"}", 1.0).await;
        }
    }
}

#[tokio::test]
async fn other_refusals_of_s3_pass_untouched() {
    let xml = "<Error><Code>AccessDenied</Code><Message>not SignatureDoesNotMatch</Message></Error>";
    for status in ["400 Bad Request", "403 Forbidden"] {
        let head = format!("HTTP/1.1 {status}\r\nx-amz-request-id: S3S\r\nETag: \"e\"\r\n");
        for framed in [
            format!("{head}Content-Length: {}\r\n\r\n{xml}", xml.len()),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{xml}\r\n0\r\n\r\n", xml.len()),
        ] {
            let reply = through("GET", framed.into_bytes().leak()).await;
            assert_eq!((reply.text(), reply.header("x-amz-request-id")), (xml, Some("S3S")), "{status}");
        }
        // A HEAD's length is of what a GET would get.
        let reply = through("HEAD", format!("{head}Content-Length: 243\r\n\r\n").into_bytes().leak()).await;
        assert_eq!(
            (reply.header("content-length"), reply.header("etag")),
            (Some("243"), Some("\"e\"")),
            "{status}"
        );
    }
}
