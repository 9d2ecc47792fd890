//! The webhook with a certificate of its own, against a small API server: what becomes of the Secret and of `caBundle`,
//! alone and with another replica, and what it answers to what is no review.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use s3_access_proxy::app::webhook;
use s3_access_proxy::cluster::Cluster;
use s3_access_proxy::config::WebhookConfig;
use s3_access_proxy::process::FileWatch;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use crate::harness::{Reply, TRUSTED, Wire, eventually, plain_get, within};

const SECRET: &str = "/api/v1/namespaces/s3/secrets/webhook";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/s3";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/s3";

/// Objects by path, each with a version that every write raises.
type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

/// An API server as far as the webhook uses one.
struct ApiServer {
    port: u16,
    objects: Objects,
    folder: TempDir,
    accepting: JoinHandle<()>,
}

impl ApiServer {
    async fn start() -> Self {
        let hook = json!({"name": "a", "clientConfig": {"service": {"name": "webhook", "namespace": "s3"}}});
        let configuration =
            |version: &str| json!({"metadata": {"resourceVersion": version}, "webhooks": [hook, hook]});
        let objects: Objects = Arc::new(Mutex::new(BTreeMap::from([
            (SECRET.to_owned(), json!({"metadata": {"resourceVersion": "1"}})),
            (MUTATING.to_owned(), configuration("5")),
            (VALIDATING.to_owned(), configuration("7")),
        ])));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "a-token\n").unwrap();
        std::fs::write(folder.path().join("ca.crt"), &TRUSTED.pem).unwrap();
        let server = TRUSTED.server();
        let config =
            ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![server.certificate.clone()], server.key())
                .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), objects.clone()));
        Self { port, objects, folder, accepting }
    }

    fn cluster(&self) -> Cluster {
        Cluster::new("localhost", self.port, self.folder.path())
    }

    fn object(&self, path: &str) -> Value {
        self.objects.lock().unwrap()[path].clone()
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.objects.lock().unwrap().get_mut(path).unwrap());
    }

    /// The bundle of every webhook of a configuration, which must be the same.
    fn bundle(&self, path: &str) -> Option<String> {
        let object = self.object(path);
        let mut bundles =
            object["webhooks"].as_array().unwrap().iter().map(|hook| &hook["clientConfig"]["caBundle"]);
        let first = bundles.next().unwrap().as_str()?.to_owned();
        assert!(bundles.all(|other| *other == first.as_str()));
        Some(String::from_utf8(STANDARD.decode(first).unwrap()).unwrap())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, objects: Objects) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, objects) = (tls.clone(), objects.clone());
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let objects = objects.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    Ok::<_, hyper::Error>(answer(&Request::from_parts(head, body), &objects))
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(request: &Request<Bytes>, objects: &Objects) -> Response<Full<Bytes>> {
    let reply = |status: u16, body: &Value| {
        Response::builder().status(status).body(Full::new(Bytes::from(body.to_string()))).unwrap()
    };
    if request.headers()["authorization"] != "Bearer a-token" {
        return reply(401, &json!({"message": "Unauthorized"}));
    }
    let mut objects = objects.lock().unwrap();
    let Some(object) = objects.get_mut(request.uri().path()) else {
        return reply(404, &json!({"message": "not found"}));
    };
    let mut next = match *request.method() {
        Method::GET => return reply(200, object),
        Method::PUT => {
            let next: Value = serde_json::from_slice(request.body()).unwrap();
            if next["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
                return reply(409, &json!({"message": "the object has been modified"}));
            }
            next
        }
        Method::PATCH => {
            assert_eq!(request.headers()["content-type"], "application/json-patch+json");
            let patch: json_patch::Patch = serde_json::from_slice(request.body()).unwrap();
            let mut next = object.clone();
            if json_patch::patch(&mut next, &patch).is_err() {
                return reply(422, &json!({"message": "testing value failed"}));
            }
            next
        }
        ref other => panic!("{other}"),
    };
    let version: u32 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    next["metadata"]["resourceVersion"] = (version + 1).to_string().into();
    *object = next;
    reply(200, object)
}

struct Running {
    address: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _reload: mpsc::Sender<()>,
}

fn start(cluster: Cluster) -> Running {
    let text = "
listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {self_managed: {names: [localhost], secret: s3/webhook, mutating: [s3], validating: [s3]}}
";
    let read = move || WebhookConfig::parse(text, &[]);
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
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
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
    use s3_access_proxy::inject::Authority;
    use time::{Duration, OffsetDateTime};
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
