//! A pod, or the template of one, as JSON that is only looked at. What has another type than Kubernetes gives it counts
//! as absent: the API server has something to say about it, or has said it already.

use serde_json::{Map, Value};

/// The proxy's container.
pub(super) const PROXY: &str = "s3-access-proxy";
/// The container of a bridge.
pub(super) const BRIDGE: &str = "s3-access-proxy-bridge";
/// The container that gets certificates from the Workload API.
pub(super) const HELPER: &str = "s3-access-proxy-spiffe";

pub(super) fn is_ours(container: &str) -> bool {
    matches!(container, PROXY | BRIDGE | HELPER)
}

#[derive(Debug)]
pub(super) struct Pod<'a>(&'a Value);

/// The two lists of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Init,
    Main,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Init => "initContainers",
            Kind::Main => "containers",
        }
    }
}

impl<'a> Pod<'a> {
    pub(super) fn new(pod: &'a Value) -> Self {
        Self(pod)
    }

    pub(super) fn label(&self, name: &str) -> Option<&'a Value> {
        self.0.get("metadata")?.get("labels")?.get(name)
    }

    pub(super) fn annotations(&self) -> Option<&'a Map<String, Value>> {
        self.0.get("metadata")?.get("annotations")?.as_object()
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&'a Value> {
        self.annotations()?.get(name)
    }

    pub(super) fn spec(&self, key: &str) -> Option<&'a Value> {
        self.0.get("spec")?.get(key)
    }

    pub(super) fn list(&self, key: &str) -> &'a [Value] {
        self.spec(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = Container<'a>> + use<'a> {
        self.list(kind.as_str()).iter().map(Container)
    }

    /// The pod's own containers, init containers first.
    pub(super) fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        let main = self.of_kind(Kind::Main);
        self.of_kind(Kind::Init).filter(|container| !is_ours(container.name())).chain(main)
    }

    /// Whether any of our containers is where injection puts it.
    pub(super) fn is_injected(&self) -> bool {
        self.of_kind(Kind::Init).any(|container| is_ours(container.name()))
    }
}

#[derive(Debug)]
pub(super) struct Container<'a>(&'a Value);

impl<'a> Container<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.text("name").unwrap_or_default()
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.0.get(key)?.as_str()
    }

    pub(super) fn has_list(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(Value::is_array)
    }

    fn names(&self, list: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let items = self.0.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(|item| item.get("name")?.as_str())
    }

    /// Whether its environment names one of these variables. What comes by `envFrom` cannot be seen.
    pub(super) fn sets(&self, variables: &[&str]) -> bool {
        self.names("env").any(|name| variables.contains(&name))
    }

    /// Every one of a name: Kubernetes takes the last.
    fn variables(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        let all = self.0.get("env").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        all.iter().filter(move |variable| variable["name"] == name)
    }

    /// Whether its environment has an access key of AWS, by how those begin: a user's, or a session's.
    ///
    /// Source: IAM user guide, "IAM identifiers", unique ID prefixes.
    pub(super) fn holds_key(&self) -> bool {
        let mut keys = self.variables("AWS_ACCESS_KEY_ID").filter_map(|variable| variable["value"].as_str());
        keys.any(|key| key.starts_with("AKIA") || key.starts_with("ASIA"))
    }

    /// Whether its access key comes from elsewhere, where it cannot be seen.
    pub(super) fn fetches_key(&self) -> bool {
        self.variables("AWS_ACCESS_KEY_ID").any(|variable| variable.get("valueFrom").is_some())
    }

    pub(super) fn mounts(&self, volume: &str) -> bool {
        self.names("volumeMounts").any(|name| name == volume)
    }
}
