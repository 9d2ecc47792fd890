//! The volumes of a sidecar: its certificate, its token and its configuration. The token is mounted nowhere but in the
//! proxy's container, which is what keeps an application from walking around it.

use serde_json::{Value, json};

use super::annotations::{HELPER_CONFIG, Wish};
use super::{PREFIX, pod};
use crate::config::{CertificateSource, Injection, Mode, RunAs};

/// The certificate.
const CERTIFICATE: &str = "s3-access-proxy-tls";
/// The token for STS.
pub(super) const TOKEN: &str = "s3-access-proxy-token";
/// The proxy's configuration.
const CONFIG: &str = "s3-access-proxy-config";
/// SPIRE's Workload API.
const WORKLOAD_API: &str = "s3-access-proxy-workload-api";
/// What spiffe-helper is told.
const HELPER: &str = "s3-access-proxy-spiffe-helper";

/// Every name of a volume of ours.
pub(super) const NAMES: [&str; 5] = [CERTIFICATE, TOKEN, CONFIG, WORKLOAD_API, HELPER];

/// Where certificates are mounted.
pub(super) const CERTIFICATE_FOLDER: &str = "/var/run/s3-access-proxy/tls";
/// Where the token is mounted.
pub(super) const TOKEN_FOLDER: &str = "/var/run/secrets/s3-access-proxy";
/// Where the configuration is mounted.
pub(super) const CONFIG_FOLDER: &str = "/etc/s3-access-proxy";
/// Where the Workload API's socket is mounted.
const WORKLOAD_API_FOLDER: &str = "/spiffe-workload-api";
/// Where spiffe-helper finds what it is told.
pub(super) const HELPER_FOLDER: &str = "/etc/spiffe-helper";

pub(super) fn all(wish: &Wish, settings: &Injection) -> Vec<Value> {
    let mut volumes = certificate(wish, settings);
    if wish.mode == Mode::Sidecar {
        let token = &settings.token;
        let source = json!({"serviceAccountToken": {
            "audience": token.audience, "expirationSeconds": token.expiration_seconds, "path": "token",
        }});
        volumes.push(json!({"name": TOKEN, "projected": {"sources": [source]}}));
        volumes.push(json!({"name": CONFIG, "configMap": {"name": wish.config.as_str()}}));
    }
    volumes
}

fn certificate(wish: &Wish, settings: &Injection) -> Vec<Value> {
    let csi = |name: &str, driver: &str, attributes: Option<Value>| {
        let mut csi = json!({"driver": driver, "readOnly": true});
        if let Some(attributes) = attributes {
            csi["volumeAttributes"] = attributes;
        }
        json!({"name": name, "csi": csi})
    };
    match &wish.certificate {
        CertificateSource::Secret(name) => {
            vec![json!({"name": CERTIFICATE, "secret": {"secretName": name.as_str()}})]
        }
        CertificateSource::CertManager => {
            vec![csi(CERTIFICATE, "csi.cert-manager.io", Some(cert_manager(settings)))]
        }
        CertificateSource::CertManagerSpiffe => {
            let group = group(settings).map(|group| json!({"spiffe.csi.cert-manager.io/fs-group": group}));
            vec![csi(CERTIFICATE, "spiffe.csi.cert-manager.io", group)]
        }
        CertificateSource::Spiffe => vec![
            json!({"name": CERTIFICATE, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
            csi(WORKLOAD_API, "csi.spiffe.io", None),
            json!({"name": HELPER, "downwardAPI": {"items": [{
                "path": "helper.conf",
                "fieldRef": {"fieldPath": format!("metadata.annotations['{PREFIX}{HELPER_CONFIG}']")},
            }]}}),
        ],
    }
}

/// What cert-manager's driver is asked for: a certificate for both sides, with the SPIFFE ID that grants name.
fn cert_manager(settings: &Injection) -> Value {
    let issuer = &settings.cert_manager;
    let attribute = |name: &str| format!("csi.cert-manager.io/{name}");
    let id = format!("spiffe://{}/ns/${{POD_NAMESPACE}}/sa/${{SERVICE_ACCOUNT_NAME}}", issuer.trust_domain);
    let mut attributes = json!({
        attribute("issuer-name"): issuer.issuer.as_deref().unwrap_or_default(),
        attribute("issuer-kind"): issuer.kind,
        attribute("issuer-group"): issuer.group,
        attribute("dns-names"): "localhost",
        attribute("uri-sans"): id,
        attribute("key-usages"): "digital signature,server auth,client auth",
    });
    if let Some(group) = group(settings) {
        attributes[attribute("fs-group")] = group.into();
    }
    attributes
}

/// The group that may read what the drivers write.
fn group(settings: &Injection) -> Option<String> {
    match settings.run_as_user {
        RunAs::User(user) => Some(user.to_string()),
        RunAs::Assigned => None,
    }
}

pub(super) fn certificate_mount(read_only: bool) -> Value {
    mount(CERTIFICATE, CERTIFICATE_FOLDER, read_only)
}

pub(super) fn mounts(container: &str) -> Vec<Value> {
    match container {
        pod::HELPER => vec![
            certificate_mount(false),
            mount(WORKLOAD_API, WORKLOAD_API_FOLDER, true),
            mount(HELPER, HELPER_FOLDER, true),
        ],
        pod::PROXY => vec![
            certificate_mount(true),
            mount(TOKEN, TOKEN_FOLDER, true),
            mount(CONFIG, CONFIG_FOLDER, true),
        ],
        _ => vec![certificate_mount(true)],
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> Value {
    if read_only {
        json!({"name": name, "mountPath": path, "readOnly": true})
    } else {
        json!({"name": name, "mountPath": path})
    }
}

/// What spiffe-helper is told, which it takes from a file only: an annotation becomes one by the downward API, so that
/// no namespace needs a ConfigMap for it.
pub(super) fn helper_config(settings: &Injection) -> String {
    format!(
        "agent_address = \"{WORKLOAD_API_FOLDER}/{}\"\ncert_dir = \"{CERTIFICATE_FOLDER}\"\n\
         svid_file_name = \"tls.crt\"\nsvid_key_file_name = \"tls.key\"\nsvid_bundle_file_name = \"ca.crt\"\n\
         daemon_mode = true\nhealth_checks {{\n  listener_enabled = true\n  bind_port = {}\n  \
         liveness_path = \"/live\"\n  readiness_path = \"/ready\"\n}}\n",
        settings.spiffe.socket, settings.ports.helper,
    )
}
