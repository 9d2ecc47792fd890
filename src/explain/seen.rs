//! Lines of the access log, read back.

use std::io::BufRead;

use serde::Deserialize;

use super::question::certificate;
use crate::identity::ClientIdentity;
use crate::s3::{Access, BucketName, KeyPrefix, Necessity, Operation, Scope};

/// A log of which nothing can be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// Which one, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// One logged request.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) identity: ClientIdentity,
    pub(super) operation: Operation,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    /// What it touched.
    pub(super) accesses: Vec<Access>,
    /// Whether grants and guardrails let it pass.
    pub(super) passed: bool,
}

/// A whole log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Requests that were no operation of S3's, that were refused for another reason than what is granted, or of which
    /// the line does not tell every access.
    pub(super) untold: u64,
    /// Lines that are none of the access log's, such as the last one of a log that was cut.
    pub(super) unreadable: u64,
}

/// Reads a log line by line and hands on what was seen. Empty lines do not count; an error if no line can be read.
pub(super) fn read(log: impl BufRead, mut each: impl FnMut(Seen)) -> Result<Log, BadLine> {
    let (mut whole, mut first_bad, mut readable) = (Log::default(), None, false);
    for (i, text) in log.lines().enumerate() {
        let line = text.map_err(|error| error.to_string()).and_then(|text| match text.trim() {
            "" => Ok(None),
            text => serde_json::from_str::<Line>(text).map_err(|error| error.to_string()).map(Some),
        });
        match line.and_then(|line| line.map(seen).transpose()) {
            Ok(None) => {}
            Ok(Some(told)) => {
                readable = true;
                match told {
                    Some(seen) => each(seen),
                    None => whole.untold += 1,
                }
            }
            Err(why) => {
                whole.unreadable += 1;
                first_bad.get_or_insert(BadLine { line: i + 1, why });
            }
        }
    }
    match first_bad {
        Some(bad) if !readable => Err(bad),
        _ => Ok(whole),
    }
}

#[derive(Deserialize)]
struct Line {
    identity: String,
    identities: Option<Vec<String>>,
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
    #[serde(default)]
    possible: bool,
}

fn seen(line: Line) -> Result<Option<Seen>, String> {
    let Some(operation) = &line.operation else { return Ok(None) };
    let operation: Operation =
        operation.parse().map_err(|error| format!("operation '{operation}': {error}"))?;
    let names = line.identities.unwrap_or_else(|| vec![line.identity.clone()]);
    let identity = certificate(&names).map_err(|error| format!("identity '{}': {error}", line.identity))?;
    let bucket: Option<BucketName> = line.bucket.as_deref().and_then(|name| name.parse().ok());
    let accesses = match &line.accesses {
        Some(_) if line.accesses_omitted.is_some() => None,
        Some(logged) => Some(logged.iter().map(access).collect::<Result<Vec<_>, _>>()?),
        None => operation.obvious_accesses(bucket.as_ref(), line.key.as_deref()),
    };
    let denied = line.upstream_ms.is_none() && line.error_code.as_deref() == Some("AccessDenied");
    let granted = line.grant.is_some() && !denied;
    // What was refused for another reason says nothing of grants, and its line less than it needs to.
    let (Some(accesses), true) = (accesses, granted || denied) else { return Ok(None) };
    Ok(Some(Seen { identity, operation, bucket: line.bucket, key: line.key, accesses, passed: granted }))
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
