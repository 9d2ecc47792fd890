//! AWS's limits on the size of policies: what is too long is split where that says the same, and refused where not.

use serde_json::{Value, json};

use super::frame::Frame;
use super::statement::document;
use crate::spec::desired::{Desired, Role, RoleKind};
use crate::spec::refusal::Refusal;

/// IAM quotas: characters of all inline policies of a role, without white space.
pub(super) const MAX_INLINE: usize = 10_240;
/// IAM quotas: characters of a managed policy, without white space.
const MAX_MANAGED: usize = 6_144;
/// IAM quotas: managed policies attached to a role, unless raised.
const MAX_ATTACHED: usize = 10;
/// IAM quotas: characters of a trust policy, unless raised.
const MAX_TRUST: usize = 2_048;
/// Amazon S3 user guide, "Policies and permissions": 20 KB.
const MAX_BUCKET_POLICY: usize = 20_480;
/// VPC quotas: characters of an endpoint policy.
const MAX_ENDPOINT_POLICY: usize = 20_480;
/// KMS quotas: 32 KB.
const MAX_KEY_POLICY: usize = 32_768;
/// CloudWatch Logs API reference, `PutMetricFilter`.
const MAX_FILTER: usize = 1_024;
/// EventBridge quotas: an event pattern.
const MAX_PATTERN: usize = 2_048;
/// What a mark is replaced by is longer than the mark: the ARN of a key has 75 characters and more, with a long region.
const LONGEST_FACT: usize = 90;

/// Characters of a document as it is sent, with room for what its marks stand for.
pub(super) fn length(document: &Value) -> usize {
    let text = document.to_string();
    text.len() + text.matches("{{").count() * LONGEST_FACT
}

/// Documents for managed policies that together say what the statements say.
///
/// Statements are independent of each other, and so are the resources and the alternatives of a condition within one: a
/// statement about two halves is two statements.
pub(super) fn split(statements: Vec<Value>) -> Vec<Value> {
    let mut parts: Vec<Vec<Value>> = Vec::new();
    for piece in statements.into_iter().flat_map(pieces) {
        match parts.last_mut() {
            Some(part) if length(&json!([part, piece])) + 60 <= MAX_MANAGED => part.push(piece),
            _ => parts.push(vec![piece]),
        }
    }
    parts.into_iter().map(|part| document(&part)).collect()
}

/// Half of the limit a piece, so that pieces pack well.
const PIECE: usize = MAX_MANAGED / 2;

fn pieces(statement: Value) -> Vec<Value> {
    if length(&statement) <= PIECE {
        return vec![statement];
    }
    for pointer in ["/Resource", "/Condition/StringLike/s3:prefix"] {
        let halves = statement.pointer(pointer).and_then(Value::as_array).filter(|items| items.len() > 1);
        let Some(items) = halves else { continue };
        let halves = items.split_at(items.len() / 2);
        let with = |half: &[Value]| {
            let mut statement = statement.clone();
            if let Some(items) = statement.pointer_mut(pointer) {
                *items = half.to_vec().into();
            }
            statement
        };
        return [halves.0, halves.1].into_iter().flat_map(|half| pieces(with(half))).collect();
    }
    vec![statement]
}

pub(super) fn all(frame: &Frame<'_>, desired: &Desired) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for bucket in &desired.buckets {
        let way_out = "name fewer prefixes in the grants (their common start, or a variable such as ${namespace}), or give \
                       some of them a bucket of their own";
        refuse(&mut refusals, &bucket.path, "the bucket policy", &bucket.policy, MAX_BUCKET_POLICY, way_out);
    }
    for (number, policy) in desired.policies.iter().enumerate() {
        let (path, way_out) = if number == 0 {
            (
                "buckets",
                "divide the declaration into two, each with a 'name' of its own: a boundary names every bucket",
            )
        } else {
            ("workloads", "name fewer prefixes in one grant")
        };
        refuse(
            &mut refusals,
            path,
            &format!("the policy {}", policy.name),
            &policy.document,
            MAX_MANAGED,
            way_out,
        );
    }
    for role in &desired.roles {
        refusals.extend(of_role(frame, role));
        for policy in &role.inline {
            let what = format!("the policy {} of role {}", policy.name, role.name);
            let way_out = "name fewer prefixes (their common start)";
            refuse(&mut refusals, "buckets", &what, &policy.document, MAX_INLINE, way_out);
        }
    }
    let way_out = "write other_buckets as patterns, such as team-*";
    refuse(
        &mut refusals,
        "network.other_buckets",
        "the endpoint policy",
        &desired.endpoint.policy,
        MAX_ENDPOINT_POLICY,
        way_out,
    );
    if let Some(key) = &desired.key {
        let way_out = "divide the declaration into two, each with a 'name' and a key of its own";
        refuse(&mut refusals, "workloads", "the key policy", &key.policy, MAX_KEY_POLICY, way_out);
    }
    for rule in &desired.rules {
        let way_out = "divide the declaration into two, each with a 'name' of its own, or name fewer prefixes in alert_deletes";
        refuse(
            &mut refusals,
            "alerts",
            &format!("the pattern of rule {}", rule.name),
            &rule.pattern,
            MAX_PATTERN,
            way_out,
        );
    }
    debug_assert!(desired.metric_filters.iter().all(|filter| filter.pattern.len() <= MAX_FILTER));
    refusals
}

fn of_role(frame: &Frame<'_>, role: &Role) -> Vec<Refusal> {
    let RoleKind::Workload { namespace, service_account } = &role.kind else { return Vec::new() };
    let is_it = |workload: &crate::spec::Workload| {
        workload.namespace == *namespace && workload.service_account == *service_account
    };
    let path = match frame.spec.workloads.iter().position(is_it) {
        Some(at) => format!("workloads[{at}]"),
        None => "workloads".to_owned(),
    };
    let mut refusals = Vec::new();
    refuse(&mut refusals, &path, "the trust policy", &role.trust, MAX_TRUST, "shorten the names in it");
    if role.attached.len() > MAX_ATTACHED {
        let message = format!(
            "the grants come to {} managed policies, and a role takes {MAX_ATTACHED}: name fewer prefixes (their common \
             start, or a variable such as ${{namespace}}), or divide the grants among several workloads",
            role.attached.len()
        );
        refusals.push(Refusal::new(format!("{path}.grants_from"), message));
    }
    refusals
}

fn refuse(
    refusals: &mut Vec<Refusal>,
    path: &str,
    what: &str,
    document: &Value,
    limit: usize,
    way_out: &str,
) {
    let length = length(document);
    if length > limit {
        let message = format!("{what} comes to {length} characters, and AWS takes {limit}: {way_out}");
        refusals.push(Refusal::new(path, message));
    }
}
