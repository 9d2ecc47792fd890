//! Every operation of botocore's service model, as botocore serialises it (`tests/data/botocore`), is known: the
//! classifier names the same operation, bucket and key.

use std::collections::BTreeSet;

use http::request::Parts;
use s3_access_proxy::policy::{Effect, Grant, Policy};
use s3_access_proxy::s3::{Asked, Classified, Domains, Operation, classify};
use s3_access_proxy::sigv4::Payload;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    name: String,
    operation: String,
    bucket: Option<String>,
    key: Option<String>,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("../data/botocore/requests.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Row {
    fn head(&self) -> Parts {
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// The body; where the model calls one optional that S3 demands, the shortest.
    fn body(&self) -> &str {
        match (self.operation.as_str(), self.body.as_str()) {
            ("PutObjectRetention", "") => "<Retention/>",
            ("RestoreObject", "") => "<RestoreRequest/>",
            (_, body) => body,
        }
    }

    /// The name of the request: deprecated twins have that of what replaced them, and nothing but its host name, which
    /// no proxy sees, tells a bare `ListDirectoryBuckets` from a ListBuckets.
    fn operation(&self) -> &str {
        match self.operation.as_str() {
            "GetBucketLifecycle" => "GetBucketLifecycleConfiguration",
            "PutBucketLifecycle" => "PutBucketLifecycleConfiguration",
            "GetBucketNotification" => "GetBucketNotificationConfiguration",
            "PutBucketNotification" => "PutBucketNotificationConfiguration",
            "ListDirectoryBuckets" if self.target == "/" => "ListBuckets",
            other => other,
        }
    }
}

/// Known by name, and never offered.
const NEVER: [&str; 4] = ["CreateSession", "ListDirectoryBuckets", "RenameObject", "WriteGetObjectResponse"];

/// The operation, bucket and key, and the request itself if it is one that can be granted.
fn classified(row: &Row) -> (String, Option<String>, Option<String>, Option<Asked>) {
    let mut head = row.head();
    let classified = classify(&mut head, &Domains::new(["s3.internal".to_owned()]));
    let classified = classified.unwrap_or_else(|refusal| panic!("{}: {refusal}", row.name));
    let operation = classified.operation().to_string();
    let bucket = classified.target().bucket().map(ToString::to_string);
    let key = classified.target().key().map(ToString::to_string);
    let asked = match classified {
        Classified::Never(_) => None,
        Classified::Whole(asked) => Some(asked),
        Classified::Unread(unread) => Some(
            unread
                .with_body(row.body().as_bytes())
                .unwrap_or_else(|refusal| panic!("{}: {refusal}", row.name)),
        ),
    };
    if asked.is_some() {
        let length =
            head.headers.get("content-length").map(|length| length.to_str().unwrap().parse().unwrap());
        let chunked = head.headers.contains_key("transfer-encoding");
        let plan = Payload::plan(&head, if chunked { None } else { Some(length.unwrap_or(0)) });
        plan.unwrap_or_else(|refusal| panic!("{}: {refusal}", row.name));
    }
    (operation, bucket, key, asked)
}

#[test]
fn every_operation_of_the_service_model_is_known() {
    let everything = Grant {
        name: "everything".into(),
        effect: Effect::Allow,
        identities: vec!["spiffe://**".parse().unwrap()],
        buckets: vec!["*".parse().unwrap()],
        prefixes: None,
        actions: vec!["*".parse().unwrap()],
        role: None,
    };
    let entitlements = Policy::new(vec![everything]).entitle(&"spiffe://td/w".parse().unwrap());
    let mut seen = BTreeSet::new();
    for row in rows() {
        let (operation, bucket, key, asked) = classified(&row);
        assert_eq!(operation, row.operation(), "{}", row.name);
        assert_eq!(asked.is_none(), NEVER.contains(&row.operation()), "{}", row.name);
        if let Some(asked) = asked {
            assert_eq!((&bucket, &key), (&row.bucket, &row.key), "{}", row.name);
            assert!(entitlements.authorize(asked).is_ok(), "{}", row.name);
        }
        seen.insert(operation);
    }
    // The model does not know of the browser's form.
    let all: BTreeSet<String> = Operation::ALL.iter().map(ToString::to_string).collect();
    let unseen: Vec<_> = all.difference(&seen).collect();
    assert_eq!(unseen, ["PostObject"]);
}

#[test]
fn a_sub_resource_more_or_a_doubled_parameter_makes_a_request_unknown() {
    for row in rows() {
        let (path, query) = row.target.split_once('?').unwrap_or((&row.target, ""));
        let first = query.split('&').next().unwrap();
        let mut wrong = vec![format!("{path}?{query}&unheard-of"), format!("{path}?unheard-of=1&{query}")];
        if !first.is_empty() {
            wrong.push(format!("{path}?{query}&{first}"));
        }
        for target in wrong {
            let mut head = row.head();
            head.uri = target.parse().unwrap();
            let answer = classify(&mut head, &Domains::new(["s3.internal".to_owned()]));
            let refused = match answer {
                Err(_) => true,
                Ok(Classified::Never(_)) => NEVER.contains(&row.operation()),
                Ok(_) => false,
            };
            assert!(refused, "{}: {target}", row.name);
        }
    }
}
