//! Who touched what, by the proxy's own log; and, set against S3's logs, what reached a bucket without the proxy.

mod bounded;
mod html;
mod lines;
mod passage;
mod proxy_log;
mod review;
mod server_log;
mod tally;
mod text;
mod trail;

use self::passage::Passage;
use self::tally::Tally;
use super::error::AuditError;
use super::place::Place;
use super::store::Store;
use crate::policy::{Policy, RolePattern};

pub use review::Review as AccessReview;

/// What to read, and what is known.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The proxy's access logs: files, or folders of them.
    pub proxy_logs: Vec<Place>,
    /// S3 server access logs.
    pub server_logs: Vec<Place>,
    /// CloudTrail's files with data events of S3.
    pub trails: Vec<Place>,
    /// Only these buckets; empty: every one.
    pub buckets: Vec<String>,
    /// The role that the proxy signs as.
    pub role: Option<RolePattern>,
    /// Roles that may go past the proxy, such as that of replication.
    pub expected: Vec<RolePattern>,
}

/// Reviews the logs; `policy` tells which grants are in use. Blocks.
pub fn review_access(
    store: &Store,
    access: &Access,
    policy: Option<&Policy>,
) -> Result<AccessReview, AuditError> {
    let mut passage = Passage::new(access)?;
    let mut tally = Tally::new(policy);
    let concerns = |bucket: Option<&str>| {
        access.buckets.is_empty()
            || bucket.is_some_and(|name| access.buckets.iter().any(|known| known == name))
    };
    for file in files(store, &access.proxy_logs)? {
        proxy_log::read(store, &file, |at, request| {
            passage.passed(at, request.upstream_request_id.as_deref())?;
            if concerns(request.bucket.as_deref()) {
                tally.count(request);
            }
            Ok(())
        })
        .map(|read| tally.lines(&read))?;
    }
    for file in files(store, &access.server_logs)? {
        server_log::read(store, &file, |reached| {
            if concerns(Some(&reached.bucket)) { passage.reached(&reached) } else { Ok(()) }
        })?;
    }
    for file in files(store, &access.trails)? {
        trail::read(store, &file, |reached| {
            if concerns(Some(&reached.bucket)) { passage.reached(&reached) } else { Ok(()) }
        })?;
    }
    Ok(AccessReview::new(access, tally, passage.finish()?, policy))
}

fn files(store: &Store, places: &[Place]) -> Result<Vec<Place>, AuditError> {
    let files: Result<Vec<_>, _> = places.iter().map(|place| store.files(place)).collect();
    Ok(files?.concat())
}
