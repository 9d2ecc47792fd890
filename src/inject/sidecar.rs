//! The containers that are added: native sidecars, which start before the pod's own init containers, end after its
//! containers, and do not keep a Job from ending. All fit the restricted Pod Security Standard.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::annotations::Wish;
use super::pod::{BRIDGE, HELPER, PROXY};
use super::volumes::{CERTIFICATE_FOLDER, CONFIG_FOLDER, HELPER_FOLDER, TOKEN_FOLDER, mounts};
use crate::config::{CertificateSource, Injection, Mode, RunAs};

/// In the order in which they have to start.
pub(super) fn containers(wish: &Wish, settings: &Injection) -> Vec<Value> {
    let mut containers = Vec::new();
    if wish.certificate == CertificateSource::Spiffe {
        containers.push(helper(wish, settings));
    }
    if wish.mode == Mode::Sidecar {
        containers.push(proxy(wish, settings));
    }
    if wish.has_bridge() {
        containers.push(bridge(wish, settings));
    }
    containers
}

fn proxy(wish: &Wish, settings: &Injection) -> Value {
    let ports = settings.ports;
    let role = wish.role.as_ref().map_or("", |role| role.as_str());
    let mut env = vec![
        ("AWS_ROLE_ARN", role.to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", format!("{TOKEN_FOLDER}/token")),
    ];
    env.extend(settings.region.clone().map(|region| ("AWS_REGION", region)));
    env.extend([
        ("S3PROXY_LISTEN", format!("127.0.0.1:{}", ports.proxy)),
        ("S3PROXY_ADMIN", admin(settings, ports.admin)),
        ("S3PROXY_TLS__CERTIFICATE", format!("{CERTIFICATE_FOLDER}/tls.crt")),
        ("S3PROXY_TLS__PRIVATE_KEY", format!("{CERTIFICATE_FOLDER}/tls.key")),
        ("S3PROXY_TLS__CLIENT_CA", format!("{CERTIFICATE_FOLDER}/ca.crt")),
        ("S3PROXY_CREDENTIALS__SOURCE", "web_identity".to_owned()),
    ]);
    let env: Vec<_> = env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let args = json!(["run", "--config", format!("{CONFIG_FOLDER}/config.yaml")]);
    let mut container = container(PROXY, &settings.image, &args, wish, settings);
    container["env"] = env.into();
    observe(container, "s3proxy-admin", ports.admin, "/livez", "/readyz")
}

fn bridge(wish: &Wish, settings: &Injection) -> Value {
    let ports = settings.ports;
    let (to, name) = match wish.mode {
        // The proxy's certificate bears a name, not an address; the address needs no look-up.
        Mode::Sidecar => (format!("127.0.0.1:{}", ports.proxy), Some("localhost")),
        Mode::Bridge => (settings.gateway.to.clone(), settings.gateway.server_name.as_deref()),
    };
    let mut args: Vec<String> = ["connect", "--to", &to].map(str::to_owned).into();
    for (flag, file) in [("--cert", "tls.crt"), ("--key", "tls.key"), ("--ca", "ca.crt")] {
        args.extend([flag.to_owned(), format!("{CERTIFICATE_FOLDER}/{file}")]);
    }
    args.extend(["--listen".to_owned(), format!("127.0.0.1:{}", ports.plain)]);
    args.extend(["--admin".to_owned(), admin(settings, ports.bridge_admin)]);
    if let Some(name) = name {
        args.extend(["--server-name".to_owned(), name.to_owned()]);
    }
    let container = container(BRIDGE, &settings.image, &args.into(), wish, settings);
    observe(container, "s3bridge-admin", ports.bridge_admin, "/livez", "/readyz")
}

/// Where the platform calls.
fn admin(settings: &Injection, port: u16) -> String {
    SocketAddr::new(settings.bind_address, port).to_string()
}

fn helper(wish: &Wish, settings: &Injection) -> Value {
    let args = json!(["-config", format!("{HELPER_FOLDER}/helper.conf")]);
    let container = container(HELPER, &settings.spiffe.helper_image, &args, wish, settings);
    observe(container, "s3spiffe-health", settings.ports.helper, "/live", "/ready")
}

fn container(name: &str, image: &str, args: &Value, wish: &Wish, settings: &Injection) -> Value {
    json!({
        "name": name,
        "image": image,
        "imagePullPolicy": settings.image_pull_policy.as_str(),
        "args": args,
        "restartPolicy": "Always",
        "resources": resources(wish, settings),
        "securityContext": security_context(settings.run_as_user),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts(name),
    })
}

/// The pod's containers start when this one is ready. It has two minutes for that: STS, SPIRE or a gateway may be slow.
const START_ATTEMPTS: u32 = 120;

/// Probes and a named port. There is no readiness probe: a pod that goes out of service because S3 is away helps nobody.
fn observe(mut container: Value, port_name: &str, port: u16, alive: &str, ready: &str) -> Value {
    let get = |path: &str| json!({"path": path, "port": port});
    container["ports"] = json!([{"name": port_name, "containerPort": port, "protocol": "TCP"}]);
    container["startupProbe"] = json!({"httpGet": get(ready), "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": START_ATTEMPTS});
    container["livenessProbe"] =
        json!({"httpGet": get(alive), "periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 6});
    container
}

fn resources(wish: &Wish, settings: &Injection) -> Value {
    let mut resources = json!({"requests": {}, "limits": {}});
    for (key, quantity) in settings.resources.iter().chain(&wish.resources) {
        let (part, name) = key.parts();
        resources[part][name] = quantity.as_str().into();
    }
    resources
}

fn security_context(user: RunAs) -> Value {
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if let RunAs::User(user) = user {
        context["runAsUser"] = user.into();
        context["runAsGroup"] = user.into();
    }
    context
}
