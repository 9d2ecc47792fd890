//! `proxy doctor` as a process, in front of an STS and an S3 of ours: every check where all is well and where it is not.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::credentials::irsa;
use crate::harness::{
    Authority, FOREIGN, FakeSts, HOUR, Says, Seen, Setup, Step, TRUSTED, Upstream, answer, dns, spiffe, uri,
};

/// S3 as far as the doctor looks, the STS beside it, and a configuration that is right for both.
struct Ward {
    setup: Setup,
    sts: FakeSts,
    /// The answer to `HEAD /reports`.
    bucket: Arc<Mutex<&'static str>>,
    /// Seconds by which S3's clock is ahead; `None` for an answer without a date.
    clock: Arc<Mutex<Option<i64>>>,
    _upstream: Upstream,
}

const NODE: &str = "arn:aws:sts::123456789012:assumed-role/nodes/i-0123456789abcdef0";

async fn ward() -> Ward {
    let (bucket, clock) = (Arc::new(Mutex::new("200 OK")), Arc::new(Mutex::new(Some(0))));
    let told = (bucket.clone(), clock.clone());
    let upstream =
        Upstream::scripted(move |seen| s3(seen, *told.0.lock().unwrap(), *told.1.lock().unwrap())).await;
    let sts = FakeSts::start();
    let setup = irsa(&upstream, &sts, "");
    setup.write();
    let ward = Ward { setup, sts, bucket, clock, _upstream: upstream };
    ward.shows(&TRUSTED, |_| {});
    ward
}

fn s3(seen: &Seen, bucket: &str, ahead: Option<i64>) -> Vec<Step> {
    let status = if seen.request_line().starts_with("HEAD /reports") { bucket } else { "403 Forbidden" };
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = ahead.map(|seconds| OffsetDateTime::now_utc() + Duration::seconds(seconds));
    let date = date.map_or(String::new(), |date| format!("Date: {}\r\n", date.format(format).unwrap()));
    answer(format!("HTTP/1.1 {status}\r\n{date}Content-Length: 0\r\n\r\n"))
}

impl Ward {
    /// Gives the pod another certificate, as injection mounts them: for both sides, with a month to go.
    fn shows(&self, authority: &Authority, change: impl FnOnce(&mut CertificateParams)) {
        let leaf = authority.issue(|params| {
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            params.subject_alt_names = vec![dns("localhost"), uri(&spiffe("reader"))];
            params.not_after = OffsetDateTime::now_utc() + Duration::days(30);
            change(params);
        });
        self.put("server.crt", &leaf.pem);
        self.put("server.key", &leaf.key_pem);
    }

    fn put(&self, name: &str, text: &str) -> String {
        let file = self.setup.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// Changes the configuration's text.
    fn edit(&self, old: &str, new: &str) {
        let file = self.setup.folder.path().join("config.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(old), "{old} in {text}");
        std::fs::write(&file, text.replace(old, new)).unwrap();
    }

    async fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proxy"));
        command.arg("doctor").arg("--config").arg(self.setup.folder.path().join("config.yaml"));
        command.args(arguments).env_clear().envs(environment.iter().copied());
        let Output { status, stdout, stderr } =
            tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// The findings, with the exit code that they ask for.
    async fn looks(&self, arguments: &[&str]) -> Vec<Value> {
        self.looks_with(arguments, &[]).await
    }

    async fn looks_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Vec<Value> {
        let (code, stdout, stderr) = self.run(&[arguments, &["--json"]].concat(), environment).await;
        let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
        let findings = report["findings"].as_array().unwrap().clone();
        let bad = findings.iter().any(|finding| finding["verdict"] == "bad");
        assert_eq!(code, Some(i32::from(bad)), "{stdout}");
        for finding in &findings {
            assert_eq!(finding["mend"].is_string(), finding["verdict"] != "good", "{finding}");
        }
        findings
    }

    /// The one finding of a check.
    async fn finds(&self, check: &str, arguments: &[&str]) -> (String, String) {
        of(&self.looks(arguments).await, check)
    }
}

/// Verdict and text of the one finding of a check.
fn of(findings: &[Value], check: &str) -> (String, String) {
    let mut found = findings.iter().filter(|finding| finding["check"] == check);
    let one = found.next().unwrap_or_else(|| panic!("no {check} in {findings:#?}"));
    assert!(found.next().is_none(), "{findings:#?}");
    let text = |key: &str| one[key].as_str().unwrap_or_default();
    (text("verdict").to_owned(), format!("{} -> {}", text("found"), text("mend")))
}

macro_rules! assert_finds {
    ($found:expr, $verdict:literal, $($part:expr),+) => {
        let (verdict, text) = $found;
        assert_eq!(verdict, $verdict, "{text}");
        $(assert!(text.contains($part), "{} in {text}", $part);)+
    };
}

#[tokio::test]
async fn a_healthy_pod_gets_one_good_line_for_each_check() {
    let ward = ward().await;
    let list = ward.put("s3.json", r#"{"Entries": [{"Cidr": "127.0.0.0/8"}]}"#);
    let (code, stdout, stderr) = ward.run(&["--prefix-list", &list, "--application"], &[]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let checks: Vec<_> = stdout
        .lines()
        .map(|line| {
            line.strip_prefix("ok   ").unwrap_or_else(|| panic!("{stdout}")).get(..13).unwrap().trim()
        })
        .collect();
    let all = [
        "certificate",
        "authority",
        "grants",
        "caller",
        "region",
        "endpoint",
        "prefix list",
        "clock",
        "bucket",
        "application",
    ];
    assert_eq!(checks, all);
    assert!(stdout.contains("assumed-role/s3-proxy/") && stdout.contains("reports is there"), "{stdout}");
}

#[tokio::test]
async fn a_gateway_is_no_client_and_has_no_application() {
    let ward = ward().await;
    ward.shows(&TRUSTED, |params| params.subject_alt_names = vec![dns("gateway.s3.svc")]);
    let findings = ward.looks(&["--gateway"]).await;
    let checks: Vec<_> = findings.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    assert_eq!(checks, ["certificate", "caller", "region", "endpoint", "clock", "bucket"]);
    assert!(findings.iter().all(|finding| finding["verdict"] == "good"), "{findings:#?}");
    let reader = ["--gateway", "--identity", "spiffe://cluster.local/ns/reports/sa/reader"];
    assert_finds!(ward.finds("grants", &reader).await, "good", "sa/reader");
    assert_eq!(ward.run(&["--gateway", "--application"], &[]).await.0, Some(2));
}

#[tokio::test]
async fn certificate_and_authority() {
    let ward = ward().await;
    ward.shows(&TRUSTED, |params| params.not_after = OffsetDateTime::now_utc() + Duration::hours(3));
    assert_finds!(ward.finds("certificate", &[]).await, "warning", "expires at", "about to be renewed");
    ward.shows(&TRUSTED, |params| params.not_after = OffsetDateTime::now_utc() - Duration::minutes(1));
    assert_finds!(ward.finds("certificate", &[]).await, "bad", "expired at", "not renewed");
    ward.shows(&FOREIGN, |_| {});
    assert_finds!(ward.finds("authority", &[]).await, "warning", "does not chain", "ca.crt");
    assert_finds!(ward.finds("certificate", &[]).await, "good", "fits its key");
    ward.put("server.key", &TRUSTED.client("other").key_pem);
    assert_finds!(ward.finds("certificate", &[]).await, "bad", "does not fit the private key", "tls.*");
    std::fs::remove_file(ward.setup.folder.path().join("server.crt")).unwrap();
    assert_finds!(ward.finds("certificate", &[]).await, "bad", "server.crt", "mount");
}

#[tokio::test]
async fn what_the_identity_is_granted() {
    let ward = ward().await;
    assert_finds!(ward.finds("grants", &[]).await, "good", "ns/reports/sa/reader");
    let nobody = ["--identity", "spiffe://cluster.local/ns/reports/sa/nobody"];
    assert_finds!(
        ward.finds("grants", &nobody).await,
        "bad",
        "sa/nobody is granted nothing",
        "proxy explain"
    );
    ward.shows(&TRUSTED, |params| params.subject_alt_names = vec![uri(&spiffe("stranger"))]);
    assert_finds!(ward.finds("grants", &[]).await, "bad", "stranger is granted nothing");
    std::fs::remove_file(ward.setup.folder.path().join("server.crt")).unwrap();
    assert_finds!(ward.finds("grants", &[]).await, "warning", "no client", "--identity");
}

#[tokio::test]
async fn whose_the_credentials_are() {
    let ward = ward().await;
    let says = |arn: &'static str| {
        ward.sts.becomes(move |asked| match asked.action() {
            "GetCallerIdentity" => Says::Caller(arn),
            _ => Says::Session(HOUR),
        });
    };
    says(NODE);
    assert_finds!(ward.finds("caller", &[]).await, "bad", NODE, "is the node's role", "block IMDS");
    says("arn:aws:sts::123456789012:assumed-role/other/s");
    assert_finds!(ward.finds("caller", &[]).await, "bad", "assumed-role/other/s, not", "role-arn");
    // The pod's role, under whatever name of a session.
    says("arn:aws:sts::123456789012:assumed-role/s3-proxy/iris");
    assert_finds!(ward.finds("caller", &[]).await, "good", "s3-proxy/iris");

    let refused = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    ward.sts.becomes(move |_| Says::Error(403, "AccessDenied", refused.to_owned()));
    let findings = ward.looks(&[]).await;
    assert_finds!(of(&findings, "caller"), "bad", "AccessDenied", "trust policy");
    assert_finds!(of(&findings, "bucket"), "warning", "reports: not asked", "mend 'caller' first");
    assert_finds!(of(&findings, "clock"), "good", "within a minute");

    std::fs::remove_file(ward.setup.folder.path().join("token")).unwrap();
    assert_finds!(ward.finds("caller", &[]).await, "bad", "token");
}

#[tokio::test]
async fn the_node_s_role_is_told_where_no_role_is_expected_either() {
    let ward = ward().await;
    ward.sts.becomes(|_| Says::Caller(NODE));
    ward.put("credentials", "[default]\naws_access_key_id = ASIANODE\naws_secret_access_key = s\n");
    let sts = ward.sts.endpoint();
    let text = std::fs::read_to_string(ward.setup.folder.path().join("config.yaml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("credentials:")).unwrap();
    let file = ward.setup.folder.path().join("credentials").display().to_string();
    ward.edit(
        line,
        &format!("credentials: {{ source: static_file, file: '{file}', sts_endpoint: '{sts}', allow_plaintext: true }}"),
    );
    assert_finds!(ward.finds("caller", &[]).await, "bad", "is the node's role");
}

#[tokio::test]
async fn region_and_partition() {
    let ward = ward().await;
    for (region, verdict) in [("eu-central-1", "good"), ("cn-north-1", "bad"), ("us-gov-west-1", "bad")] {
        let found = ward.looks_with(&[], &[("S3PROXY_UPSTREAM__REGION", region)]).await;
        let (verdict_found, text) = of(&found, "region");
        assert_eq!(verdict_found, verdict, "{text}");
    }
    ward.edit("arn:aws:iam", "arn:aws-cn:iam");
    assert_finds!(ward.finds("region", &[]).await, "bad", "two partitions", "correct");
}

#[tokio::test]
async fn the_way_to_s3() {
    let ward = ward().await;
    let list = ward.put("s3.txt", "52.218.0.0/17\n");
    let findings = ward.looks(&["--prefix-list", &list]).await;
    assert_finds!(of(&findings, "endpoint"), "good", "by 127.0.0.1");
    assert_finds!(of(&findings, "prefix list"), "warning", "not in it: 127.0.0.1", "interface endpoint");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = |endpoint: String| [("S3PROXY_UPSTREAM__ENDPOINT", endpoint)];
    let looks = async |endpoint: String| {
        let environment = at(endpoint);
        let borrowed: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ward.looks_with(&[], &borrowed).await
    };
    let findings = looks(format!("http://{closed}")).await;
    assert_finds!(of(&findings, "endpoint"), "bad", "not reached by 127.0.0.1", "NetworkPolicy");
    assert_finds!(of(&findings, "clock"), "bad", "S3 does not answer", "see 'endpoint'");
    assert_finds!(of(&findings, "bucket"), "bad", "reports:", "see 'endpoint'");
    let findings = looks("http://s3.invalid".to_owned()).await;
    assert_finds!(of(&findings, "endpoint"), "bad", "s3.invalid", "DNS");

    let stranger = Upstream::showing(&FOREIGN.server(), |_| answer("HTTP/1.1 200 OK\r\n\r\n")).await;
    let findings = looks(stranger.endpoint()).await;
    assert_finds!(of(&findings, "endpoint"), "good", "127.0.0.1");
    assert_finds!(of(&findings, "clock"), "bad", "S3 does not answer", "upstream.ca");
}

#[tokio::test]
async fn clocks_that_differ() {
    let ward = ward().await;
    for (ahead, verdict) in [(30, "good"), (-30, "good"), (600, "warning"), (-7200, "warning")] {
        *ward.clock.lock().unwrap() = Some(ahead);
        let (found, text) = ward.finds("clock", &[]).await;
        assert_eq!(found, verdict, "{text}");
        assert_eq!(text.contains("chrony"), verdict == "warning", "{text}");
    }
    *ward.clock.lock().unwrap() = None;
    assert_finds!(ward.finds("clock", &[]).await, "warning", "no date", "is it S3?");
}

#[tokio::test]
async fn buckets_that_grants_name() {
    let ward = ward().await;
    for (answered, verdict, part, mend) in [
        ("200 OK", "good", "can be listed", ""),
        ("403 Forbidden", "warning", "access denied", "only read or write objects"),
        ("404 Not Found", "bad", "is not there", "correct the grant"),
        ("301 Moved Permanently", "bad", "in another region", "upstream.region"),
        ("500 Internal Server Error", "bad", "S3 answers 500", "AWS CLI"),
    ] {
        *ward.bucket.lock().unwrap() = answered;
        let (found, text) = ward.finds("bucket", &[]).await;
        assert_eq!(found, verdict, "{answered}: {text}");
        assert!(text.contains("reports") && text.contains(part) && text.contains(mend), "{text}");
    }
    ward.edit("buckets: [reports]", "buckets: [\"rep*\"]");
    assert_finds!(ward.finds("bucket", &[]).await, "warning", "no grant names one in full", "proxy explain");
}

#[tokio::test]
async fn credentials_of_the_application_are_found_and_never_shown() {
    let ward = ward().await;
    assert_finds!(ward.finds("application", &[]).await, "warning", "cannot be seen", "--application");
    let in_pod = |name: &'static str, value: &'static str| {
        let ward = &ward;
        async move { of(&ward.looks_with(&["--application"], &[(name, value)]).await, "application") }
    };
    assert_finds!(in_pod("AWS_ACCESS_KEY_ID", "s3-access-proxy").await, "good", "no AWS credentials");
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/app"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
    ] {
        let (verdict, text) = in_pod(name, value).await;
        assert_eq!(verdict, "bad", "{text}");
        assert!(text.contains(name) && !text.contains(value) && text.contains("ServiceAccount"), "{text}");
    }
    let pod = ward.put(
        "pod.json",
        r#"{"spec": {"volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": "sts.amazonaws.com"}}]}}],
            "initContainers": [{"name": "s3-access-proxy", "volumeMounts": [{"name": "t"}]}],
            "containers": [{"name": "clean"},
                {"name": "leaky", "volumeMounts": [{"name": "t"}]},
                {"name": "keyed", "env": [{"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "k", "key": "k"}}}]}]}}"#,
    );
    let findings = ward.looks(&["--pod", &pod]).await;
    let about = |container: &str| {
        let found = findings.iter().find(|finding| finding["found"].as_str().unwrap().contains(container));
        found.unwrap_or_else(|| panic!("{container} in {findings:#?}"))["verdict"].clone()
    };
    assert_eq!([about("clean"), about("leaky"), about("keyed")], ["good", "bad", "bad"]);
    assert!(
        !findings
            .iter()
            .any(|finding| finding["found"].as_str().unwrap().contains("container s3-access-proxy"))
    );
}

#[tokio::test]
async fn bad_input_ends_with_2_and_what_is_wrong_with_1() {
    let ward = ward().await;
    let empty = ward.put("empty", "nothing");
    for (arguments, part) in [
        (&["--prefix-list", "/nowhere"][..], "/nowhere"),
        (&["--prefix-list", &empty], "no network"),
        (&["--pod", &empty], "empty"),
        (&["--identity", "everybody"], "--identity"),
    ] {
        let (code, stdout, stderr) = ward.run(arguments, &[]).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
    *ward.bucket.lock().unwrap() = "404 Not Found";
    let (code, stdout, _) = ward.run(&[], &[]).await;
    assert_eq!(code, Some(1));
    assert!(stdout.contains("BAD  bucket       reports: is not there -> correct the grant"), "{stdout}");
    ward.edit("region:", "regoin:");
    let (code, stdout, stderr) = ward.run(&[], &[]).await;
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("upstream.regoin") && stderr.contains("upstream.region"), "{stderr}");
}
