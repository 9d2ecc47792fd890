//! Lines of the access log, read back by whoever asks what was done.

use serde::Deserialize;

use crate::identity::ClientIdentity;
use crate::s3::{Access, BucketName, KeyPrefix, Necessity, Operation, Scope};

/// A line, as far as anybody asks for it; [`AccessLine`](super::AccessLine) says what stands in it.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the fields of AccessLine")]
pub struct LoggedRequest {
    #[serde(default)]
    pub time: String,
    pub identity: String,
    pub identities: Option<Vec<String>>,
    pub operation: Option<String>,
    pub bucket: Option<String>,
    pub key: Option<String>,
    #[serde(default)]
    pub status: u16,
    pub error_code: Option<String>,
    #[serde(default)]
    pub bytes_in: u64,
    #[serde(default)]
    pub bytes_out: u64,
    pub upstream_ms: Option<f64>,
    pub upstream_request_id: Option<String>,
    pub grant: Option<String>,
    accesses: Option<Vec<LoggedAccess>>,
    accesses_omitted: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
struct LoggedAccess {
    action: String,
    bucket: Option<String>,
    key: Option<String>,
    prefix: Option<String>,
    version: Option<String>,
    #[serde(default)]
    possible: bool,
}

/// What a line says of grants.
#[derive(Debug)]
pub struct Seen {
    /// The client.
    pub identity: ClientIdentity,
    /// What it did.
    pub operation: Operation,
    /// Where.
    pub bucket: Option<String>,
    /// To what.
    pub key: Option<String>,
    /// What it touched.
    pub accesses: Vec<Access>,
    /// Whether grants and guardrails let it pass.
    pub passed: bool,
}

impl LoggedRequest {
    /// Whether the proxy itself refused it for what is granted.
    pub fn is_denied(&self) -> bool {
        self.upstream_ms.is_none() && self.error_code.as_deref() == Some("AccessDenied")
    }

    /// What it says of grants; `None` where it was no operation of S3's, was refused for another reason than what is
    /// granted, or does not tell every access. `Err` says what cannot be read.
    pub fn seen(&self) -> Result<Option<Seen>, String> {
        let Some(operation) = &self.operation else { return Ok(None) };
        let operation: Operation =
            operation.parse().map_err(|error| format!("operation '{operation}': {error}"))?;
        let names = self.identities.clone().unwrap_or_else(|| vec![self.identity.clone()]);
        let identity = ClientIdentity::named(&names)
            .map_err(|error| format!("identity '{}': {error}", self.identity))?;
        let bucket: Option<BucketName> = self.bucket.as_deref().and_then(|name| name.parse().ok());
        let accesses = match &self.accesses {
            Some(_) if self.accesses_omitted.is_some() => None,
            Some(logged) => Some(logged.iter().map(access).collect::<Result<Vec<_>, _>>()?),
            None => operation.obvious_accesses(bucket.as_ref(), self.key.as_deref()),
        };
        let denied = self.is_denied();
        let granted = self.grant.is_some() && !denied;
        // What was refused for another reason says nothing of grants, and its line less than it needs to.
        let (Some(accesses), true) = (accesses, granted || denied) else { return Ok(None) };
        let (bucket, key) = (self.bucket.clone(), self.key.clone());
        Ok(Some(Seen { identity, operation, bucket, key, accesses, passed: granted }))
    }
}

fn access(logged: &LoggedAccess) -> Result<Access, String> {
    let action = logged.action.parse().map_err(|error| format!("action '{}': {error}", logged.action))?;
    let bucket = |name: &String| name.parse().map_err(|error| format!("bucket '{name}': {error}"));
    let bucket: Option<BucketName> = logged.bucket.as_ref().map(bucket).transpose()?;
    let scope = match (bucket, &logged.key, &logged.prefix) {
        (None, _, _) => Scope::Service,
        (Some(bucket), Some(key), _) => {
            Scope::Object(bucket, key.parse().map_err(|error| format!("key '{key}': {error}"))?)
        }
        (Some(bucket), None, Some(prefix)) => Scope::Prefix(bucket, KeyPrefix::new(prefix)),
        (Some(bucket), None, None) => Scope::Bucket(bucket),
    };
    let necessity = if logged.possible { Necessity::Possible } else { Necessity::Needed };
    Ok(Access { version: logged.version.clone(), necessity, ..Access::new(action, scope) })
}
