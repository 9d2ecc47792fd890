//! What goes to S3: exactly the permitted headers, one canonical address, signed by the proxy alone. The cases are
//! `tests/data/requests.txt`.

use crate::harness::table::{Call, rows};
use crate::harness::{
    Proxy, Seen, Setup, Step, TRUSTED, Upstream, access, answer, collect, head, request, verify,
};

const TOKEN: &str = "the-proxys-own-token";

struct Case {
    name: String,
    account: String,
    call: Call,
    expected: Call,
}

fn cases() -> Vec<Case> {
    let parse = |row: Vec<String>| {
        let arrow = row.iter().position(|field| field.starts_with("=> ")).unwrap();
        let mut expected = row[arrow..].to_vec();
        expected[0].replace_range(.."=> ".len(), "");
        Case {
            name: row[0].clone(),
            account: row[1].clone(),
            call: Call::parse(&row[2..arrow]),
            expected: Call::parse(&expected),
        }
    };
    rows(include_str!("../data/requests.txt")).map(parse).collect()
}

/// Compares what arrived with the table, and the signature with one of our own.
fn check(case: &Case, host: &str, seen: &Seen) -> Result<(), String> {
    verify(seen);
    let wanted = &case.expected;
    let line = format!("{} {} HTTP/1.1", wanted.method, wanted.target);
    if seen.request_line() != line {
        return Err(format!("{} instead of {line}", seen.request_line()));
    }
    let mut left = seen.headers();
    let mut take = |name: &str| {
        let at = left.iter().position(|(other, _)| other == name)?;
        Some(left.remove(at).1)
    };
    for own in ["authorization", "x-amz-date"] {
        take(own).ok_or(format!("{own} is missing"))?;
    }
    let mut want = vec![("x-amz-security-token", TOKEN)];
    let pairs = wanted.headers.iter().map(|line| line.split_once(':').unwrap());
    want.extend(pairs.map(|(name, value)| (name, value.trim())));
    if !want.iter().any(|(name, _)| *name == "x-amz-content-sha256") {
        want.push(("x-amz-content-sha256", "UNSIGNED-PAYLOAD"));
    }
    for (name, value) in want {
        let (value, got) = (value.replace("{host}", host), take(name));
        if got.as_ref() != Some(&value) {
            return Err(format!("{name} is {got:?} instead of {value:?}"));
        }
    }
    if !left.is_empty() {
        return Err(format!("these are too many: {left:?}"));
    }
    if seen.body != wanted.body || !seen.whole {
        return Err(format!("the body is {:?}", String::from_utf8_lossy(&seen.body)));
    }
    Ok(())
}

async fn over_http1(proxy: &Proxy, case: &Case) -> u16 {
    let call = &case.call;
    let mut wire = proxy.client(&case.account).await;
    wire.send(request(&call.method, &call.target, &call.headers(), &call.body)).await;
    wire.answer(&call.method).await.status
}

async fn over_http2(proxy: &Proxy, case: &Case) -> u16 {
    let call = &case.call;
    let mut client = proxy.http2(&case.account).await;
    let response = client.begin(&call.method, &call.target, &call.headers(), &call.body).await.unwrap();
    let status = response.status().as_u16();
    collect(response).await.unwrap();
    status
}

#[tokio::test]
async fn s3_gets_what_is_permitted_and_nothing_else() {
    let upstream = Upstream::scripted(|seen| match seen.request_line() {
        "GET / HTTP/1.1" => listing(&["reports"]),
        _ => answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).session_token(TOKEN).start().await;
    let host = upstream.address.to_string();
    let mut wrong = Vec::new();
    for case in cases() {
        let mut note = |version: &str, arrived: usize, status: u16| {
            let seen = upstream.seen();
            let result = match &seen[arrived..] {
                [seen] if status == 200 => check(&case, &host, seen),
                arrived => Err(format!("{status}, and {} requests arrived", arrived.len())),
            };
            wrong.extend(result.err().map(|why| format!("{} over {version}: {why}", case.name)));
        };
        let before = upstream.seen().len();
        note("HTTP/1.1", before, over_http1(&proxy, &case).await);
        if case.call.fits_http2() {
            let before = upstream.seen().len();
            note("HTTP/2", before, over_http2(&proxy, &case).await);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn the_bucket_stands_in_the_host_where_that_is_wanted() {
    let upstream = Upstream::start().await;
    // A bucket may be called `127`; in front of this endpoint its name makes an address of the loopback interface.
    let endpoint = format!("http://0.0.1:{}", upstream.address.port());
    let proxy = Setup { addressing: "virtual", ..Setup::new(endpoint) }.start().await;
    let mut wire = proxy.client("admin").await;
    for (target, host) in [("/127/a%20b", "localhost"), ("/a%20b", "127.s3.internal")] {
        let reply = wire.ask("GET", target, &[&format!("Host: {host}")], b"").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let seen = upstream.last();
        verify(&seen);
        assert_eq!(seen.target(), "/a%20b");
        assert_eq!(seen.header("host"), Some(upstream.address.to_string()));
    }
    assert_eq!(wire.ask("GET", "/127?list-type=2", &[], b"").await.status, 200);
    assert_eq!(upstream.last().target(), "/?list-type=2");
}

#[tokio::test]
async fn without_a_token_of_its_own_the_proxy_sends_none() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("reader").await;
    let token = ["X-Amz-Security-Token: the-clients"];
    assert_eq!(wire.ask("GET", "/reports/daily/x", &token, b"").await.status, 200);
    assert_eq!(upstream.only().header("x-amz-security-token"), None);
    verify(&upstream.only());
}

fn listing(buckets: &[&str]) -> Vec<Step> {
    let buckets: Vec<_> =
        buckets.iter().map(|name| format!("<Bucket><Name>{name}</Name></Bucket>")).collect();
    let xml = format!(
        "<ListAllMyBucketsResult><Owner><ID>o</ID></Owner><Buckets>{}</Buckets></ListAllMyBucketsResult>",
        buckets.concat()
    );
    answer(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{xml}",
        xml.len()
    ))
}

#[tokio::test]
async fn the_list_of_buckets_shows_what_the_client_may_know_of() {
    let upstream = Upstream::scripted(|_| listing(&["reports", "other", "Legacy_Name"])).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let reply = proxy.client("lister").await.ask("GET", "/", &[], b"").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.text(),
        "<ListAllMyBucketsResult><Owner><ID>o</ID></Owner><Buckets><Bucket><Name>reports</Name></Bucket></Buckets>\
         </ListAllMyBucketsResult>"
    );
    assert_eq!(reply.header("content-length"), Some(reply.text().len().to_string().as_str()));
    // Who may not list at all does not learn by asking for one.
    assert_eq!(proxy.client("reader").await.ask("GET", "/?prefix=reports", &[], b"").await.status, 403);

    let upstream = Upstream::scripted(|_| answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<a/>")).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let reply = proxy.client("lister").await.ask("GET", "/", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (500, "InternalError"));
}

#[tokio::test]
async fn what_a_guardrail_adds_is_signed_and_asks_for_no_grant() {
    let upstream = Upstream::start().await;
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234";
    let mut setup = Setup::new(upstream.endpoint());
    setup.more = format!(
        "guardrails:\n  encryption: {{ require: \"aws:kms\", key: \"{key}\", add_if_missing: true }}\n  \
         object_lock: {{ require_mode: COMPLIANCE, min_days: 30, add_if_missing: true }}\n"
    );
    let proxy = setup.start().await;
    let mut wire = proxy.client("writer").await;
    // The hash is of the body alone, and stays right.
    let hash = ["x-amz-content-sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"];
    assert_eq!(wire.ask("PUT", "/reports/daily/x", &hash, b"hello").await.status, 200);
    let seen = upstream.last();
    verify(&seen);
    assert_eq!(seen.header("x-amz-server-side-encryption").as_deref(), Some("aws:kms"));
    assert_eq!(seen.header("x-amz-server-side-encryption-aws-kms-key-id").as_deref(), Some(key));
    assert_eq!(seen.header("x-amz-object-lock-mode").as_deref(), Some("COMPLIANCE"));
    assert!(seen.header("x-amz-object-lock-retain-until-date").is_some_and(|date| date.ends_with('Z')));
    assert_eq!(seen.body, b"hello");

    let other = ["x-amz-server-side-encryption: AES256"];
    let reply = proxy.client("writer").await.ask("PUT", "/reports/daily/x", &other, b"hello").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (403, "AccessDenied"));
    assert!(reply.text().contains("guardrail encryption"), "{}", reply.text());
    // Who states a retention needs the action for it.
    let stated =
        ["x-amz-object-lock-mode: COMPLIANCE", "x-amz-object-lock-retain-until-date: 2099-01-01T00:00:00Z"];
    let reply = proxy.client("writer").await.ask("PUT", "/reports/daily/x", &stated, b"hello").await;
    assert!(reply.text().contains("s3:PutObjectRetention"), "{}", reply.text());
    let line = proxy.log.exactly(3).await.remove(1);
    assert_eq!(access(&line, "grant"), "guardrail:encryption");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn what_is_said_twice_is_refused() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    for lines in [
        ["Range: bytes=0-1", "Range: bytes=5-6"],
        [
            "x-amz-content-sha256: UNSIGNED-PAYLOAD",
            "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        ],
    ] {
        let reply = wire.ask("GET", "/reports/daily/x", &lines, b"").await;
        assert_eq!((reply.status, reply.error_code().as_str()), (400, "InvalidArgument"), "{lines:?}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_target_has_no_fragment() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    for target in ["/reports/daily/x#?versionId=1", "/reports/daily/x?versionId=1#", "/reports/a#b"] {
        let reply = wire.ask("DELETE", target, &[], b"").await;
        assert_eq!((reply.status, reply.error_code().as_str()), (400, "InvalidURI"), "{target}");
        assert_eq!(wire.ask("DELETE", "/reports/a%23b", &["If-Match: #"], b"#").await.status, 400);
        wire = proxy.client("admin").await;
        assert_eq!(wire.ask("DELETE", "/reports/a%23b", &["If-Match: #"], b"").await.status, 200);
    }
    assert_eq!(upstream.seen().len(), 3);
    // Behind a request that is still being answered, too.
    let mut wire = proxy.client("admin").await;
    let get = head("GET", "/reports/daily/x", &[]);
    wire.send([get, head("DELETE", "/reports/daily/x#?versionId=1", &[])].concat()).await;
    assert_eq!(wire.answer("GET").await.status, 200);
    assert_eq!(wire.answer("DELETE").await.error_code(), "InvalidURI");
    assert_eq!(upstream.seen().len(), 4);
    // Over HTTP/2 the proxy does not get to see it: what stands behind it is lost.
    let mut client = proxy.frames(&TRUSTED.client("admin")).await;
    let stream = client.get("/reports/daily/x#?versionId=1").await.unwrap();
    client.body(stream).await.unwrap();
    assert_eq!(upstream.last().target(), "/reports/daily/x");
}

#[tokio::test]
async fn paging_tells_nothing_of_other_buckets() {
    let upstream = Upstream::scripted(|_| listing(&["reports", "reports-secret"])).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for query in ["prefix=reports-s&max-buckets=1", "max-buckets=1&continuation-token=t&prefix=re"] {
        let reply = proxy.client("lister").await.ask("GET", &format!("/?{query}"), &[], b"").await;
        assert_eq!(reply.text().contains("<Name>reports</Name>"), query.ends_with("prefix=re"), "{query}");
        assert!(!reply.text().contains("secret"), "{}", reply.text());
        assert_eq!(upstream.last().target(), "/");
    }
}

#[tokio::test]
async fn an_object_tells_of_its_lock_and_tags_only_whom_a_grant_lets_ask() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-amz-object-lock-mode: COMPLIANCE\r\n\
        x-amz-object-lock-legal-hold: ON\r\nx-amz-tagging-count: 2\r\nx-amz-meta-a: b\r\n\r\n";
    let upstream = Upstream::scripted(|_| answer(HEAD)).await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    for (account, told) in [("reader", false), ("admin", true)] {
        for method in ["GET", "HEAD"] {
            let mut wire = proxy.client(account).await;
            wire.send(request(method, "/reports/daily/x", &[], b"")).await;
            let reply = wire.answer(method).await;
            assert_eq!(reply.header("x-amz-meta-a"), Some("b"));
            for name in ["x-amz-object-lock-mode", "x-amz-object-lock-legal-hold", "x-amz-tagging-count"] {
                assert_eq!(reply.header(name).is_some(), told, "{name} for {account}");
            }
        }
    }
}
