//! Session policies against the grants that they were compiled from, judged by an evaluator that is not ours.

use iam_rs::{
    Arn, Context, ContextValue, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy,
};

use super::document::LISTS_BY_PREFIX;
use super::*;
use crate::policy::{Effect, Entitlements, Grant, Judgement, Policy};
use crate::s3::{Access, Action, Asked, Classified, Domains, Necessity, Scope, classify};

mod shape;

const BASE: &str = "arn:aws:iam::123456789012:role/s3-proxy";

/// `allow|deny; buckets; prefixes or -; actions`, each a list of words.
fn grant(number: usize, text: &str) -> Grant {
    let fields: Vec<&str> = text.split(';').map(str::trim).collect();
    let words = |at: usize| fields[at].split_whitespace();
    Grant {
        name: format!("g{number}").into(),
        effect: if fields[0] == "deny" { Effect::Deny } else { Effect::Allow },
        identities: vec!["spiffe://td/**".parse().unwrap(), "cn:*".parse().unwrap()],
        buckets: words(1).map(|b| b.parse().unwrap()).collect(),
        prefixes: (fields[2] != "-").then(|| words(2).map(|p| p.parse().unwrap()).collect()),
        actions: words(3).map(|a| a.parse().unwrap()).collect(),
        role: fields.get(4).map(|role| role.parse().unwrap()),
    }
}

fn entitled(grants: &[&str]) -> Entitlements {
    let grants = grants.iter().enumerate().map(|(number, text)| grant(number, text)).collect();
    Policy::new(grants).entitle(&"spiffe://td/ns/app/sa/api".parse().unwrap())
}

fn asked(request: &str) -> Asked {
    let mut words = request.split_whitespace();
    let (method, uri) = (words.next().unwrap(), words.next().unwrap());
    let mut builder = http::Request::builder().method(method).uri(uri).header("host", "h");
    if let Some(source) = words.next() {
        builder = builder.header("x-amz-copy-source", source);
    }
    let Classified::Whole(asked) =
        classify(&mut builder.body(()).unwrap().into_parts().0, &Domains::default()).unwrap()
    else {
        panic!("{request} has its keys in the body");
    };
    asked
}

fn persona(grants: &[&str]) -> Arc<Persona> {
    let entitlements = entitled(grants);
    let first = Acting {
        allow: entitlements.allow.clone(),
        deny: entitlements.deny.clone(),
        personas: Arc::default(),
        role: Ok(None),
    };
    first.persona(&BASE.parse().unwrap()).unwrap()
}

/// What the evaluator says of every access of a request that S3 asks for in any case.
fn iam_allows(policy: &str, accesses: &[Access]) -> bool {
    let policy = IAMPolicy::from_json(policy).unwrap();
    let needed = accesses.iter().filter(|access| access.necessity == Necessity::Needed);
    needed.into_iter().all(|access| {
        let mut context = Context::new();
        let resource = match &access.scope {
            Scope::Service => "arn:aws:s3:::*".to_owned(),
            Scope::Bucket(bucket) => format!("arn:aws:s3:::{bucket}"),
            Scope::Object(bucket, key) => format!("arn:aws:s3:::{bucket}/{key}"),
            Scope::Prefix(bucket, prefix) => {
                // S3 knows the key only where the request names a prefix, and only for these lists.
                if LISTS_BY_PREFIX.contains(&access.action) && !prefix.as_str().is_empty() {
                    context.insert("s3:prefix".into(), ContextValue::String(prefix.to_string()));
                }
                format!("arn:aws:s3:::{bucket}")
            }
        };
        let principal = Principal::Aws(PrincipalId::String("arn:aws:iam::123456789012:role/s3-proxy".into()));
        let resource = Arn::parse(&resource).unwrap();
        let request = IAMRequest::new_with_context(principal, access.action.as_str(), resource, context);
        evaluate_policy(&policy, &request).unwrap() == Decision::Allow
    })
}

#[test]
fn the_evaluator_does_what_iam_documents() {
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::data/daily/*"},
        {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::data","Condition":{"StringLike":{"s3:prefix":["daily/*","d?/*"]}}},
        {"Effect":"Allow","Action":"s3:ListBucketVersions","Resource":"arn:aws:s3:::data","Condition":{"StringEquals":{"s3:prefix":"exactly/"}}},
        {"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::data/daily/secret/*"}]}"#;
    let allows = |request: &str| iam_allows(policy, asked(request).accesses());
    for good in [
        "GET /data/daily/x",
        "GET /data/daily/x?versionId=1",
        "GET /data?prefix=daily/",
        "GET /data?prefix=daily/a",
        "GET /data?prefix=dx/a",
        "GET /data?versions&prefix=exactly/",
    ] {
        assert!(allows(good), "{good}");
    }
    for bad in [
        "PUT /data/daily/x",
        "GET /data/Daily/x",
        "GET /other/daily/x",
        "GET /data/daily/secret/x",
        "GET /data",
        "GET /data?prefix=dail",
        "GET /data?prefix=dxy/a",
        "GET /data?versions&prefix=exactly/a",
        "GET /data?location",
    ] {
        assert!(!allows(bad), "{bad}");
    }
}

/// Requests of every shape that grants tell apart.
const REQUESTS: &[&str] = &[
    "GET /",
    "HEAD /data",
    "HEAD /scratch-1",
    "GET /data?location",
    "GET /data?tagging",
    "GET /data",
    "GET /data?prefix=daily/",
    "GET /data?prefix=daily/2026/",
    "GET /data?prefix=dail",
    "GET /data?prefix=secret/",
    "GET /data?prefix=daily/secret/",
    "GET /data?versions&prefix=daily/",
    "GET /data?versions",
    "GET /data?uploads&prefix=daily/",
    "GET /data?uploads",
    "GET /data/daily/x",
    "HEAD /data/daily/x",
    "GET /data/daily/secret/x",
    "GET /data/secret/x",
    "GET /data/team/app/x",
    "GET /data/team/other/x",
    "GET /data/daily/x?versionId=1",
    "GET /data/daily/x?tagging",
    "GET /data/daily/x?attributes",
    "GET /data/dailyx",
    "GET /data/x/daily/x",
    "PUT /data/daily/x",
    "PUT /data/secret/x",
    "DELETE /data/daily/x",
    "DELETE /data/daily/x?versionId=1",
    "POST /data/daily/x?uploads",
    "DELETE /data/daily/x?uploadId=1",
    "GET /data/daily/x?uploadId=1",
    "GET /data/daily/x?retention",
    "PUT /data/daily/copy /data/daily/x",
    "PUT /data/daily/copy /other/daily/x",
    "PUT /other/daily/copy /data/daily/x",
    "GET /other/daily/x",
    "GET /other?prefix=daily/",
    "GET /scratch-1/x",
    "GET /scratch-1/daily/x",
    "GET /scratch-1/x/daily/y",
    "PUT /scratch-1/x",
    "GET /scratch-1?prefix=daily/",
    "GET /scratch",
    "GET /data/scratch-1/x",
];

/// Grants that IAM can say letter by letter.
const EXACT: &[&[&str]] = &[
    &["allow; data; -; s3:*"],
    &["allow; *; -; *"],
    &["allow; data; -; s3:ListAllMyBuckets s3:GetBucketLocation"],
    &["allow; data; -; s3:GetObject s3:ListBucket"],
    &["allow; data other; daily/; s3:GetObject s3:PutObject s3:ListBucket"],
    &["allow; data; daily/ team/${namespace}/; s3:Get* s3:ListBucket s3:ListBucketVersions s3:DeleteObject*"],
    &["allow; data; daily/; s3:GetObject", "allow; data; -; s3:GetBucketLocation s3:GetBucketTagging"],
    &["allow; scratch-*; -; s3:GetObject s3:PutObject s3:ListBucket"],
    &["allow; data; -; s3:GetObject s3:PutObject", "deny; data; secret/ daily/secret/; s3:*"],
    &["allow; *; -; s3:*", "deny; data; -; s3:DeleteObject s3:PutObject"],
    &["allow; *; -; s3:*", "deny; scratch-*; -; *"],
    &["allow; data; -; S3:getobject *Object"],
    &["allow; data; daily/; s3:AbortMultipartUpload s3:ListMultipartUploadParts s3:PutObject"],
];

/// Grants that a session policy can only follow at a distance.
const WIDER: &[&[&str]] = &[
    &["allow; data; daily/; s3:List*"],
    &["allow; scratch-*; daily/; s3:GetObject"],
    &["allow; data; -; s3:GetObject s3:ListBucket", "deny; data; daily/secret/; s3:*"],
    &["allow; *; -; s3:*", "deny; *1; -; s3:*", "deny; scr*; daily/; s3:*"],
    &["allow; data; daily/; s3:*", "allow; scratch-*; -; s3:GetObject"],
];

#[test]
fn what_the_grants_permit_the_policy_permits_whatever_its_width() {
    for grants in EXACT.iter().chain(WIDER) {
        let (entitlements, persona) = (entitled(grants), persona(grants));
        let mut permitted = 0;
        for request in REQUESTS {
            if let Ok(allowed) = entitlements.authorize(asked(request)) {
                permitted += 1;
                for policy in persona.policies() {
                    let accesses = allowed.asked().accesses();
                    assert!(iam_allows(policy.as_str(), accesses), "{grants:?}: {request}: {policy}");
                }
            }
        }
        assert!(permitted > 0, "{grants:?} permits nothing of the table");
    }
}

#[test]
fn a_narrow_policy_permits_nothing_that_the_grants_do_not() {
    for grants in EXACT {
        let (entitlements, persona) = (entitled(grants), persona(grants));
        for request in REQUESTS {
            let asked = asked(request);
            let expected = entitlements.authorize(asked.clone()).is_ok();
            let policy = &persona.policies()[0];
            assert_eq!(
                iam_allows(policy.as_str(), asked.accesses()),
                expected,
                "{grants:?}: {request}: {policy}"
            );
        }
    }
}

/// What no condition of IAM can say: `ListBucketMultipartUploads` knows no prefix, and a list without one looks like
/// `HeadBucket`.
fn is_beyond_iam(asked: &Asked) -> bool {
    asked.accesses().iter().any(|access| {
        let whole = matches!(&access.scope, Scope::Prefix(_, prefix) if prefix.as_str().is_empty());
        access.action == Action::ListBucketMultipartUploads || whole
    })
}

fn role_policy(entitlements: &Entitlements) -> String {
    let statements = entitlements.to_statements("aws");
    serde_json::json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

#[test]
fn a_roles_policy_permits_what_the_grants_permit_and_nothing_else() {
    let denials: &[&[&str]] = &[
        &[
            "allow; data; -; s3:GetObject s3:ListBucket s3:ListBucketVersions",
            "deny; data; daily/secret/; s3:*",
        ],
        &["allow; data other; -; s3:*", "deny; data; d; s3:Get* s3:List*", "deny; other; -; s3:List*"],
        &["allow; data; daily/; s3:List* s3:GetObject", "deny; data; daily/secret/; s3:ListBucket*"],
    ];
    for grants in EXACT.iter().chain(denials) {
        let entitlements = entitled(grants);
        let policy = role_policy(&entitlements);
        for request in REQUESTS {
            let asked = asked(request);
            let (by_iam, beyond) = (iam_allows(&policy, asked.accesses()), is_beyond_iam(&asked));
            let by_grants = entitlements.authorize(asked).is_ok();
            assert!(by_iam || !by_grants, "{grants:?}: {request}: {policy}");
            assert!(by_grants || !by_iam || beyond, "{grants:?}: {request}: {policy}");
        }
    }
}

#[test]
fn a_role_for_everyone_has_what_anybody_has() {
    let texts = [
        "allow; data; team/${namespace}/; s3:GetObject",
        "allow; data; ${cn}/; s3:PutObject",
        "deny; data; -; s3:*",
    ];
    let policy = Policy::new(texts.iter().enumerate().map(|(n, text)| grant(n, text)).collect());
    let policy = role_policy(&policy.entitle_everyone());
    for (request, expected) in [
        ("GET /data/team/app/x", true),
        ("GET /data/team/other/x", true),
        ("GET /data/secret/x", false),
        ("PUT /data/anywhere/x", true),
    ] {
        assert_eq!(iam_allows(&policy, asked(request).accesses()), expected, "{request}: {policy}");
    }
}

#[test]
fn a_wider_policy_stays_within_the_actions_and_buckets_of_the_grants() {
    for grants in EXACT.iter().chain(WIDER) {
        // The outermost that is safe: every grant that allows, without its prefixes.
        let outermost: Vec<String> = grants
            .iter()
            .filter(|text| text.starts_with("allow"))
            .map(|text| {
                let fields: Vec<&str> = text.split(';').collect();
                format!("{};{};-;{}", fields[0], fields[1], fields[3])
            })
            .collect();
        let outermost: Vec<&str> = outermost.iter().map(String::as_str).collect();
        let outermost = entitled(&outermost);
        for policy in persona(grants).policies() {
            for request in REQUESTS {
                let asked = asked(request);
                if iam_allows(policy.as_str(), asked.accesses()) {
                    assert!(outermost.authorize(asked).is_ok(), "{grants:?}: {request}: {policy}");
                }
            }
        }
    }
}

fn any_grant() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let word = proptest::sample::select;
    let buckets = word(vec!["data", "other", "data other", "scratch-*", "*", "d*"]);
    let prefixes = word(vec!["-", "daily/", "daily/secret/", "d", "team/${namespace}/ daily/", "x secret/"]);
    let actions = word(vec![
        "s3:*",
        "*",
        "s3:GetObject",
        "s3:Get*",
        "s3:List*",
        "s3:ListBucket",
        "s3:PutObject s3:DeleteObject*",
        "*Tagging",
        "s3:GetObject s3:ListBucketVersions",
        "s3:ListAllMyBuckets s3:GetBucketLocation",
    ]);
    let effect = prop_oneof![3 => Just("allow"), 1 => Just("deny")];
    (effect, buckets, prefixes, actions).prop_map(|(effect, b, p, a)| format!("{effect}; {b}; {p}; {a}"))
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(150))]

    #[test]
    fn whatever_the_grants_permit_their_policies_permit(grants in proptest::collection::vec(any_grant(), 1..5)) {
        let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
        let entitlements = entitled(&grants);
        for request in REQUESTS {
            let Ok(allowed) = entitlements.authorize(asked(request)) else { continue };
            let persona = allowed.acting().persona(&BASE.parse().unwrap()).unwrap();
            for policy in persona.policies() {
                proptest::prop_assert!(iam_allows(policy.as_str(), allowed.asked().accesses()), "{}: {}", request, policy);
            }
        }
    }
}
