//! Makes the webhook's own certificate known: the authority in its Secret, and `caBundle` in the webhook configurations.
//!
//! Every replica does the same and none leads. What is in the Secret decides, it is only replaced at the version that was
//! read, and the bundle is computed from it alone: replicas cannot undo each other's work.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::authority::{Authority, AuthorityError, Leaf};
use crate::cluster::{Cluster, ClusterError};
use crate::config::SelfManaged;

/// Why the certificate is not known yet. All of it passes, or is for an administrator.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An answer that is none.
    #[error("{what}: the API server answered {status}: {message}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The answer.
        status: StatusCode,
        /// What it says, or how to mend it.
        message: String,
    },
    /// Another replica was faster.
    #[error("{0} has just been changed by another")]
    Conflict(String),
    /// Certificates.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// What is to be kept known.
pub struct Registration {
    cluster: Cluster,
    managed: SelfManaged,
    shown: Option<Leaf>,
}

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

impl Registration {
    /// By way of an API server.
    pub fn new(cluster: Cluster, managed: SelfManaged) -> Self {
        Self { cluster, managed, shown: None }
    }

    /// Does whatever is to be done, and returns a new certificate if one is to be shown from now on.
    pub async fn settle(&mut self, now: OffsetDateTime) -> Result<Option<&Leaf>, RegistrationError> {
        let authority = self.authority(now).await?;
        let mut changed = false;
        for (kind, name) in self.configurations() {
            changed |= self.bundle(kind, &name, &authority.bundle()).await?;
        }
        let shown = self.shown.as_ref();
        // The API server takes a moment to hear of a bundle: what is still trusted goes on for this once.
        let waits = changed && shown.is_some_and(|leaf| leaf.is_in_date(now));
        if waits || shown.is_some_and(|leaf| authority.still_stands_by(leaf, now)) {
            return Ok(None);
        }
        let leaf = authority.issue(&self.managed.names, now)?;
        Ok(Some(&*self.shown.insert(leaf)))
    }

    fn configurations(&self) -> Vec<(&'static str, String)> {
        let name = |kind| move |name: &crate::config::ObjectName| (kind, name.as_str().to_owned());
        let mutating = self.managed.mutating.iter().map(name("mutatingwebhookconfigurations"));
        mutating.chain(self.managed.validating.iter().map(name("validatingwebhookconfigurations"))).collect()
    }

    /// The one in the Secret, or a new one that is put there.
    async fn authority(&self, now: OffsetDateTime) -> Result<Authority, RegistrationError> {
        let secret = &self.managed.secret;
        let (namespace, name) = (secret.namespace.as_str(), secret.name.as_str());
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let what = format!("secret {namespace}/{name}");
        let mut document = self.get(&path, &what).await?;
        let next = match Authority::read(document.get("data")) {
            Ok(Some(authority)) if !authority.is_due(now) => return Ok(authority),
            Ok(Some(authority)) => authority.follow(now)?,
            Ok(None) => Authority::new(now)?,
            Err(error) => {
                tracing::warn!(%error, what, "the authority is made anew");
                Authority::new(now)?
            }
        };
        document["data"] = next.write();
        let (status, answer) =
            self.cluster.ask(Method::PUT, &path, "application/json", Some(&document)).await?;
        judge(&what, status, &answer)?;
        tracing::info!(secret = what, "a new certificate authority");
        Ok(next)
    }

    /// Whether the bundle of a configuration had to be changed.
    async fn bundle(&self, kind: &str, name: &str, bundle: &str) -> Result<bool, RegistrationError> {
        let (path, what) = (format!("{GROUP}/{kind}/{name}"), format!("{kind} {name}"));
        let document = self.get(&path, &what).await?;
        let bundle = STANDARD.encode(bundle);
        let version = &document["metadata"]["resourceVersion"];
        let mut patch = vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": version})];
        let webhooks = document["webhooks"].as_array().map_or(&[][..], Vec::as_slice);
        for (i, webhook) in webhooks.iter().enumerate() {
            if webhook["clientConfig"]["caBundle"] != bundle.as_str() {
                let path = format!("/webhooks/{i}/clientConfig/caBundle");
                patch.push(json!({"op": "add", "path": path, "value": bundle}));
            }
        }
        if patch.len() == 1 {
            return Ok(false);
        }
        let patch = Value::Array(patch);
        let kind = "application/json-patch+json";
        let (status, answer) = self.cluster.ask(Method::PATCH, &path, kind, Some(&patch)).await?;
        judge(&what, status, &answer)?;
        tracing::info!(configuration = what, "caBundle written");
        Ok(true)
    }

    async fn get(&self, path: &str, what: &str) -> Result<Value, RegistrationError> {
        let (status, answer) = self.cluster.ask(Method::GET, path, "application/json", None).await?;
        judge(what, status, &answer)?;
        Ok(answer)
    }
}

fn judge(what: &str, status: StatusCode, answer: &Value) -> Result<(), RegistrationError> {
    if status.is_success() {
        return Ok(());
    }
    // The second is how a patch's `test` fails.
    if matches!(status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) {
        return Err(RegistrationError::Conflict(what.to_owned()));
    }
    let message = match status {
        StatusCode::NOT_FOUND => "it is not there; the chart makes it",
        StatusCode::FORBIDDEN => "not allowed; the chart's Role and ClusterRole allow it",
        StatusCode::UNAUTHORIZED => "the ServiceAccount's token is not taken",
        _ => answer["message"].as_str().unwrap_or("without a message"),
    };
    Err(RegistrationError::Refused {
        what: what.to_owned(),
        status,
        message: message.chars().take(200).collect(),
    })
}
