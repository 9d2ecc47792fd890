//! What must be refused is refused as S3 would, and nothing of it reaches S3. The cases are `tests/data/refusals.txt`.

use crate::harness::table::{Call, rows};
use crate::harness::{Proxy, Setup, Upstream, access, collect, error_code, request};

struct Case {
    name: String,
    account: String,
    status: u16,
    code: String,
    call: Call,
}

fn cases() -> Vec<Case> {
    let parse = |row: Vec<String>| {
        let (status, code) = row[2].split_once(' ').unwrap();
        Case {
            name: row[0].clone(),
            account: row[1].clone(),
            status: status.parse().unwrap(),
            code: code.to_owned(),
            call: Call::parse(&row[3..]),
        }
    };
    rows(include_str!("../data/refusals.txt")).map(parse).collect()
}

/// What the client sees, as the table writes it. A HEAD has no body that could carry the code.
async fn over_http1(proxy: &Proxy, case: &Case) -> String {
    let mut wire = proxy.client(&case.account).await;
    let call = &case.call;
    wire.send(request(&call.method, &call.target, &call.headers(), &call.body)).await;
    let reply = wire.answer(&call.method).await;
    assert!(reply.whole, "{}", case.name);
    assert!(reply.header("x-amz-request-id").is_some_and(|id| id.len() == 16), "{}", case.name);
    if call.method == "HEAD" {
        if call.body.is_empty() {
            // Nothing stands between this answer and the next.
            let next = wire.ask("HEAD", &call.target, &call.headers(), b"").await;
            assert_eq!(next.status, reply.status, "{}", case.name);
        }
        return format!("{} {}", reply.status, case.code);
    }
    assert_eq!(reply.header("content-type"), Some("application/xml"), "{}", case.name);
    format!("{} {}", reply.status, reply.error_code())
}

async fn over_http2(proxy: &Proxy, case: &Case) -> String {
    let mut client = proxy.http2(&case.account).await;
    let call = &case.call;
    let response = client.begin(&call.method, &call.target, &call.headers(), &call.body).await;
    let response = response.unwrap_or_else(|e| panic!("{}: {e:?}", case.name));
    let status = response.status().as_u16();
    let id = response.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
    let body = collect(response).await.unwrap_or_else(|e| panic!("{}: {e:?}", case.name));
    if call.method == "HEAD" {
        assert!(body.is_empty(), "{}", case.name);
        return format!("{status} {}", case.code);
    }
    format!("{status} {}", error_code(std::str::from_utf8(&body).unwrap(), Some(&id)))
}

#[tokio::test]
async fn what_must_be_refused_never_reaches_s3() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let (mut wrong, mut expected) = (Vec::new(), Vec::new());
    for case in cases() {
        let want = format!("{} {}", case.status, case.code);
        let mut check = |version: &str, got: String| {
            if got != want {
                wrong.push(format!("{} over {version}: {got} instead of {want}", case.name));
            }
            let seen = upstream.seen();
            assert_eq!(upstream.connections(), 0, "{} over {version} has reached S3: {seen:#?}", case.name);
        };
        check("HTTP/1.1", over_http1(&proxy, &case).await);
        let asked_again = case.call.method == "HEAD" && case.call.body.is_empty();
        expected.extend(std::iter::repeat_n(want.clone(), if asked_again { 2 } else { 1 }));
        if case.call.fits_http2() {
            check("HTTP/2", over_http2(&proxy, &case).await);
            expected.push(want.clone());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let lines = proxy.log.exactly(expected.len()).await;
    let mut logged: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}", access(line, "status"), access(line, "error_code")))
        .collect();
    logged.sort();
    expected.sort();
    assert_eq!(logged, expected);
}

fn batch(keys: usize) -> String {
    let objects: Vec<_> = (0..keys).map(|i| format!("<Object><Key>daily/{i}</Key></Object>")).collect();
    format!("<Delete>{}</Delete>", objects.concat())
}

#[tokio::test]
async fn a_batch_is_bounded_in_keys_and_bytes() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;

    let mut wire = proxy.client("writer").await;
    let reply = wire.ask("POST", "/reports?delete", &[], batch(1001).as_bytes()).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (400, "MalformedXML"));

    // Said without waiting for the rest: nine megabytes are announced and half a one is sent.
    let mut wire = proxy.client("writer").await;
    wire.send(request("POST", "/reports?delete", &["Content-Length: 9000000"], &vec![b' '; 500_000])).await;
    let reply = wire.answer("POST").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (400, "EntityTooLarge"));
    assert_eq!(upstream.connections(), 0);

    let mut wire = proxy.client("writer").await;
    let reply = wire.ask("POST", "/reports?delete", &[], batch(1000).as_bytes()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.only().body, batch(1000).as_bytes());
}

#[tokio::test]
async fn a_refusal_names_the_access_and_nobody_else() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let reply = proxy.client("writer").await.ask("GET", "/reports/secret/%3Cx%3E", &[], b"").await;
    let xml = reply.text();
    assert!(xml.contains("s3:GetObject on reports/secret/&lt;x&gt;"), "{xml}");
    for other in ["everything", "daily", "reader", "sa/", "spiffe"] {
        assert!(!xml.contains(other), "{xml}");
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let upstream = Upstream::start().await;
    let mut setup = Setup::new(upstream.endpoint());
    setup.credentials = None;
    let proxy = setup.start_unready();
    let mut wire = proxy.client("admin").await;
    for (method, body) in [("GET", &b""[..]), ("HEAD", b""), ("PUT", b"body")] {
        wire.send(request(method, "/reports/daily/x", &[], body)).await;
        let reply = wire.answer(method).await;
        assert_eq!(reply.status, 503);
        assert_eq!(reply.header("retry-after"), Some("1"));
        if method != "HEAD" {
            assert_eq!(reply.error_code(), "ServiceUnavailable");
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn credentials_that_cannot_be_loaded_are_none() {
    let upstream = Upstream::start().await;
    let mut setup = Setup::new(upstream.endpoint());
    setup.credentials = Some("[other]\naws_access_key_id = a\naws_secret_access_key = b\n".to_owned());
    let proxy = setup.start_unready();
    proxy.metric_reaches("s3proxy_credential_loads_total{result=\"error\"}", 1.0).await;
    let reply = proxy.client("admin").await.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "ServiceUnavailable"));
    let missing = proxy.readiness(503).await;
    assert!(missing.text().contains("credentials"), "{}", missing.text());
    assert_eq!(upstream.connections(), 0);
}
