//! The policies of the declared account side, judged by an evaluator that is not ours: what the proxy permits, IAM
//! permits, and the other way round; and what AWS refuses whoever signs. `iam-rs` judges each policy; how the policies of
//! a role, its boundary, the bucket and the endpoint come together is IAM's published logic.

use std::path::Path;
use std::time::SystemTime;

use iam_rs::{
    Arn, Context, ContextValue, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy,
};
use s3_access_proxy::config::Declaration;
use s3_access_proxy::explain::{Question, explain};
use s3_access_proxy::s3::{Access, Action, Classified, Domains, Necessity, Scope, classify};
use s3_access_proxy::spec::{Fact, resolve};
use serde_json::{Value, json};

use crate::harness::table::{Call, rows};

fn declaration(name: &str) -> Declaration {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/bootstrap/{name}.yaml"));
    Declaration::load(&file).unwrap_or_else(|problems| panic!("{name}: {problems}"))
}

fn known(document: &Value) -> IAMPolicy {
    let fact = |fact: &Fact| {
        Some(match fact {
            Fact::KeyArn => "arn:aws:kms:eu-west-1:123456789012:key/own".to_owned(),
            Fact::EndpointId => "vpce-own".to_owned(),
            Fact::OidcIssuer => "oidc.example/id/1".to_owned(),
        })
    };
    IAMPolicy::from_json(&resolve(document, &fact).unwrap().to_string()).unwrap()
}

/// The policies that a request of a role meets.
struct Side {
    partition: String,
    role: String,
    /// Whether it is of the bucket's account, where either side's consent is enough.
    own_account: bool,
    identity: Vec<IAMPolicy>,
    boundary: Option<IAMPolicy>,
    bucket: IAMPolicy,
    endpoint: IAMPolicy,
}

impl Side {
    fn new(declared: &Declaration, who: &str) -> Self {
        let desired = &declared.desired;
        let partition = desired.partition.to_string();
        let everything = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "s3:*", "Resource": "*" } });
        let data = desired.buckets.iter().find(|bucket| bucket.base.as_str() == "data").unwrap();
        let workload = desired.roles.iter().find(|role| role.name == format!("demo-app-{who}"));
        let (role, identity, boundary) = match (who, workload) {
            ("break-glass", _) => {
                (format!("arn:{partition}:iam::123456789012:role/admin"), vec![known(&everything)], None)
            }
            ("partner", _) => {
                (format!("arn:{partition}:iam::210987654321:role/partner"), vec![known(&everything)], None)
            }
            (_, Some(role)) => {
                let attached = desired.policies.iter().filter(|policy| role.attached.contains(&policy.arn));
                let inline = role.inline.iter().map(|policy| &policy.document);
                let policies = inline.chain(attached.map(|policy| &policy.document)).map(known).collect();
                let boundary =
                    desired.policies.iter().find(|policy| Some(&policy.arn) == role.boundary.as_ref());
                (role.arn.clone(), policies, Some(known(&boundary.unwrap().document)))
            }
            // Whoever has every right by his own policies.
            ("stranger", None) => {
                (format!("arn:{partition}:iam::123456789012:role/stranger"), vec![known(&everything)], None)
            }
            _ => (format!("arn:{partition}:iam::123456789012:role/demo-app-{who}"), Vec::new(), None),
        };
        let (bucket, endpoint) = (known(&data.policy), known(&desired.endpoint.policy));
        Self {
            own_account: role.contains(":123456789012:"),
            partition,
            role,
            identity,
            boundary,
            bucket,
            endpoint,
        }
    }

    /// Explicit denials win; then the endpoint, the boundary and one of identity and bucket have to allow (both, across
    /// accounts). Source: IAM user guide, "Policy evaluation logic".
    fn allows(&self, access: &Access, circumstances: &Context, through_endpoint: bool) -> bool {
        let mut context = circumstances.clone();
        context.insert("aws:PrincipalArn".into(), ContextValue::String(self.role.clone()));
        let mut resource = format!("arn:{}:s3:::", self.partition);
        match &access.scope {
            Scope::Service => resource.push('*'),
            Scope::Bucket(bucket) => resource.push_str(bucket.as_str()),
            Scope::Object(bucket, key) => resource.extend([bucket.as_str(), "/", key.as_str()]),
            Scope::Prefix(bucket, prefix) => {
                resource.push_str(bucket.as_str());
                let by_prefix = [Action::ListBucket, Action::ListBucketVersions].contains(&access.action);
                if by_prefix && !prefix.as_str().is_empty() {
                    context.insert("s3:prefix".into(), ContextValue::String(prefix.to_string()));
                }
            }
        }
        let decide = |policy: &IAMPolicy| {
            let principal = Principal::Aws(PrincipalId::String(self.role.clone()));
            let resource = Arn::parse(&resource).unwrap();
            let request =
                IAMRequest::new_with_context(principal, access.action.as_str(), resource, context.clone());
            evaluate_policy(policy, &request).unwrap()
        };
        let identity: Vec<Decision> = self.identity.iter().map(decide).collect();
        let (bucket, boundary) = (decide(&self.bucket), self.boundary.as_ref().map(decide));
        let endpoint = if through_endpoint { decide(&self.endpoint) } else { Decision::Allow };
        let mut all = identity.iter().chain(&boundary).chain([&bucket, &endpoint]);
        if all.any(|decision| *decision == Decision::Deny) {
            return false;
        }
        let by_identity = identity.contains(&Decision::Allow);
        let by_bucket = bucket == Decision::Allow;
        let consent = if self.own_account { by_identity || by_bucket } else { by_identity && by_bucket };
        consent && endpoint == Decision::Allow && boundary.is_none_or(|decision| decision == Decision::Allow)
    }
}

fn ordinary() -> Context {
    let mut context = Context::new();
    context.insert("aws:SecureTransport".into(), ContextValue::Boolean(true));
    context.insert("s3:TlsVersion".into(), ContextValue::Number(1.3));
    context.insert("aws:SourceVpce".into(), ContextValue::String("vpce-own".into()));
    context.insert("aws:PrincipalIsAWSService".into(), ContextValue::Boolean(false));
    context.insert("aws:ViaAWSService".into(), ContextValue::Boolean(false));
    context
}

fn accesses(call: &Call) -> Vec<Access> {
    let mut request =
        http::Request::builder().method(call.method.as_str()).uri(&call.target).header("host", "h");
    for header in &call.headers {
        let (name, value) = header.split_once(':').unwrap();
        request = request.header(name.trim(), value.trim());
    }
    let Classified::Whole(asked) =
        classify(&mut request.body(()).unwrap().into_parts().0, &Domains::default()).unwrap()
    else {
        panic!("{} has its keys in the body", call.target);
    };
    asked.accesses().iter().filter(|access| access.necessity == Necessity::Needed).cloned().collect()
}

/// What no condition of IAM tells apart: `ListBucketMultipartUploads` knows no prefix, and a list without one looks like
/// `HeadBucket`.
fn is_beyond_iam(access: &Access) -> bool {
    access.action == Action::ListBucketMultipartUploads
}

const DECLARATIONS: [&str; 7] = [
    "analytics-read",
    "application-data",
    "created",
    "data-exchange",
    "log-sink",
    "replicated",
    "worm-archive",
];

/// Requests of every shape that grants tell apart; `{data}` is the bucket.
const REQUESTS: &[&str] = &[
    "GET /",
    "HEAD /{data}",
    "GET /{data}",
    "GET /{data}?location",
    "GET /{data}?prefix=daily/",
    "GET /{data}?prefix=daily/2026/",
    "GET /{data}?prefix=dail",
    "GET /{data}?prefix=by-namespace/app/",
    "GET /{data}?prefix=by-namespace/other/",
    "GET /{data}?versions&prefix=daily/",
    "GET /{data}?uploads&prefix=daily/",
    "GET /{data}/daily/x",
    "HEAD /{data}/daily/x",
    "GET /{data}/secret/x",
    "GET /{data}/dailyx",
    "GET /{data}/by-namespace/app/x",
    "GET /{data}/by-namespace/other/x",
    "GET /{data}/daily/x?versionId=1",
    "GET /{data}/daily/x?tagging",
    "PUT /{data}/daily/x",
    "PUT /{data}/secret/x",
    "DELETE /{data}/daily/x",
    "DELETE /{data}/daily/x?versionId=1",
    "POST /{data}/daily/x?uploads",
    "DELETE /{data}/daily/x?uploadId=1",
    "PUT /{data}?versioning",
    "PUT /{data}?policy",
    "DELETE /{data}",
    "GET /other-bucket/daily/x",
    "PUT /other-bucket/daily/x",
];

#[test]
fn what_the_proxy_permits_iam_permits_and_the_other_way_round() {
    let (mut permitted, mut refused) = (0, 0);
    for name in DECLARATIONS {
        let declared = declaration(name);
        let data = declared.desired.buckets.iter().find(|bucket| bucket.base.as_str() == "data").unwrap();
        for (workload, config) in declared.spec.workloads.iter().zip(&declared.configurations) {
            let side = Side::new(&declared, &workload.service_account);
            let identity = format!("spiffe://cluster.local/ns/app/sa/{}", workload.service_account);
            for request in REQUESTS {
                let request = request.replace("{data}", &data.name);
                let call = Call::parse(std::slice::from_ref(&request));
                let question = Question::new(
                    std::slice::from_ref(&identity),
                    &call.method,
                    &call.target,
                    &call.headers,
                    Vec::new(),
                );
                let by_proxy = explain(config, question.unwrap(), SystemTime::now()).is_allowed();
                let accesses = accesses(&call);
                let by_iam = accesses.iter().all(|access| side.allows(access, &ordinary(), true));
                let told_apart = !accesses.iter().any(is_beyond_iam);
                assert!(by_iam || !by_proxy, "{name}: {identity}: the proxy permits {request}, IAM does not");
                assert!(
                    by_proxy || !by_iam || !told_apart,
                    "{name}: {identity}: IAM permits {request}, the proxy does not"
                );
                permitted += usize::from(by_proxy);
                refused += usize::from(!by_proxy);
            }
        }
    }
    assert!(permitted > 40 && refused > 100, "{permitted} {refused}");
}

#[test]
fn what_aws_makes_of_a_request_under_circumstances() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for row in rows(include_str!("../data/bootstrap/requests.txt")) {
        let declared = declaration(&row[0]);
        let data = declared.desired.buckets.iter().find(|bucket| bucket.base.as_str() == "data").unwrap();
        let (end, circumstances) = (row.len() - 1, &row[row.len() - 2]);
        let mut call: Vec<String> = row[2..end - 1].to_vec();
        call[0] = call[0].replace("{data}", &data.name);
        let call = Call::parse(&call);
        let mut context = ordinary();
        for header in &call.headers {
            let (name, value) = header.split_once(": ").unwrap();
            let key = match name {
                "x-amz-object-lock-mode" => "s3:object-lock-mode".to_owned(),
                other => format!("s3:{other}"),
            };
            context.insert(key, ContextValue::String(value.to_owned()));
        }
        let mut through_endpoint = true;
        for circumstance in circumstances.split(", ") {
            match circumstance.split_once('=').unwrap_or((circumstance, "")) {
                ("plain", _) => context.insert("aws:SecureTransport".into(), ContextValue::Boolean(false)),
                ("tls1.1", _) => context.insert("s3:TlsVersion".into(), ContextValue::Number(1.1)),
                ("service", _) => {
                    context.insert("aws:PrincipalIsAWSService".into(), ContextValue::Boolean(true));
                }
                ("outside", _) => {
                    context.insert("aws:SourceVpce".into(), ContextValue::String("vpce-other".into()));
                    through_endpoint = false;
                }
                ("remaining", days) => context.insert(
                    "s3:object-lock-remaining-retention-days".into(),
                    ContextValue::Number(days.parse().unwrap()),
                ),
                ("-", _) => {}
                (other, _) => panic!("{other}"),
            }
        }
        let side = Side::new(&declared, &row[1]);
        // A header's own access, such as a retention's, is for the table of decisions; here it is about the object.
        let allowed = accesses(&call).iter().all(|access| side.allows(access, &context, through_endpoint));
        let found = if allowed { "=> allowed" } else { "=> denied" };
        if found != row[end] {
            wrong.push(format!("{}: {found}", row.join(" | ")));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 35, "{count}");
}
