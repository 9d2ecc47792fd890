//! From a request head to the one operation that it is, and every access that it needs.
//!
//! First stage of the journey. Fails closed: a query parameter, header or method that no row of the table asks
//! for makes the request unknown, and unknown requests are refused.

use http::HeaderValue;
use http::request::Parts;

use super::access::{Access, Scope};
use super::action::Action;
use super::address::{Domains, Target, target};
use super::copy_source::CopySource;
use super::delete_objects;
use super::error::{ErrorCode, Refusal};
use super::header;
use super::name::{BucketName, KeyPrefix, NameError, ObjectKey};
use super::operation::{Needs, On, Operation, Row, TABLE};
use super::query::Query;

/// A fully understood request: what it is and what it touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    operation: Operation,
    target: Target,
    query: Query,
    accesses: Vec<Access>,
}

impl Asked {
    /// The operation.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// What the request is addressed to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The query that S3 should see.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Every access, in the order of the request; never empty.
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }
}

/// The result of reading the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classified {
    /// The head says everything.
    Whole(Asked),
    /// DeleteObjects: the keys are in the body.
    Batch(BatchDelete),
}

impl Classified {
    /// The operation, which is known even while the keys are not.
    pub fn operation(&self) -> Operation {
        self.asked().operation
    }

    /// What the request is addressed to.
    pub fn target(&self) -> &Target {
        &self.asked().target
    }

    fn asked(&self) -> &Asked {
        match self {
            Self::Whole(asked) => asked,
            Self::Batch(batch) => &batch.asked,
        }
    }
}

/// A DeleteObjects whose body has not been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchDelete {
    asked: Asked,
    bucket: BucketName,
    further: Vec<Action>,
}

impl BatchDelete {
    /// The bucket in which keys are to be deleted.
    pub fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    /// Reads the keys, each of which is an access.
    pub fn with_body(mut self, body: &[u8]) -> Result<Asked, Refusal> {
        for victim in delete_objects::parse(body)? {
            let key: ObjectKey = victim.key.parse().map_err(|e: NameError| {
                Refusal::new(ErrorCode::KeyTooLongError, format!("A key of the batch is not usable: {e}."))
            })?;
            let action =
                if victim.version.is_some() { Action::DeleteObjectVersion } else { Action::DeleteObject };
            for action in std::iter::once(action).chain(self.further.iter().copied()) {
                self.asked.accesses.push(Access {
                    action,
                    scope: Scope::Object(self.bucket.clone(), key.clone()),
                    version: victim.version.clone(),
                });
            }
        }
        Ok(self.asked)
    }
}

/// Names the operation of a request head.
///
/// Normalizes the head on the way: headers that a presigner moved into the query go back among the headers, and
/// `x-amz-copy-source` takes its one canonical form.
pub fn classify(head: &mut Parts, domains: &Domains) -> Result<Classified, Refusal> {
    let target = target(head, domains)?;
    let query = Query::parse(head.uri.query().unwrap_or_default())?;
    header::unhoist(&mut head.headers, &query)?;
    header::check(&mut head.headers)?;
    let row = select(head, &target, &query)?;
    let further = header::needs(row.operation, &head.headers)?;
    let source = if row.copies { Some(canonical_copy_source(head)?) } else { None };
    let mut asked = Asked { operation: row.operation, target, query, accesses: Vec::new() };
    if row.needs == Needs::Batch
        && let Some(bucket) = asked.target.bucket().cloned()
    {
        return Ok(Classified::Batch(BatchDelete { asked, bucket, further }));
    }
    asked.accesses = accesses(row.needs, &asked, source, &further)?;
    Ok(Classified::Whole(asked))
}

/// Parameters that any request may carry: SDKs add `x-id` to tell operations apart in their logs.
const BENIGN: [&str; 1] = ["x-id"];

/// No key is longer, so no list could find anything.
const MAX_PREFIX: usize = 1024;

fn select(head: &Parts, target: &Target, query: &Query) -> Result<&'static Row, Refusal> {
    let method = head.method.as_str();
    let on = match target {
        Target::Service => On::Service,
        Target::Bucket(_) => On::Bucket,
        Target::Object(..) => On::Object,
    };
    let copies = head.headers.contains_key("x-amz-copy-source");
    let selected =
        |row: &&Row| row.method == method && row.on == on && row.copies == copies && matches(row, query);
    TABLE.iter().find(selected).ok_or_else(|| unknown(method, query, copies))
}

/// All selectors are there, and nothing that the row does not take.
fn matches(row: &Row, query: &Query) -> bool {
    let selects = |selector: &&str| match selector.split_once('=') {
        Some((name, value)) => query.value(name) == Some(value),
        // An upload has an ID and a part a number: a store might take an empty one for none and do something else. A
        // flag has no value.
        None if matches!(*selector, "uploadId" | "partNumber") => {
            query.value(selector).is_some_and(|v| !v.is_empty())
        }
        None => query.value(selector) == Some(""),
    };
    let selector_names = || row.selector.iter().map(|s| s.split_once('=').map_or(*s, |(name, _)| name));
    row.selector.iter().all(selects)
        && query.parameters().iter().all(|p| {
            let name = p.name.as_str();
            selector_names().any(|n| n == name) || row.takes.contains(&name) || BENIGN.contains(&name)
        })
}

fn unknown(method: &str, query: &Query, copies: bool) -> Refusal {
    if !["GET", "HEAD", "PUT", "POST", "DELETE"].contains(&method) {
        return Refusal::new(
            ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        );
    }
    let names: Vec<&str> = query.parameters().iter().map(|p| p.name.as_str()).collect();
    let copy = if copies { " and x-amz-copy-source" } else { "" };
    let message = format!(
        "No operation known here is a {method} with the query parameters [{}]{copy}.",
        names.join(", ")
    );
    Refusal::new(ErrorCode::NotImplemented, message)
}

fn canonical_copy_source(head: &mut Parts) -> Result<CopySource, Refusal> {
    let source = CopySource::parse(head.headers.get("x-amz-copy-source").map_or(b"", HeaderValue::as_bytes))?;
    let value = HeaderValue::from_str(&source.to_header())
        .map_err(|_| Refusal::new(ErrorCode::InvalidArgument, "The copy source is no valid header value."))?;
    head.headers.insert("x-amz-copy-source", value);
    Ok(source)
}

fn accesses(
    needs: Needs,
    asked: &Asked,
    source: Option<CopySource>,
    further: &[Action],
) -> Result<Vec<Access>, Refusal> {
    let version = asked.query.value("versionId");
    if version == Some("") {
        return Err(Refusal::new(ErrorCode::InvalidArgument, "Version id cannot be the empty string."));
    }
    let on_object = |bucket: &BucketName, key: &ObjectKey, actions: &[Action], version: Option<&str>| {
        let access = |&action| Access {
            action,
            scope: Scope::Object(bucket.clone(), key.clone()),
            version: version.map(str::to_owned),
        };
        actions.iter().map(access).collect::<Vec<_>>()
    };
    let mut accesses = match (needs, &asked.target) {
        (Needs::Service(action), Target::Service) => vec![Access::on_account(action)],
        (Needs::Bucket(action), Target::Bucket(bucket)) => vec![Access::in_bucket(action, bucket)],
        (Needs::List(action), Target::Bucket(bucket)) => {
            let prefix = asked.query.value("prefix").unwrap_or_default();
            if prefix.len() > MAX_PREFIX {
                let message = "The prefix is longer than any key could be: 1024 bytes.";
                return Err(Refusal::new(ErrorCode::KeyTooLongError, message));
            }
            let prefix = KeyPrefix::new(prefix);
            vec![Access::new(action, Scope::Prefix(bucket.clone(), prefix))]
        }
        (Needs::Object(actions), Target::Object(bucket, key)) => on_object(bucket, key, actions, version),
        (Needs::Versioned(current, versioned), Target::Object(bucket, key)) => {
            on_object(bucket, key, if version.is_some() { versioned } else { current }, version)
        }
        (Needs::CopyFrom, Target::Object(bucket, key)) => {
            let mut both = on_object(bucket, key, &[Action::PutObject], None);
            let source =
                source.ok_or_else(|| Refusal::new(ErrorCode::InternalError, "A copy without a source."))?;
            let read = if source.version.is_some() { Action::GetObjectVersion } else { Action::GetObject };
            both.extend(on_object(&source.bucket, &source.key, &[read], source.version.as_deref()));
            both
        }
        // The table is keyed by the kind of address, so no other pair occurs.
        _ => return Err(Refusal::new(ErrorCode::InternalError, "The operation does not fit its address.")),
    };
    if let Target::Object(bucket, key) = &asked.target {
        accesses.extend(on_object(bucket, key, further, version));
    }
    Ok(accesses)
}
