//! A Kubernetes API server as far as the webhook uses one: objects by path, over TLS, for whoever has the token.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
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
use rustls::ServerConfig;
use s3_access_proxy::cluster::Cluster;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::TRUSTED;

pub(crate) const SECRET: &str = "/api/v1/namespaces/s3/secrets/webhook";
pub(crate) const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/s3";
pub(crate) const VALIDATING: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/s3";

/// Objects by path, each with a version that every write raises.
type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

/// A running one.
pub(crate) struct ApiServer {
    port: u16,
    objects: Objects,
    /// What a pod has mounted: token and root.
    pub(crate) folder: TempDir,
    asked: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl ApiServer {
    pub(crate) async fn start() -> Self {
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
        let asked = Arc::new(AtomicUsize::new(0));
        let tls = TlsAcceptor::from(Arc::new(config));
        let accepting = tokio::spawn(accept(listener, tls, objects.clone(), asked.clone()));
        Self { port, objects, folder, asked, accepting }
    }

    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::new("localhost", self.port, self.folder.path())
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn object(&self, path: &str) -> Value {
        self.objects.lock().unwrap()[path].clone()
    }

    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.objects.lock().unwrap().get_mut(path).unwrap());
    }

    /// The bundle of every webhook of a configuration, which must be the same.
    pub(crate) fn bundle(&self, path: &str) -> Option<String> {
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

async fn accept(listener: TcpListener, tls: TlsAcceptor, objects: Objects, asked: Arc<AtomicUsize>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, objects, asked) = (tls.clone(), objects.clone(), asked.clone());
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let objects = objects.clone();
                asked.fetch_add(1, Ordering::Relaxed);
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
