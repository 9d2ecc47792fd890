//! The webhook with a certificate of its own, against a small API server: what becomes of the Secret and of `caBundle`,
//! alone and with another replica, and what it answers to what is no review.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use s3_access_proxy::app::webhook;
use s3_access_proxy::cluster::Cluster;
use s3_access_proxy::config::{WebhookConfig, WebhookTls};
use s3_access_proxy::inject::{Authority, Registration};
use s3_access_proxy::process::FileWatch;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    ApiServer, MUTATING, Reply, TRUSTED, VALIDATING, WEBHOOK_SECRET as SECRET, Wire, eventually, plain_get,
    within,
};

const SELF_MANAGED: &str = "
listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {self_managed: {names: [localhost], secret: s3/webhook, mutating: [s3], validating: [s3]}}
";

struct Running {
    address: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _reload: mpsc::Sender<()>,
}

fn start(cluster: Cluster) -> Running {
    start_with(SELF_MANAGED.to_owned(), cluster)
}

fn start_with(text: String, cluster: Cluster) -> Running {
    let read = move || WebhookConfig::parse(&text, &[]);
    let bound = webhook::build(read().unwrap(), Some(cluster)).unwrap();
    let (address, admin) = (bound.address().unwrap(), bound.admin_address().unwrap());
    let stop = CancellationToken::new();
    let (reload, reloads) = mpsc::channel(1);
    let running = tokio::spawn(bound.run(stop.clone(), reloads, Box::new(read), FileWatch::new(Vec::new())));
    Running { address, admin, stop, serving: running, _reload: reload }
}

impl Running {
    async fn ready(&self) {
        eventually("readiness", async || {
            (plain_get(self.admin, "/readyz").await.status == 200).then_some(())
        })
        .await;
    }

    /// A connection of a client that trusts the bundle and nothing else.
    async fn connect(&self, bundle: &str) -> Wire {
        let roots = roots(bundle);
        let config =
            ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        Wire::new(within("the handshake", connecting).await.unwrap())
    }

    async fn end(self) {
        self.stop.cancel();
        within("the end", self.serving).await.unwrap();
    }
}

fn roots(bundle: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    roots
}

async fn post(wire: &mut Wire, path: &str, body: &[u8]) -> Reply {
    wire.ask("POST", path, &["Content-Type: application/json"], body).await
}

#[tokio::test]
async fn its_certificate_is_made_known_before_it_is_ready() {
    let api = ApiServer::start().await;
    let hook = start(api.cluster());
    hook.ready().await;
    let bundle = api.bundle(MUTATING).unwrap();
    assert_eq!(api.bundle(VALIDATING).unwrap(), bundle);
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 1);
    assert!(!bundle.contains("PRIVATE KEY"));
    let mut wire = hook.connect(&bundle).await;
    let pod = json!({"metadata": {"labels": {"s3-access-proxy.io/inject": "true"}}, "spec": {"containers": [{"name": "a"}]}});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": "CREATE", "dryRun": true, "kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": pod,
    }});
    let reply = post(&mut wire, "/mutate?timeout=5s", review.to_string().as_bytes()).await;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(answer["response"]["uid"], "u");
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("annotation s3-access-proxy.io/role-arn: missing"), "{message}");
    drop(wire);
    hook.end().await;
}

#[tokio::test]
async fn replicas_share_one_authority_and_do_not_fight() {
    let api = ApiServer::start().await;
    let hooks = [start(api.cluster()), start(api.cluster()), start(api.cluster())];
    for hook in &hooks {
        hook.ready().await;
    }
    let bundle = api.bundle(MUTATING).unwrap();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 1);
    for hook in &hooks {
        hook.connect(&bundle).await;
    }
    assert_eq!(api.object(SECRET)["metadata"]["resourceVersion"], "2", "one write");
    assert_eq!(api.object(MUTATING)["metadata"]["resourceVersion"], "6");
    for hook in hooks {
        hook.end().await;
    }
}

/// Five hundred days, in which the replicas look in turn and one is started anew now and then: whoever asks at any time, with the bundle that
/// was known before the last round or the one after it, is shown a certificate that it trusts.
#[tokio::test]
async fn at_no_time_does_a_replica_show_what_the_api_server_does_not_trust() {
    let api = ApiServer::start().await;
    let WebhookTls::SelfManaged(managed) = WebhookConfig::parse(SELF_MANAGED, &[]).unwrap().tls else {
        panic!("not self-managed")
    };
    let mut replicas = [0, 1, 2].map(|_| Registration::new(api.cluster(), managed.clone()));
    let mut shown: [Option<CertificateDer<'static>>; 3] = [None, None, None];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let start = OffsetDateTime::now_utc();
    let (mut before, mut bundles) = (None, std::collections::BTreeSet::new());
    for day in (0..500_i64).step_by(2) {
        let now = start + Duration::days(day);
        for (i, replica) in replicas.iter_mut().enumerate() {
            // The last one is started anew now and then; a replica that runs looks every minute.
            if i == 2 && day % 50 == 30 {
                *replica = Registration::new(api.cluster(), managed.clone());
                shown[2] = None;
            }
            if let Some(leaf) = replica.settle(now).await.unwrap() {
                shown[i] = Some(leaf.chain[0].clone());
            }
            let after = api.bundle(MUTATING).unwrap();
            assert_eq!(api.bundle(VALIDATING).unwrap(), after);
            let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                now.unix_timestamp().unsigned_abs(),
            ));
            for bundle in before.iter().chain([&after]) {
                let roots = Arc::new(roots(bundle));
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build().unwrap();
                for leaf in shown.iter().flatten() {
                    let name = ServerName::try_from("localhost").unwrap();
                    let trusted = verifier.verify_server_cert(leaf, &[], &name, &[], at);
                    assert!(trusted.is_ok(), "day {day}, replica {i}: {trusted:?}");
                }
            }
            bundles.insert(after.clone());
            before = Some(after);
        }
    }
    assert_eq!(
        bundles.len(),
        3,
        "the first; the second beside it; the third beside the second, without the first"
    );
}

#[tokio::test]
async fn with_a_certificate_of_others_nothing_is_written_to_the_cluster() {
    let api = ApiServer::start().await;
    let server = TRUSTED.server();
    let file = |name: &str, text: &str| {
        let file = api.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (certificate, key) = (file("tls.crt", &server.pem), file("tls.key", &server.key_pem));
    let tls = format!("tls: {{certificate: '{certificate}', private_key: '{key}'}}");
    let hook = start_with(format!("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n{tls}\n"), api.cluster());
    hook.ready().await;
    let mut wire = hook.connect(&TRUSTED.pem).await;
    assert_eq!(post(&mut wire, "/mutate", b"{}").await.status, 400);
    assert_eq!(api.asked(), 0, "the API server has not even been asked");
    assert_eq!(api.bundle(MUTATING), None);
    drop(wire);
    hook.end().await;
}

#[tokio::test]
async fn a_damaged_authority_is_made_anew_and_rights_that_are_missing_are_waited_for() {
    let api = ApiServer::start().await;
    api.change(SECRET, |secret| secret["data"] = json!({"ca.crt": "bm9uc2Vuc2U=", "ca.key": "eA=="}));
    std::fs::write(api.folder.path().join("token"), "another").unwrap();
    let hook = start(api.cluster());
    let failures = async || {
        let metrics = plain_get(hook.admin, "/metrics").await.text().to_owned();
        metrics.contains("s3webhook_reloads_total{result=\"error\"}").then_some(())
    };
    eventually("a failed round", failures).await;
    assert_eq!(plain_get(hook.admin, "/readyz").await.status, 503);
    std::fs::write(api.folder.path().join("token"), "a-token").unwrap();
    hook.ready().await;
    hook.connect(&api.bundle(VALIDATING).unwrap()).await;
    hook.end().await;
}

#[tokio::test]
async fn nonsense_is_answered_in_time_and_the_next_review_as_ever() {
    let api = ApiServer::start().await;
    let hook = start(api.cluster());
    hook.ready().await;
    let bundle = api.bundle(MUTATING).unwrap();
    let deep = "[".repeat(100_000);
    let other = r#"{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": null}"#;
    for (body, status) in [("", 400), ("{", 400), ("null", 400), (deep.as_str(), 400), (other, 400)] {
        let mut wire = hook.connect(&bundle).await;
        assert_eq!(post(&mut wire, "/mutate", body.as_bytes()).await.status, status, "{body:.40}");
    }
    let mut wire = hook.connect(&bundle).await;
    let head = "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
    wire.send(head).await;
    for _ in 0..200 {
        if wire.try_send(&b" ".repeat(64 * 1024)).await.is_err() {
            break;
        }
    }
    let mut wire = hook.connect(&bundle).await;
    assert_eq!(post(&mut wire, "/elsewhere", b"").await.status, 404);
    assert_eq!(wire.ask("GET", "/mutate", &[], b"").await.status, 405);
    for (kind, object) in [
        ("Deployment", json!({})),
        ("Pod", json!(null)),
        ("Pod", json!({"metadata": {"labels": []}, "spec": 1})),
    ] {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "kind": {"kind": kind}, "object": object,
        }});
        let reply = post(&mut wire, "/validate", review.to_string().as_bytes()).await;
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(answer["response"], json!({"uid": "u", "allowed": true}));
    }
    drop(wire);
    hook.end().await;
}

#[test]
fn an_authority_is_followed_before_it_ends_and_trusted_until_then() {
    let start = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    let names = ["localhost".to_owned()];
    let first = Authority::new(start).unwrap();
    let leaf = first.issue(&names, start).unwrap();
    assert!(!first.is_due(start + Duration::days(200)) && first.is_due(start + Duration::days(250)));
    assert!(first.still_stands_by(&leaf, start + Duration::days(4)));
    assert!(!first.still_stands_by(&leaf, start + Duration::days(5)));
    let later = start + Duration::days(250);
    let second = first.follow(later).unwrap();
    assert_eq!(second.bundle().matches("BEGIN CERTIFICATE").count(), 2);
    assert!(!second.still_stands_by(&leaf, start), "a certificate of the old authority is followed too");
    let read = Authority::read(Some(&second.write())).unwrap().unwrap();
    assert_eq!(read.bundle(), second.bundle());
    let third = second.follow(start + Duration::days(400)).unwrap();
    assert_eq!(third.bundle().matches("BEGIN CERTIFICATE").count(), 2, "the first has ended");
    assert!(!format!("{first:?}").contains("PRIVATE"));
}

#[test]
fn the_configuration_says_what_is_wrong_with_it() {
    let wrong = "
tls: {self_managed: {names: [], secret: webhook}}
injection:
  mode: gateway
  ports: {proxy: 1, plain: 1}
  resources: {requests: {cpu: lots}}
  colour: red
";
    let problems = WebhookConfig::parse(wrong, &[]).unwrap_err().to_string();
    for part in [
        "tls.self_managed.names",
        "NAMESPACE/NAME",
        "injection.mode",
        "injection.ports",
        "requests.cpu",
        "colour",
    ] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
    assert!(WebhookConfig::load(Path::new("/nowhere"), &[]).unwrap_err().to_string().contains("/nowhere"));
}
