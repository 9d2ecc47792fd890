//! What speaks against a sidecar in a pod, whatever its annotations say.

use serde_json::Value;

use super::annotations::Wish;
use super::application::ROLES;
use super::pod::{Container, Kind, PROXY, Pod, is_ours};
use super::volumes::{NAMES, TOKEN};
use super::{LABEL, PREFIX, Refusal};
use crate::config::{Injection, Mode};

/// The admission policies' expressions count so far; a pod of more would get half of what it needs.
pub(super) const MOST_CONTAINERS: usize = 32;

/// Audiences of tokens that AWS takes.
const AUDIENCES: [&str; 2] = ["sts.amazonaws.com", "pods.eks.amazonaws.com"];

pub(super) fn find(pod: &Pod<'_>, wish: &Wish, settings: &Injection) -> Vec<Refusal> {
    let found = [
        windows(pod),
        host_network(pod),
        processes(pod, wish),
        too_many(pod),
        container_names(pod),
        volume_names(pod),
        own_role(pod, wish),
        own_keys(pod, wish),
        own_token(pod, wish, settings),
        our_token(pod),
    ];
    found.into_iter().flatten().collect()
}

fn refusal(what: &str, why: impl Into<String>) -> Refusal {
    Refusal { what: what.to_owned(), why: why.into() }
}

fn windows(pod: &Pod<'_>) -> Option<Refusal> {
    let os = pod.spec("os").and_then(|os| os.get("name")?.as_str());
    let node = pod.spec("nodeSelector").and_then(|selector| selector.get("kubernetes.io/os")?.as_str());
    if os != Some("windows") && node != Some("windows") {
        return None;
    }
    Some(refusal("spec", format!("the sidecar does not run on Windows; remove the label {LABEL}")))
}

fn host_network(pod: &Pod<'_>) -> Option<Refusal> {
    if pod.spec("hostNetwork").and_then(Value::as_bool) != Some(true) {
        return None;
    }
    let why =
        "on the node's network every process of the node would reach the proxy; remove it, or the label";
    Some(refusal("spec.hostNetwork", format!("{why} {LABEL}")))
}

/// Who sees the proxy's process sees its files by `/proc/PID/root`, and so its token.
fn processes(pod: &Pod<'_>, wish: &Wish) -> Option<Refusal> {
    let shares = |key: &&str| pod.spec(key).and_then(Value::as_bool) == Some(true);
    let key = ["shareProcessNamespace", "hostPID"].into_iter().find(shares)?;
    if wish.mode != Mode::Sidecar {
        return None;
    }
    let why = "who sees the proxy's process can read its token; remove it, or take the mode bridge";
    Some(refusal(&format!("spec.{key}"), why))
}

fn too_many(pod: &Pod<'_>) -> Option<Refusal> {
    let most = pod.list("containers").len().max(pod.list("initContainers").len());
    if most <= MOST_CONTAINERS {
        return None;
    }
    Some(refusal(
        "spec.containers",
        format!("a pod with a sidecar has {MOST_CONTAINERS} containers of a kind at most"),
    ))
}

fn names<'a>(containers: impl Iterator<Item = Container<'a>>) -> String {
    containers.map(|container| container.name()).collect::<Vec<_>>().join(", ")
}

fn container_names(pod: &Pod<'_>) -> Option<Refusal> {
    let taken = names(pod.of_kind(Kind::Main).filter(|container| is_ours(container.name())));
    if taken.is_empty() {
        return None;
    }
    Some(refusal("spec.containers", format!("only the sidecar is called {taken}; rename the container")))
}

fn volume_names(pod: &Pod<'_>) -> Option<Refusal> {
    if pod.is_injected() {
        return None;
    }
    let volumes = pod.list("volumes").iter().filter_map(|volume| volume.get("name")?.as_str());
    let taken: Vec<_> = volumes.filter(|name| NAMES.contains(name)).collect();
    if taken.is_empty() {
        return None;
    }
    Some(refusal(
        "spec.volumes",
        format!("only the sidecar's are called {}; rename the volume", taken.join(", ")),
    ))
}

fn exception() -> String {
    format!("take the role off the ServiceAccount, or say {PREFIX}own-aws-credentials: \"true\"")
}

/// With a role of its own an application can walk around the proxy.
fn own_role(pod: &Pod<'_>, wish: &Wish) -> Option<Refusal> {
    if wish.own_credentials {
        return None;
    }
    let with = names(pod.containers().filter(|container| container.sets(&ROLES)));
    if with.is_empty() {
        return None;
    }
    let what = "spec.containers";
    Some(refusal(
        what,
        format!("{with}: the environment holds an AWS role beside the proxy's; {}", exception()),
    ))
}

/// Keys that stand in the pod itself. Those of a Secret cannot be seen, and are warned of.
fn own_keys(pod: &Pod<'_>, wish: &Wish) -> Option<Refusal> {
    if wish.own_credentials {
        return None;
    }
    let with = names(pod.containers().filter(Container::holds_key));
    if with.is_empty() {
        return None;
    }
    let why = format!(
        "{with}: the environment holds an AWS access key; take it out, or say {PREFIX}own-aws-credentials: \"true\""
    );
    Some(refusal("spec.containers", why))
}

fn own_token(pod: &Pod<'_>, wish: &Wish, settings: &Injection) -> Option<Refusal> {
    if wish.own_credentials {
        return None;
    }
    let volumes = pod.list("volumes").iter().filter(|volume| is_aws_token(volume, settings));
    let others: Vec<_> =
        volumes.filter_map(|volume| volume.get("name")?.as_str()).filter(|name| *name != TOKEN).collect();
    if others.is_empty() {
        return None;
    }
    Some(refusal(
        "spec.volumes",
        format!("{}: a token for AWS beside the proxy's; {}", others.join(", "), exception()),
    ))
}

fn is_aws_token(volume: &Value, settings: &Injection) -> bool {
    let sources = volume.get("projected").and_then(|projected| projected.get("sources")?.as_array());
    let audience =
        |source: &Value| Some(source.get("serviceAccountToken")?.get("audience")?.as_str()?.to_owned());
    let of_aws =
        |audience: String| AUDIENCES.contains(&audience.as_str()) || audience == settings.token.audience;
    sources.into_iter().flatten().filter_map(audience).any(of_aws)
}

fn our_token(pod: &Pod<'_>) -> Option<Refusal> {
    let all = pod.of_kind(Kind::Init).chain(pod.of_kind(Kind::Main));
    let with = names(all.filter(|container| container.name() != PROXY && container.mounts(TOKEN)));
    if with.is_empty() {
        return None;
    }
    Some(refusal(
        "spec.containers",
        format!("{with}: the proxy's token is mounted; remove the mount of {TOKEN}"),
    ))
}
