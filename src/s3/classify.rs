//! From a request head to the one operation that it is, and every access that it needs.
//!
//! First stage of the journey. Fails closed: a query parameter, header or method that no row of the table asks
//! for makes the request unknown, and unknown requests are refused.

use http::HeaderValue;
use http::request::Parts;

use super::access::{Access, Scope};
use super::action::Action;
use super::address::{Domains, Target, target};
use super::copy_source::{self, CopySource};
use super::delete_objects::{self, Victim};
use super::document::{self, Document};
use super::error::{ErrorCode, Refusal};
use super::header;
use super::name::{BucketName, KeyPrefix, NameError, ObjectKey};
use super::operation::{Needs, On, Operation, Row};
use super::query::Query;
use super::retention::Retention;
use super::table::TABLE;

/// A fully understood request: what it is and what it touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    operation: Operation,
    target: Target,
    query: Query,
    accesses: Vec<Access>,
    retention: Option<Retention>,
    bucket_prefix: String,
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

    /// Every access, in the order of the request; empty only while the body that names them has not been read.
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// For ListBuckets, what the names must start with. S3 is not asked for it: whether and where its answer goes on
    /// would tell of buckets that the client may not know of.
    pub fn bucket_prefix(&self) -> &str {
        &self.bucket_prefix
    }

    /// The retention that the request states for an object.
    pub fn retention(&self) -> Option<Retention> {
        self.retention
    }
}

/// The result of reading the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classified {
    /// The head says everything.
    Whole(Asked),
    /// The body says more, and has to be read.
    Unread(Unread),
    /// One of S3's operations, and none that the proxy offers to anybody.
    Never(NeverOffered),
}

impl Classified {
    /// The operation, which is known even while the body is not.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Whole(asked) => asked.operation,
            Self::Unread(unread) => unread.asked.operation,
            Self::Never(never) => never.operation,
        }
    }

    /// What the request is addressed to.
    pub fn target(&self) -> &Target {
        match self {
            Self::Whole(asked) => &asked.target,
            Self::Unread(unread) => &unread.asked.target,
            Self::Never(never) => &never.target,
        }
    }
}

/// An operation that is known by name and refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverOffered {
    operation: Operation,
    target: Target,
    why: &'static str,
}

impl NeverOffered {
    /// The reason, for the client.
    pub fn refusal(&self) -> Refusal {
        Refusal::new(
            ErrorCode::NotImplemented,
            format!("{} is not offered here: {}", self.operation, self.why),
        )
    }
}

/// A request whose body has to be read before it can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    asked: Asked,
    document: Document,
    /// What the headers demand for each key of a batch.
    further: Vec<Action>,
}

impl Unread {
    /// The operation.
    pub fn operation(&self) -> Operation {
        self.asked.operation
    }

    /// What the request is addressed to.
    pub fn target(&self) -> &Target {
        &self.asked.target
    }

    /// The accesses that the head alone tells.
    pub fn accesses(&self) -> &[Access] {
        &self.asked.accesses
    }

    /// The actions that the head alone asks for, on whatever the body names.
    pub fn actions(&self) -> impl Iterator<Item = Action> {
        self.asked.accesses.iter().map(|access| access.action).chain(self.further.iter().copied())
    }

    /// What the body is.
    pub fn document(&self) -> Document {
        self.document
    }

    /// Reads the body.
    pub fn with_body(mut self, body: &[u8]) -> Result<Asked, Refusal> {
        match (self.document, self.asked.target.bucket().cloned()) {
            (Document::Delete, Some(bucket)) => {
                for victim in delete_objects::parse(body)? {
                    self.delete(&bucket, &victim)?;
                }
            }
            (Document::RestoreRequest, _) => document::restore(body)?,
            (Document::Retention, _) => self.asked.retention = document::retention(body)?,
            (Document::CreateBucketConfiguration, Some(bucket)) => {
                if document::bucket_has_tags(body)? {
                    self.asked.accesses.push(Access::in_bucket(Action::TagResource, &bucket));
                }
            }
            (Document::Delete | Document::CreateBucketConfiguration, None) => return Err(misfit()),
        }
        Ok(self.asked)
    }

    fn delete(&mut self, bucket: &BucketName, victim: &Victim) -> Result<(), Refusal> {
        let key: ObjectKey = victim.key.parse().map_err(|e: NameError| {
            Refusal::new(ErrorCode::KeyTooLongError, format!("A key of the batch is not usable: {e}."))
        })?;
        let version = victim.version.as_deref();
        let delete = if version.is_some() { Action::DeleteObjectVersion } else { Action::DeleteObject };
        let read = victim.if_match.then_some(if version.is_some() {
            Action::GetObjectVersion
        } else {
            Action::GetObject
        });
        let actions = std::iter::once(delete).chain(read).chain(self.further.iter().copied());
        let access = |action| Access::on_object(action, bucket, &key, version);
        self.asked.accesses.extend(actions.map(access));
        Ok(())
    }
}

/// Names the operation of a request head.
///
/// Normalizes the head on the way: headers that a presigner moved into the query go back among the headers, and
/// `x-amz-copy-source` takes its one canonical form.
pub fn classify(head: &mut Parts, domains: &Domains) -> Result<Classified, Refusal> {
    if let Some(never) = object_lambda(head) {
        return Ok(never);
    }
    let target = target(head, domains)?;
    let mut query = Query::parse(head.uri.query().unwrap_or_default())?;
    header::unhoist(&mut head.headers, &query)?;
    let row = select(head, &target, &query)?;
    if let Needs::Never(why) = row.needs {
        return Ok(Classified::Never(NeverOffered { operation: row.operation, target, why }));
    }
    header::check(&mut head.headers)?;
    let further = header::needs(row.operation, &head.headers)?;
    let source = if row.copies { Some(canonical_copy_source(head)?) } else { None };
    let retention = Retention::of_headers(&head.headers)?;
    let bucket_prefix = match row.operation {
        Operation::ListBuckets => unpaged(&mut query),
        _ => String::new(),
    };
    let mut asked =
        Asked { operation: row.operation, target, query, accesses: Vec::new(), retention, bucket_prefix };
    asked.accesses = accesses(row.needs, &asked, source.as_ref(), &further)?;
    if row.operation == Operation::CopyObject
        && let (Some(source), Target::Object(bucket, key)) = (source, &asked.target)
    {
        asked.accesses.extend(copy_source::carried_along(&source, bucket, key, &head.headers)?);
    }
    Ok(match row.operation.document() {
        Some(document) => Classified::Unread(Unread { asked, document, further }),
        None => Classified::Whole(asked),
    })
}

/// Takes the paging out of a ListBuckets, and gives what the names must start with. The answer is always whole; no
/// token leads to a next page, so one that comes all the same was made up.
fn unpaged(query: &mut Query) -> String {
    for paging in ["max-buckets", "continuation-token"] {
        query.take(paging);
    }
    query.take("prefix").unwrap_or_default()
}

/// WriteGetObjectResponse has a path of its own, which would not do for a bucket.
fn object_lambda(head: &Parts) -> Option<Classified> {
    if head.method != http::Method::POST || head.uri.path() != "/WriteGetObjectResponse" {
        return None;
    }
    let row = TABLE.iter().find(|row| row.operation == Operation::WriteGetObjectResponse)?;
    let Needs::Never(why) = row.needs else { return None };
    Some(Classified::Never(NeverOffered { operation: row.operation, target: Target::Service, why }))
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
        |row: &&Row| row.on == on && row.method == method && row.copies == copies && matches(row, query);
    TABLE.iter().find(selected).ok_or_else(|| unknown(method, query, copies))
}

/// All selectors are there, and nothing that the row does not take.
fn matches(row: &Row, query: &Query) -> bool {
    let selects = |selector: &&str| match selector.split_once('=') {
        // An upload has an ID and a part a number: a store might take an empty one for none and do something else.
        Some((name, "*")) => query.value(name).is_some_and(|value| !value.is_empty()),
        Some((name, value)) => query.value(name) == Some(value),
        // A flag has no value.
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

/// The table is keyed by the kind of address, so that no operation meets another kind.
fn misfit() -> Refusal {
    Refusal::new(ErrorCode::InternalError, "The operation does not fit its address.")
}

fn accesses(
    needs: Needs,
    asked: &Asked,
    source: Option<&CopySource>,
    further: &[Action],
) -> Result<Vec<Access>, Refusal> {
    let version = asked.query.value("versionId");
    if version == Some("") {
        return Err(Refusal::new(ErrorCode::InvalidArgument, "Version id cannot be the empty string."));
    }
    let on_object = |actions: &[Action], bucket: &BucketName, key: &ObjectKey| -> Vec<Access> {
        actions.iter().map(|&action| Access::on_object(action, bucket, key, version)).collect()
    };
    let mut accesses = match (needs, &asked.target) {
        (Needs::Service(action), Target::Service) => vec![Access::on_account(action)],
        (Needs::Bucket(action), Target::Bucket(bucket)) => vec![Access::in_bucket(action, bucket)],
        (Needs::List(action), Target::Bucket(bucket)) => vec![list(action, bucket, &asked.query)?],
        (Needs::Object(actions), Target::Object(bucket, key)) => on_object(actions, bucket, key),
        (Needs::Versioned(current, versioned), Target::Object(bucket, key)) => {
            on_object(if version.is_some() { versioned } else { current }, bucket, key)
        }
        (Needs::CopyFrom, Target::Object(bucket, key)) => {
            let source = source.ok_or_else(misfit)?;
            vec![Access::on_object(Action::PutObject, bucket, key, None), source.read()]
        }
        // Only the body tells.
        (Needs::Batch, Target::Bucket(_)) => return Ok(Vec::new()),
        _ => return Err(misfit()),
    };
    match &asked.target {
        Target::Object(bucket, key) => {
            // Only a condition on what is there reads, and it reads what the request names.
            let named = |&action: &Action| match (action, version) {
                (Action::GetObject, Some(_)) => Action::GetObjectVersion,
                (action, _) => action,
            };
            let further: Vec<Action> = further.iter().map(named).collect();
            accesses.extend(on_object(&further, bucket, key));
        }
        Target::Bucket(bucket) => {
            accesses.extend(further.iter().map(|&action| Access::in_bucket(action, bucket)));
        }
        Target::Service => {}
    }
    Ok(accesses)
}

fn list(action: Action, bucket: &BucketName, query: &Query) -> Result<Access, Refusal> {
    let prefix = query.value("prefix").unwrap_or_default();
    if prefix.len() > MAX_PREFIX {
        let message = "The prefix is longer than any key could be: 1024 bytes.";
        return Err(Refusal::new(ErrorCode::KeyTooLongError, message));
    }
    Ok(Access::new(action, Scope::Prefix(bucket.clone(), KeyPrefix::new(prefix))))
}
