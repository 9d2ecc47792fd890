//! Lines of the access log, read back.

use std::io::BufRead;

use serde::Deserialize;

use crate::identity::ClientIdentity;
use crate::s3::{Access, BucketName, KeyPrefix, Operation, Scope};

/// A line that is none of the access log's.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    line: usize,
    why: String,
}

/// One logged request.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) identity: ClientIdentity,
    pub(super) operation: Operation,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    /// What it touched; `None` where the line does not tell.
    pub(super) accesses: Option<Vec<Access>>,
    /// Whether the proxy let it through to S3, whatever S3 said.
    pub(super) passed: bool,
}

#[derive(Deserialize)]
struct Line {
    identity: String,
    operation: Option<String>,
    bucket: Option<String>,
    key: Option<String>,
    error_code: Option<String>,
    upstream_ms: Option<f64>,
    grant: Option<String>,
    accesses: Option<Vec<LoggedAccess>>,
    accesses_omitted: Option<usize>,
}

#[derive(Deserialize)]
struct LoggedAccess {
    action: String,
    bucket: Option<String>,
    key: Option<String>,
    prefix: Option<String>,
    version: Option<String>,
}

/// Reads a log; requests that were no operation of S3's are `None`. Empty lines do not count.
pub(super) fn read(log: impl BufRead) -> impl Iterator<Item = Result<Option<Seen>, BadLine>> {
    let lines = log.lines().enumerate();
    lines.filter(|(_, text)| !text.as_ref().is_ok_and(|text| text.trim().is_empty())).map(|(i, text)| {
        let bad = |why: String| BadLine { line: i + 1, why };
        let text = text.map_err(|error| bad(error.to_string()))?;
        let line: Line = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        seen(line).map_err(bad)
    })
}

fn seen(line: Line) -> Result<Option<Seen>, String> {
    let Some(operation) = &line.operation else { return Ok(None) };
    let operation: Operation =
        operation.parse().map_err(|error| format!("operation '{operation}': {error}"))?;
    let identity = line.identity.parse().map_err(|error| format!("identity '{}': {error}", line.identity))?;
    let bucket: Option<BucketName> = line.bucket.as_deref().and_then(|name| name.parse().ok());
    let accesses = match &line.accesses {
        Some(_) if line.accesses_omitted.is_some() => None,
        Some(logged) => Some(logged.iter().map(access).collect::<Result<Vec<_>, _>>()?),
        None => operation.obvious_accesses(bucket.as_ref(), line.key.as_deref()),
    };
    let refused_here = line.upstream_ms.is_none() && line.error_code.as_deref() == Some("AccessDenied");
    let passed = line.grant.as_deref().is_some_and(|grant| !grant.starts_with("guardrail:")) && !refused_here;
    Ok(Some(Seen { identity, operation, bucket: line.bucket, key: line.key, accesses, passed }))
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
    Ok(Access { version: logged.version.clone(), ..Access::new(action, scope) })
}
