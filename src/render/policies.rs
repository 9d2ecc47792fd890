//! Each policy as a file of its own, for people and tools that look at policies alone. What only the account can say is
//! left as its mark, `{{key_arn}}`.

use serde_json::Value;

use super::Rendered;
use crate::spec::{Desired, DesiredTopic};

/// Bucket policies, policies of roles with their trust, and those of endpoint, key and topic.
pub fn policies(desired: &Desired) -> Vec<Rendered> {
    let mut files = Vec::new();
    let mut file = |path: String, document: &Value| {
        files.push(Rendered { path: format!("policies/{path}.json"), text: format!("{document:#}\n") });
    };
    for bucket in &desired.buckets {
        file(format!("bucket/{}", bucket.base), &bucket.policy);
    }
    for policy in &desired.policies {
        file(format!("managed/{}", policy.name), &policy.document);
    }
    for role in &desired.roles {
        file(format!("role/{}/trust", role.name), &role.trust);
        for inline in &role.inline {
            file(format!("role/{}/{}", role.name, inline.name), &inline.document);
        }
    }
    file("endpoint".to_owned(), &desired.endpoint.policy);
    if let Some(key) = &desired.key {
        file("key".to_owned(), &key.policy);
    }
    if let Some(DesiredTopic::Own { policy, .. }) = &desired.topic {
        file("topic".to_owned(), policy);
    }
    files
}
