//! Where the proxy's own credentials come from, and how long it lives on them.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::harness::{
    Asked, FakeAgent, FakeSts, HOUR, KEY_ID, Proxy, SECRET, Says, Seen, Setup, Upstream, answer, eventually,
    plain_get, pod_credentials,
};

const TOKEN: &str = "eyJhbGciOi.the-projected-token.c2lnbmF0dXJl";

/// A proxy that exchanges the token in its folder at an STS.
pub(crate) fn irsa(upstream: &Upstream, sts: &FakeSts, more: &str) -> Setup {
    let setup = Setup::new(upstream.endpoint()).source(&format!(
        "source: web_identity, role_arn: 'arn:aws:iam::123456789012:role/s3-proxy', token_file: '{{folder}}/token', \
         sts_endpoint: '{}', allow_plaintext: true{more}",
        sts.endpoint()
    ));
    std::fs::write(setup.folder.path().join("token"), TOKEN).unwrap();
    setup
}

fn pod(upstream: &Upstream, agent: &FakeAgent, more: &str) -> Setup {
    let setup = Setup::new(upstream.endpoint()).source(&format!(
        "source: pod_identity, agent_uri: '{}', token_file: '{{folder}}/token'{more}",
        agent.uri()
    ));
    std::fs::write(setup.folder.path().join("token"), TOKEN).unwrap();
    setup
}

pub(crate) async fn status(proxy: &Proxy, account: &str) -> u16 {
    proxy.client(account).await.ask("GET", "/reports/daily/x", &[], b"").await.status
}

async fn failed(proxy: &Proxy, result: &str) {
    proxy.metric_reaches(&format!("s3proxy_credential_loads_total{{result=\"{result}\"}}"), 1.0).await;
}

fn key_id(seen: &Seen) -> String {
    let authorization = seen.header("authorization").unwrap();
    authorization.split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_projected_token_is_exchanged_for_the_role() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let proxy = irsa(&upstream, &sts, ", session_name: my-proxy").start().await;
    let asked = sts.asked();
    assert_eq!(asked.len(), 1, "once is enough: {asked:?}");
    let expected = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", "arn:aws:iam::123456789012:role/s3-proxy"),
        ("RoleSessionName", "my-proxy"),
        ("WebIdentityToken", TOKEN),
    ];
    for (field, value) in expected {
        assert_eq!(asked[0].field(field), value);
    }
    assert_eq!(asked[0].form.len(), expected.len(), "and nothing else: {:?}", asked[0].form);
    assert_eq!(asked[0].authorization, None, "the token alone authenticates");
    assert_eq!(status(&proxy, "admin").await, 200);
    let seen = upstream.only();
    assert_eq!(seen.header("x-amz-security-token").as_deref(), Some("session/my-proxy/1"));
    assert_eq!(key_id(&seen), "ASIA1");
    assert!(proxy.metric("s3proxy_credentials_expiry_timestamp_seconds").await > 0.0);
}

#[tokio::test]
async fn a_token_that_the_kubelet_replaces_is_read_at_each_refresh() {
    let (upstream, sts) =
        (Upstream::start().await, FakeSts::scripted(|_| Says::Session(Duration::from_secs(3))));
    let setup = irsa(&upstream, &sts, "");
    let path = |name: &str| setup.folder.path().join(name);
    std::fs::remove_file(path("token")).unwrap();
    for (version, token) in [("..v1", "token-one"), ("..v2", "token-two")] {
        std::fs::create_dir(path(version)).unwrap();
        std::fs::write(path(version).join("token"), token).unwrap();
    }
    std::os::unix::fs::symlink("..v1", path("..data")).unwrap();
    std::os::unix::fs::symlink("..data/token", path("token")).unwrap();
    let proxy = setup.start().await;
    assert_eq!(sts.asked()[0].field("WebIdentityToken"), "token-one");
    let folder = proxy.setup.folder.path();
    std::os::unix::fs::symlink("..v2", folder.join("..tmp")).unwrap();
    std::fs::rename(folder.join("..tmp"), folder.join("..data")).unwrap();
    eventually("the new token", async || {
        sts.asked().iter().any(|asked| asked.field("WebIdentityToken") == "token-two").then_some(())
    })
    .await;
    assert_eq!(status(&proxy, "admin").await, 200);
}

#[tokio::test]
async fn without_sts_at_the_start_it_is_not_ready_and_nothing_is_sent() {
    let (upstream, mut sts) = (Upstream::start().await, FakeSts::start());
    sts.goes_down();
    let proxy = irsa(&upstream, &sts, "").start_unready();
    failed(&proxy, "unreachable").await;
    let reply = proxy.readiness(503).await;
    assert!(reply.text().contains("credentials"), "{}", reply.text());
    let reply = proxy.client("admin").await.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "ServiceUnavailable"));
    assert!(upstream.seen().is_empty());
    sts.comes_up().await;
    proxy.readiness(200).await;
    assert_eq!(status(&proxy, "admin").await, 200);
}

#[tokio::test]
async fn without_sts_at_a_refresh_the_last_good_ones_serve_until_they_expire() {
    let (upstream, mut sts) =
        (Upstream::start().await, FakeSts::scripted(|_| Says::Session(Duration::from_secs(6))));
    let proxy = irsa(&upstream, &sts, "").start().await;
    sts.goes_down();
    failed(&proxy, "unreachable").await;
    assert_eq!(status(&proxy, "admin").await, 200, "they are still good");
    proxy.readiness(200).await;
    eventually("the expiry", async || (status(&proxy, "admin").await == 503).then_some(())).await;
    proxy.readiness(503).await;
    sts.comes_up().await;
    eventually("new ones", async || (status(&proxy, "admin").await == 200).then_some(())).await;
    proxy.readiness(200).await;
}

#[tokio::test]
async fn answers_that_are_no_credentials_are_told_apart_and_asked_again() {
    let upstream = Upstream::start().await;
    let fails = [
        ("throttled", Says::Error(400, "Throttling", "Rate exceeded".into())),
        ("throttled", Says::Error(503, "RequestLimitExceeded", String::new())),
        ("refused", Says::Error(403, "AccessDenied", "not authorized".into())),
        ("refused", Says::Error(400, "ExpiredTokenException", "Token expired".into())),
        ("garbage", Says::Raw(200, "<not xml")),
        ("garbage", Says::Raw(200, "")),
        ("garbage", Says::Raw(200, "<AssumeRoleWithWebIdentityResponse/>")),
        ("garbage", Says::Raw(502, "<html><body>Bad Gateway</body></html>")),
        ("garbage", Says::Session(Duration::ZERO)),
    ];
    for (result, says) in fails {
        let sts = FakeSts::scripted(move |_| says.clone());
        let proxy = irsa(&upstream, &sts, "").start_unready();
        failed(&proxy, result).await;
        proxy.readiness(503).await;
        sts.becomes(|_| Says::Session(HOUR));
        proxy.readiness(200).await;
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_token_that_is_none_is_not_shown_to_anybody() {
    let (upstream, sts, agent) = (Upstream::start().await, FakeSts::start(), FakeAgent::start());
    for setup in [irsa(&upstream, &sts, ""), pod(&upstream, &agent, "")] {
        let questions = || sts.asked().len() + agent.asked().len();
        let (file, before) = (setup.folder.path().join("token"), questions());
        std::fs::write(&file, " \n").unwrap();
        let proxy = setup.start_unready();
        failed(&proxy, "token").await;
        std::fs::remove_file(&file).unwrap();
        proxy.metric_reaches("s3proxy_credential_loads_total{result=\"token\"}", 2.0).await;
        proxy.readiness(503).await;
        assert_eq!(questions(), before);
        std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
        proxy.readiness(200).await;
    }
    assert_eq!(sts.asked()[0].field("WebIdentityToken"), TOKEN, "without the newline");
}

#[tokio::test]
async fn somebody_elses_credentials_are_not_used() {
    let expected = ", expect_role: 'arn:aws:iam::123456789012:role/s3-*'";
    let upstream = Upstream::start().await;
    for caller in [
        "arn:aws:sts::123456789012:assumed-role/node-role/i-0123456789",
        "arn:aws:sts::999999999999:assumed-role/s3-proxy/s",
        "arn:aws:iam::123456789012:user/s3-proxy",
    ] {
        let sts = FakeSts::scripted(move |asked| match asked.action() {
            "GetCallerIdentity" => Says::Caller(caller),
            _ => Says::Session(HOUR),
        });
        let proxy = irsa(&upstream, &sts, expected).start_unready();
        failed(&proxy, "wrong_role").await;
        proxy.readiness(503).await;
        assert_eq!(status(&proxy, "admin").await, 503);
        assert!(upstream.seen().is_empty());
    }
    let sts = FakeSts::start();
    let proxy = irsa(&upstream, &sts, expected).start().await;
    assert_eq!(status(&proxy, "admin").await, 200);
    let asked = sts.asked();
    assert_eq!(
        asked.iter().map(Asked::action).collect::<Vec<_>>(),
        ["AssumeRoleWithWebIdentity", "GetCallerIdentity"]
    );
    assert_eq!(asked[1].security_token.as_deref(), Some("session/s3-access-proxy/1"));
    assert!(asked[1].authorization.as_ref().unwrap().contains("/us-east-1/sts/aws4_request"));
}

#[tokio::test]
async fn no_request_waits_for_a_slow_refresh() {
    let (upstream, gate) = (Upstream::start().await, std::sync::Arc::new(tokio::sync::Semaphore::new(0)));
    let sts = FakeSts::scripted(|_| Says::Session(Duration::from_secs(10)));
    let proxy = irsa(&upstream, &sts, "").start().await;
    let slow = gate.clone();
    sts.becomes(move |_| Says::Later(slow.clone()));
    eventually("the refresh", async || (sts.asked().len() == 2).then_some(())).await;
    // The refresh hangs, and stays alone.
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(proxy.client("admin").await);
    }
    for wire in &mut clients {
        for _ in 0..25 {
            assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
        }
    }
    assert_eq!(sts.asked().len(), 2, "one load at a time");
    let all = upstream.seen();
    assert_eq!(all.len(), 200);
    assert!(all.iter().all(|seen| key_id(seen) == "ASIA1"), "signed with the last good ones");
    gate.add_permits(1);
    eventually("the new credentials", async || {
        status(&proxy, "admin").await;
        (key_id(&upstream.last()) == "ASIA2").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_agent_gets_the_token_and_gives_the_pods_credentials() {
    let (upstream, agent) = (Upstream::start().await, FakeAgent::start());
    let proxy = pod(&upstream, &agent, "").start().await;
    assert_eq!(agent.asked(), [("/v1/credentials".to_owned(), TOKEN.to_owned())]);
    assert_eq!(status(&proxy, "admin").await, 200);
    let seen = upstream.only();
    assert_eq!(seen.header("x-amz-security-token").as_deref(), Some("pod-session-token"));
    assert_eq!(key_id(&seen), KEY_ID);
    crate::harness::verify(&seen);
}

#[tokio::test]
async fn the_agents_token_is_read_at_each_refresh() {
    let (upstream, agent) = (Upstream::start().await, FakeAgent::start());
    agent.becomes(|_| (200, pod_credentials(Duration::from_secs(3))));
    let proxy = pod(&upstream, &agent, "").start().await;
    std::fs::write(proxy.setup.folder.path().join("token"), "another").unwrap();
    eventually("the new token", async || {
        agent.asked().iter().any(|(_, token)| token == "another").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_fails_is_asked_again() {
    let upstream = Upstream::start().await;
    for (result, status, body) in [
        ("refused", 403, format!("AccessDeniedException for {TOKEN}")),
        ("refused", 500, String::new()),
        ("garbage", 200, String::new()),
        ("garbage", 200, "{\"AccessKeyId\": \"A\"}".to_owned()),
        ("garbage", 200, pod_credentials(HOUR).replace("20", "never")),
        ("garbage", 200, format!("\"{}\"", "x".repeat(100_000))),
    ] {
        let agent = FakeAgent::start();
        agent.becomes(move |_| (status, body.clone()));
        let proxy = pod(&upstream, &agent, "").start_unready();
        failed(&proxy, result).await;
        proxy.readiness(503).await;
        agent.becomes(|_| (200, pod_credentials(HOUR)));
        proxy.readiness(200).await;
    }
}

#[tokio::test]
async fn a_file_of_keys_is_watched() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    assert_eq!(status(&proxy, "admin").await, 200);
    assert_eq!(key_id(&upstream.last()), KEY_ID);
    let file = proxy.setup.folder.path().join("credentials");
    std::fs::write(&file, "[default]\naws_access_key_id = ROTATED\naws_secret_access_key = s\n").unwrap();
    eventually("the new keys", async || {
        status(&proxy, "admin").await;
        (key_id(&upstream.last()) == "ROTATED").then_some(())
    })
    .await;
    // Half a file is no reason to give up what there is.
    std::fs::write(&file, "[default]\naws_access_key_id = HALF\n").unwrap();
    failed(&proxy, "error").await;
    assert_eq!(status(&proxy, "admin").await, 200);
    assert_eq!(key_id(&upstream.last()), "ROTATED");
}

/// Seconds between the time in a signature and now.
fn signed_ahead(seen: &Seen) -> i64 {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = time::PrimitiveDateTime::parse(&seen.header("x-amz-date").unwrap(), format).unwrap();
    (date.assume_utc() - OffsetDateTime::now_utc()).whole_seconds()
}

#[tokio::test]
async fn a_clock_that_differs_from_stss_is_corrected_for_signatures() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    sts.is_ahead(7200);
    let proxy = irsa(&upstream, &sts, "").start().await;
    assert_eq!(status(&proxy, "admin").await, 200);
    let ahead = signed_ahead(&upstream.last());
    assert!((7190..7210).contains(&ahead), "{ahead}");
    let skew = proxy.metric("s3proxy_clock_skew_seconds").await;
    assert!((7190.0..7210.0).contains(&skew), "{skew}");
}

#[tokio::test]
async fn a_clock_that_differs_from_s3s_is_corrected_with_the_first_answer() {
    let upstream = Upstream::scripted(|_| {
        let format = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let date = (OffsetDateTime::now_utc() - time::Duration::minutes(40)).format(format).unwrap();
        let xml = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
        answer(format!(
            "HTTP/1.1 403 Forbidden\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n{xml}",
            xml.len()
        ))
    })
    .await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    assert_eq!(status(&proxy, "admin").await, 503);
    assert!(signed_ahead(&upstream.last()).abs() < 30);
    assert_eq!(status(&proxy, "admin").await, 503);
    let ahead = signed_ahead(&upstream.last());
    assert!((-2410..-2390).contains(&ahead), "{ahead}");
}

#[test]
fn a_system_that_trusts_nobody_is_an_error_and_not_a_panic() {
    let setup = Setup::new("http://127.0.0.1:1").source(
        "source: web_identity, role_arn: 'arn:aws:iam::123456789012:role/r', token_file: '{folder}/token'",
    );
    std::fs::write(setup.folder.path().join("token"), TOKEN).unwrap();
    let (file, stderr) = (setup.write(), setup.folder.path().join("stderr"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_proxy"))
        .args(["run", "--config", file.to_str().unwrap()])
        .env_clear()
        .envs([("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nonexistent")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(eventually("the error in the log", async || {
        std::fs::read_to_string(&stderr).unwrap().contains("no trusted root certificates").then_some(())
    }));
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The real program, because what it logs is the question.
#[tokio::test]
async fn nothing_secret_is_logged_and_no_other_source_is_tried() {
    let upstream = Upstream::start().await;
    let echo = |asked: &Asked| {
        let token = asked.field("WebIdentityToken").to_owned();
        Says::Error(400, "InvalidIdentityToken", format!("No OpenIDConnect provider for {token}"))
    };
    let sts = FakeSts::scripted(echo);
    let setup =
        irsa(&upstream, &sts, ", sessions: per_identity, expect_role: 'arn:aws:iam::*:role/s3-proxy'");
    let (file, stderr) = (setup.write(), setup.folder.path().join("stderr"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_proxy"))
        .args(["run", "--verbose", "--config", file.to_str().unwrap()])
        .env_clear()
        // What would be found if one source led to the next.
        .envs([("AWS_ACCESS_KEY_ID", "AKIAOTHER"), ("AWS_SECRET_ACCESS_KEY", "other"), ("RUST_LOG", "trace")])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(setup.folder.path().join("stdout")).unwrap())
        .stderr(std::fs::File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let log = || std::fs::read_to_string(&stderr).unwrap();
    let address = async |name: &str| {
        eventually("the address", async || {
            let line = log().lines().find(|line| line.contains("\"listening\""))?.to_owned();
            let line: Value = serde_json::from_str(&line).unwrap();
            Some(line[name].as_str().unwrap().parse::<std::net::SocketAddr>().unwrap())
        })
        .await
    };
    let (listen, admin) = (address("listen").await, address("admin").await);
    eventually("a failed load", async || log().contains("InvalidIdentityToken").then_some(())).await;
    assert_eq!(plain_get(admin, "/readyz").await.status, 503, "the keys in the environment are not used");

    sts.becomes(|_| Says::Session(HOUR));
    eventually("a good load", async || (plain_get(admin, "/readyz").await.status == 200).then_some(())).await;
    let client = crate::harness::tls(Some(&crate::harness::TRUSTED.client("admin")), "http/1.1");
    let mut wire = crate::harness::Wire::new(crate::harness::connect(listen, client).await.unwrap());
    sts.becomes(echo);
    let mut refused = crate::harness::Wire::new(
        crate::harness::connect(
            listen,
            crate::harness::tls(Some(&crate::harness::TRUSTED.client("reader")), "http/1.1"),
        )
        .await
        .unwrap(),
    );
    refused.send(crate::harness::request("GET", "/reports/daily/x", &[], b"")).await;
    eventually("a failed session", async || log().contains("session of an identity").then_some(())).await;
    sts.becomes(|_| Says::Session(HOUR));
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    let session = upstream.last().header("x-amz-security-token").unwrap();
    assert!(session.starts_with("session/reports,admin@cluster.local/"), "{session}");
    child.kill().unwrap();
    child.wait().unwrap();

    let output = log() + &std::fs::read_to_string(setup.folder.path().join("stdout")).unwrap();
    assert!(output.contains("[token]") && output.contains("ASIA"), "{output}");
    for secret in [TOKEN, SECRET, "session/", "AWS4-HMAC", "AKIAOTHER"] {
        assert!(!output.contains(secret), "{secret} in {output}");
    }
}
