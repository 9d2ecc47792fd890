//! What the pod's own containers get: where S3 is, and keys that mean nothing. What a container says itself stays.

use serde_json::{Value, json};

use super::annotations::Wish;
use super::patch::Operations;
use super::pod::{Kind, Pod, is_ours};
use super::volumes::{CERTIFICATE_FOLDER, certificate_mount};
use crate::config::{Client, Injection, Mode};

/// A container with one of these goes its own way, and is left alone.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Variables that lead to a role.
pub(super) const ROLES: [&str; 4] = [
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

/// Variables with which a container chooses its credentials itself; keys of ours would come before a role.
const CREDENTIALS: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Keys that only have to be there: SDKs sign with them, and the proxy removes the signature.
const DUMMY: &str = "s3-access-proxy";

/// Adds to every container of a kind; `shift` containers have been put in front.
pub(super) fn equip(
    operations: &mut Operations,
    pod: &Pod<'_>,
    kind: Kind,
    shift: usize,
    wish: &Wish,
    settings: &Injection,
) {
    for (i, container) in pod.of_kind(kind).enumerate() {
        if is_ours(container.name()) || container.sets(&ENDPOINTS) {
            continue;
        }
        let at = format!("/spec/{}/{}", kind.as_str(), i + shift);
        let mut variables = vec![("AWS_ENDPOINT_URL_S3", endpoint(wish, settings))];
        if shows_certificate(wish) && !container.sets(&["AWS_CA_BUNDLE"]) {
            variables.push(("AWS_CA_BUNDLE", format!("{CERTIFICATE_FOLDER}/ca.crt")));
        }
        if let Some(region) = &settings.region
            && !container.sets(&REGIONS)
        {
            variables.push(("AWS_REGION", region.clone()));
        }
        if !container.sets(&CREDENTIALS) {
            variables.push(("AWS_ACCESS_KEY_ID", DUMMY.to_owned()));
            variables.push(("AWS_SECRET_ACCESS_KEY", DUMMY.to_owned()));
        }
        operations.append(&at, "env", container.has_list("env"), variables.into_iter().map(variable));
        if shows_certificate(wish) {
            let mount = std::iter::once(certificate_mount(true));
            operations.append(&at, "volumeMounts", container.has_list("volumeMounts"), mount);
        }
    }
}

fn variable((name, value): (&str, String)) -> Value {
    json!({"name": name, "value": value})
}

fn shows_certificate(wish: &Wish) -> bool {
    wish.mode == Mode::Sidecar && wish.client == Client::Certificate
}

fn endpoint(wish: &Wish, settings: &Injection) -> String {
    if shows_certificate(wish) {
        // By name, because that is what the certificate bears.
        format!("https://localhost:{}", settings.ports.proxy)
    } else {
        format!("http://127.0.0.1:{}", settings.ports.plain)
    }
}

/// Containers that will not use the sidecar, or may not have to.
pub(super) fn warnings(pod: &Pod<'_>, wish: &Wish) -> Vec<String> {
    let own_way = pod.containers().filter(|container| container.sets(&ENDPOINTS));
    let warning = |name: &str| {
        format!(
            "container {name} says where S3 is by itself and is not led to the proxy (AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL)"
        )
    };
    let keyed = pod.containers().filter(|container| !wish.own_credentials && container.fetches_key());
    let keyed = keyed.map(|container| {
        let name = container.name();
        format!(
            "container {name} takes AWS_ACCESS_KEY_ID from elsewhere; with a key that AWS takes it can walk around the proxy"
        )
    });
    own_way.map(|container| warning(container.name())).chain(keyed).collect()
}
