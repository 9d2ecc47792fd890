//! One STS session for each client identity, confined to its grants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use s3_access_proxy::config::Config;
use s3_access_proxy::credentials::{Keyring, Unsignable};
use s3_access_proxy::identity::ClientIdentity;
use s3_access_proxy::process::Readiness;
use s3_access_proxy::s3::{Classified, Domains, classify};
use s3_access_proxy::telemetry::Metrics;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::credentials::{irsa, status};
use crate::harness::{
    Asked, FakeAgent, FakeSts, HOUR, KEY_ID, Proxy, Says, Setup, Upstream, eventually, within,
};

const PER_IDENTITY: &str = ", sessions: per_identity";
const ADMIN: &str = "reports,admin@cluster.local";
const READER: &str = "reports,reader@cluster.local";

/// Loads for the proxy itself.
fn own(asked: &Asked) -> bool {
    matches!(asked.field("RoleSessionName"), "" | "s3-access-proxy")
}

async fn proxy(upstream: &Upstream, sts: &FakeSts) -> Proxy {
    irsa(upstream, sts, PER_IDENTITY).start().await
}

async fn load_reaches(proxy: &Proxy, result: &str, count: f64) {
    proxy.metric_reaches(&format!("s3proxy_session_loads_total{{result=\"{result}\"}}"), count).await;
}

fn token(upstream: &Upstream) -> String {
    upstream.last().header("x-amz-security-token").unwrap()
}

#[tokio::test]
async fn each_identity_signs_with_a_session_of_its_own() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let proxy = proxy(&upstream, &sts).await;
    for (account, name, number) in [("reader", READER, 2), ("admin", ADMIN, 3), ("reader", READER, 2)] {
        assert_eq!(status(&proxy, account).await, 200);
        assert_eq!(token(&upstream), format!("session/{name}/{number}"));
    }
    let asked = sts.about(READER);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].action(), "AssumeRoleWithWebIdentity");
    assert_eq!(asked[0].field("RoleArn"), "arn:aws:iam::123456789012:role/s3-proxy");
    assert_eq!(asked[0].form.len(), 6, "{:?}", asked[0].form);
    let policy: Value = serde_json::from_str(asked[0].field("Policy")).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    assert!(
        statements
            .iter()
            .any(|s| s["Action"] == "s3:GetObject" && s["Resource"] == "arn:aws:s3:::reports/daily/*")
    );
    assert!(statements.iter().any(|s| s["Condition"]["StringLike"]["s3:prefix"] == "daily/*"), "{policy}");
    assert!(sts.about(ADMIN)[0].field("Policy").contains("\"s3:*\""));
    assert!((proxy.metric("s3proxy_sessions").await - 2.0).abs() < 0.1);
    load_reaches(&proxy, "ok", 2.0).await;
    // Who may not do it at all costs no session.
    assert_eq!(status(&proxy, "nobody").await, 403);
    assert_eq!(sts.asked().len(), 3);
}

#[tokio::test]
async fn many_requests_of_one_identity_load_one_session() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let proxy = proxy(&upstream, &sts).await;
    let gate = Arc::new(Semaphore::new(0));
    let slow = gate.clone();
    sts.becomes(move |_| Says::Later(slow.clone()));
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut wire = proxy.client("reader").await;
        clients.push(tokio::spawn(async move { wire.ask("GET", "/reports/daily/x", &[], b"").await.status }));
    }
    proxy.metric_reaches("s3proxy_requests_in_flight", 20.0).await;
    gate.add_permits(1);
    for client in clients {
        assert_eq!(within("an answer", client).await.unwrap(), 200);
    }
    assert_eq!(sts.about(READER).len(), 1);
}

#[tokio::test]
async fn sessions_in_use_are_renewed_without_a_request_waiting_and_others_are_not() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let proxy = proxy(&upstream, &sts).await;
    sts.becomes(|_| Says::Session(Duration::from_secs(5)));
    assert_eq!((status(&proxy, "reader").await, status(&proxy, "admin").await), (200, 200));
    let gate = Arc::new(Semaphore::new(0));
    let slow = gate.clone();
    sts.becomes(move |_| Says::Later(slow.clone()));
    let mut wire = proxy.client("reader").await;
    let until = Instant::now() + Duration::from_secs(4);
    let mut slowest = Duration::ZERO;
    while Instant::now() < until {
        let asked = Instant::now();
        assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(sts.about(READER).len(), 2, "renewed before expiry, once");
    assert!(slowest < Duration::from_secs(1), "a request waited: {slowest:?}");
    gate.add_permits(100);
    eventually("the new session", async || {
        wire.ask("GET", "/reports/daily/x", &[], b"").await;
        (token(&upstream) != format!("session/{READER}/2")).then_some(())
    })
    .await;
    eventually("the end of the session that nobody uses", async || {
        (proxy.metric("s3proxy_sessions").await < 1.5).then_some(())
    })
    .await;
    assert_eq!(sts.about(ADMIN).len(), 1);
    // It is made again when it is needed again.
    assert_eq!(status(&proxy, "admin").await, 200);
    assert_eq!(sts.about(ADMIN).len(), 2);
}

#[tokio::test]
async fn sessions_outlive_sts_until_they_expire() {
    let (upstream, mut sts) = (Upstream::start().await, FakeSts::start());
    let proxy = proxy(&upstream, &sts).await;
    sts.becomes(|_| Says::Session(Duration::from_secs(6)));
    assert_eq!(status(&proxy, "reader").await, 200);
    sts.goes_down();
    let mut wire = proxy.client("reader").await;
    let mut ask = async || wire.ask("GET", "/reports/daily/x", &[], b"").await.status;
    eventually("a failed renewal", async || {
        assert_eq!(ask().await, 200);
        (proxy.metric("s3proxy_session_loads_total{result=\"unreachable\"}").await >= 1.0).then_some(())
    })
    .await;
    eventually("the expiry", async || (ask().await == 503).then_some(())).await;
    sts.comes_up().await;
    eventually("another session", async || (ask().await == 200).then_some(())).await;
}

#[tokio::test]
async fn the_one_that_rested_longest_makes_room() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let proxy = irsa(&upstream, &sts, ", sessions: per_identity, max_sessions: 2").start().await;
    for account in ["admin", "reader", "admin", "writer"] {
        assert_eq!(status(&proxy, account).await, 200);
    }
    assert!((proxy.metric("s3proxy_sessions").await - 2.0).abs() < 0.1);
    assert_eq!(status(&proxy, "admin").await, 200);
    assert_eq!((sts.about(ADMIN).len(), sts.about(READER).len()), (1, 1));
    assert_eq!(status(&proxy, "reader").await, 200);
    assert_eq!(sts.about(READER).len(), 2, "it had gone");
}

/// Twelve prefixes, which can be said in full or by what they have in common.
const MANY_PREFIXES: &str = r#"
  - name: many
    identities: ["spiffe://cluster.local/ns/reports/sa/reader"]
    buckets: [reports]
    prefixes: [daily/a/, daily/b/, daily/c/, daily/d/, daily/x]
    actions: [s3:GetObject]
"#;

#[tokio::test]
async fn a_policy_that_sts_finds_too_large_is_widened_once_and_safely() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let mut setup = irsa(&upstream, &sts, PER_IDENTITY);
    setup.grants = MANY_PREFIXES.into();
    let proxy = setup.start().await;
    for code in ["PackedPolicyTooLarge", "MalformedPolicyDocument"] {
        sts.becomes(move |asked| {
            let narrow = asked.field("Policy").contains("daily/a/");
            if narrow {
                Says::Error(400, code, "Packed policy consumes 121% of allotted space".into())
            } else {
                Says::Session(Duration::from_secs(2))
            }
        });
        eventually("a wider policy", async || (status(&proxy, "reader").await == 200).then_some(())).await;
        let asked = sts.about(READER);
        let last = asked.last().unwrap().field("Policy").to_owned();
        assert!(last.contains("arn:aws:s3:::reports/daily/*") && !last.contains("s3:*"), "{last}");
    }
    // Whatever is said about the widest is the end of it.
    let before = sts.about(READER).len();
    sts.becomes(|_| Says::Error(400, "PackedPolicyTooLarge", "Packed policy".into()));
    eventually("the error", async || (status(&proxy, "reader").await == 503).then_some(())).await;
    load_reaches(&proxy, "policy_too_large", 1.0).await;
    assert!(sts.about(READER).len() > before);
}

#[tokio::test]
async fn grants_that_fit_in_no_policy_are_an_error_and_not_silence() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let mut setup = irsa(&upstream, &sts, PER_IDENTITY);
    let buckets =
        |half: &str| (0..25).map(|i| format!("a-bucket-with-a-long-name-{half}-{i}")).collect::<Vec<_>>();
    // Each pattern's grants would fit; this client has both.
    setup.grants = format!(
        r#"
  - {{ name: one, identities: ["spiffe://cluster.local/ns/reports/sa/*"], buckets: [reports, {}], actions: ["s3:GetObject"] }}
  - {{ name: two, identities: ["spiffe://cluster.local/ns/*/sa/reader"], buckets: [{}], actions: ["s3:GetObject"] }}
"#,
        buckets("a").join(", "),
        buckets("b").join(", ")
    );
    let proxy = setup.start().await;
    let asked = Instant::now();
    let reply = proxy.client("reader").await.ask("GET", "/reports/daily/x", &[], b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "ServiceUnavailable"));
    assert!(reply.text().contains("Ask the administrator"), "{}", reply.text());
    assert!(asked.elapsed() < Duration::from_secs(5), "nobody waits for what cannot be");
    load_reaches(&proxy, "policy_too_large", 1.0).await;
    assert!(sts.about(READER).is_empty() && upstream.seen().is_empty());
    assert_eq!(status(&proxy, "other").await, 200, "whoever has fewer grants is served");
}

#[tokio::test]
async fn an_identity_that_sts_refuses_does_not_concern_others() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let proxy = proxy(&upstream, &sts).await;
    sts.becomes(|asked| match asked.field("RoleSessionName") {
        READER => {
            Says::Error(403, "AccessDenied", "not authorized to perform sts:AssumeRoleWithWebIdentity".into())
        }
        _ => Says::Session(HOUR),
    });
    let asked = Instant::now();
    assert_eq!((status(&proxy, "reader").await, status(&proxy, "admin").await), (503, 200));
    assert!(asked.elapsed() < Duration::from_secs(5));
    load_reaches(&proxy, "refused", 1.0).await;
    sts.becomes(|_| Says::Session(HOUR));
    eventually("the end of the refusal", async || (status(&proxy, "reader").await == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn a_throttled_first_session_is_waited_for() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let proxy = proxy(&upstream, &sts).await;
    sts.becomes(|_| Says::Error(400, "Throttling", "Rate exceeded".into()));
    let mut wire = proxy.client("reader").await;
    let asking = tokio::spawn(async move { wire.ask("GET", "/reports/daily/x", &[], b"").await.status });
    load_reaches(&proxy, "throttled", 1.0).await;
    sts.becomes(|_| Says::Session(HOUR));
    assert_eq!(within("an answer", asking).await.unwrap(), 200);
    assert!(proxy.metric("s3proxy_session_loads_total{result=\"throttled\"}").await < 4.0, "with pauses");
}

const TWO_ROLES: &str = r#"
  - { name: base, identities: ["spiffe://cluster.local/ns/reports/sa/*"], buckets: [reports], actions: ["s3:*"] }
  - name: other
    identities: ["spiffe://cluster.local/ns/reports/sa/*"]
    buckets: [archive]
    actions: ["s3:*"]
    role_arn: arn:aws:iam::123456789012:role/archive
"#;

#[tokio::test]
async fn a_grant_may_act_as_a_role_of_its_own() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let mut setup = irsa(&upstream, &sts, PER_IDENTITY);
    setup.grants = TWO_ROLES.into();
    let proxy = setup.start().await;
    let mut wire = proxy.client("reader").await;
    for (path, role, mine, others) in
        [("/reports/x", "s3-proxy", "reports", "archive"), ("/archive/x", "archive", "archive", "reports")]
    {
        assert_eq!(wire.ask("GET", path, &[], b"").await.status, 200);
        let asked = sts.about(READER).pop().unwrap();
        assert_eq!(asked.field("RoleArn"), format!("arn:aws:iam::123456789012:role/{role}"));
        assert!(asked.field("Policy").contains(&format!("s3:::{mine}\"")), "{asked:?}");
        assert!(!asked.field("Policy").contains(&format!("s3:::{others}")), "{asked:?}");
    }
    let copy = ["x-amz-copy-source: /archive/x", "content-length: 0"];
    let reply = wire.ask("PUT", "/reports/y", &copy, b"").await;
    assert_eq!((reply.status, reply.error_code().as_str()), (403, "AccessDenied"));
    assert!(reply.text().contains("different roles"), "{}", reply.text());
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn with_pod_identity_the_base_session_assumes_the_role_and_says_for_whom() {
    let (upstream, sts, agent) = (Upstream::start().await, FakeSts::start(), FakeAgent::start());
    let setup = Setup::new(upstream.endpoint()).source(&format!(
        "source: pod_identity, agent_uri: '{}', token_file: '{{folder}}/token', sessions: per_identity, \
         role_arn: 'arn:aws:iam::123456789012:role/s3-proxy', source_identity: true, session_tags: true, \
         sts_endpoint: '{}', allow_plaintext: true",
        agent.uri(),
        sts.endpoint()
    ));
    std::fs::write(setup.folder.path().join("token"), "pod-token").unwrap();
    let proxy = setup.start().await;
    assert_eq!(status(&proxy, "reader").await, 200);
    let asked = sts.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    for (field, value) in [
        ("Action", "AssumeRole"),
        ("RoleArn", "arn:aws:iam::123456789012:role/s3-proxy"),
        ("RoleSessionName", READER),
        ("SourceIdentity", READER),
        ("Tags.member.1.Key", "s3proxy-identity"),
        ("Tags.member.1.Value", "spiffe://cluster.local/ns/reports/sa/reader"),
        ("Tags.member.2.Key", "s3proxy-namespace"),
        ("Tags.member.2.Value", "reports"),
        ("Tags.member.3.Key", "s3proxy-service-account"),
        ("Tags.member.3.Value", "reader"),
    ] {
        assert_eq!(asked[0].field(field), value, "{field}");
    }
    assert!(asked[0].field("Policy").contains("reports/daily/*"));
    assert_eq!(asked[0].security_token.as_deref(), Some("pod-session-token"));
    assert!(asked[0].authorization.as_ref().unwrap().contains(&format!("Credential={KEY_ID}/")));
    assert_eq!(token(&upstream), format!("session/{READER}/1"));
}

#[tokio::test]
async fn other_grants_are_another_session() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let proxy = proxy(&upstream, &sts).await;
    let mut wire = proxy.client("reader").await;
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    let file = proxy.setup.folder.path().join("config.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("actions: [s3:GetObject, s3:ListBucket]", "actions: [\"s3:Get*\"]"))
        .unwrap();
    proxy.reload.send(()).await.unwrap();
    proxy.metric_reaches("s3proxy_reloads_total{result=\"ok\"}", 1.0).await;
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    let policies: BTreeSet<String> = sts.about(READER).iter().map(|a| a.field("Policy").to_owned()).collect();
    assert_eq!(policies.len(), 2);
    assert_eq!(token(&upstream), format!("session/{READER}/3"));
}

/// The keyring alone, without connections: for more identities than certificates could be made for in a test.
struct Alone {
    config: Config,
    keyring: Keyring,
    refresher: AbortHandle,
}

impl Alone {
    async fn start(upstream: &Upstream, sts: &FakeSts, more: &str) -> Self {
        let mut setup = irsa(upstream, sts, &format!("{PER_IDENTITY}{more}"));
        setup.grants = r#"[{ name: own, identities: ["spiffe://td/**"], buckets: [data], prefixes: ["${spiffe_path}/"], actions: ["s3:*"] }]"#.into();
        let config = Config::load(&setup.write(), &[]).unwrap();
        let keyring = Keyring::new(&config, Metrics::new().unwrap());
        let readiness = Readiness::default();
        let refresher =
            tokio::spawn(keyring.clone().keep_fresh(config.clone(), readiness.clone())).abort_handle();
        eventually("the proxy's own credentials", async || {
            (!sts.asked().is_empty() && readiness.missing().is_empty()).then_some(())
        })
        .await;
        // The token is read again for each session.
        std::mem::forget(setup.folder);
        Self { config, keyring, refresher }
    }

    async fn sign(&self, number: usize) -> Result<String, Unsignable> {
        let identity: ClientIdentity = format!("spiffe://td/w{number}").parse().unwrap();
        let request = http::Request::get(format!("/data/w{number}/x")).header("host", "h").body(()).unwrap();
        let Ok(Classified::Whole(asked)) = classify(&mut request.into_parts().0, &Domains::default()) else {
            panic!("not understood");
        };
        let permitted = self.config.policy.entitle(&identity).authorize(asked).unwrap();
        let label = identity.to_string().into();
        let credentials = self.keyring.credentials(&identity, &label, permitted.acting()).await?;
        Ok(credentials.access_key_id().to_owned())
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.refresher.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_identities_at_once_are_no_stampede() {
    const IDENTITIES: usize = 1000;
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let alone = Arc::new(Alone::start(&upstream, &sts, "").await);
    sts.becomes(|_| Says::After(Duration::from_millis(20)));
    let begun = Instant::now();
    let mut signing = JoinSet::new();
    // Each asks three times at once.
    for number in (0..IDENTITIES).flat_map(|number| [number; 3]) {
        let alone = alone.clone();
        signing.spawn(async move { alone.sign(number).await.unwrap() });
    }
    let keys: BTreeSet<String> =
        within("a thousand sessions", signing.join_all()).await.into_iter().collect();
    let took = begun.elapsed();
    assert_eq!(keys.len(), IDENTITIES, "each has its own");
    let asked: Vec<Asked> = sts.asked().into_iter().filter(|asked| !own(asked)).collect();
    let names: BTreeSet<&str> = asked.iter().map(|asked| asked.field("RoleSessionName")).collect();
    assert_eq!((asked.len(), names.len()), (IDENTITIES, IDENTITIES), "one call each");
    assert!((2..=32).contains(&sts.most_at_once()), "{} calls at a time", sts.most_at_once());
    for asked in &asked {
        let name = asked.field("RoleSessionName").split('@').next().unwrap();
        assert!(asked.field("Policy").contains(&format!("data/{name}/*")), "another's policy: {asked:?}");
    }
    let begun = Instant::now();
    for number in 0..IDENTITIES {
        alone.sign(number).await.unwrap();
    }
    let again = begun.elapsed();
    assert_eq!(sts.asked().len(), IDENTITIES + 1, "and never again");
    println!(
        "1,000 sessions in {took:?}, at most {} calls at a time; again from the cache in {again:?}",
        sts.most_at_once()
    );
}

#[tokio::test]
async fn more_identities_than_sessions_are_served_within_the_bound() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let alone = Alone::start(&upstream, &sts, ", max_sessions: 10").await;
    for number in 0..100 {
        alone.sign(number).await.unwrap();
    }
    assert_eq!(sts.asked().len(), 101);
    alone.sign(99).await.unwrap();
    assert_eq!(sts.asked().len(), 101, "the latest are held");
    alone.sign(0).await.unwrap();
    assert_eq!(sts.asked().len(), 102);
}

#[tokio::test]
async fn an_sts_that_says_nothing_keeps_nobody_waiting_for_ever() {
    let (upstream, sts) = (Upstream::start().await, FakeSts::start());
    let alone = Alone::start(&upstream, &sts, "").await;
    sts.becomes(|_| Says::Silence);
    assert_eq!(within("an end", alone.sign(1)).await, Err(Unsignable::Unavailable));
}
