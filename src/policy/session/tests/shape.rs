//! The shape of a session policy: how wide it gets, which partition, role and keys it names.

use super::*;

#[test]
fn many_prefixes_make_it_wider_and_many_buckets_too_long() {
    let prefixes =
        |count: usize| (0..count).map(|i| format!("team/folder-{i:03}/")).collect::<Vec<_>>().join(" ");
    let few = persona(&[&format!("allow; data; {}; s3:GetObject s3:ListBucket", prefixes(12))]);
    assert!(few.policies()[0].as_str().contains("folder-011") && !few.is_widened(), "a dozen prefixes fit");

    let grants = format!("allow; data; {}; s3:GetObject s3:ListBucket", prefixes(60));
    let many = persona(&[&grants]);
    assert!(many.is_widened());
    let narrowest = many.policies()[0].as_str();
    assert!(
        narrowest.len() <= MAX_POLICY && narrowest.contains("arn:aws:s3:::data/team/folder-0*"),
        "{narrowest}"
    );
    assert!(iam_allows(narrowest, asked("GET /data/team/folder-059/x").accesses()));
    assert!(iam_allows(narrowest, asked("GET /data?prefix=team/folder-059/").accesses()));
    assert!(!iam_allows(narrowest, asked("GET /data/secret/x").accesses()));
    assert!(!iam_allows(narrowest, asked("PUT /data/team/folder-000/x").accesses()));

    let buckets: Vec<String> = (0..60).map(|i| format!("a-rather-long-bucket-name-{i:03}")).collect();
    let too_many = format!("allow; {}; -; s3:GetObject", buckets.join(" "));
    assert!(persona(&[&too_many]).policies().is_empty());
    let problems = Policy::new(vec![grant(0, &too_many)]).session_problems();
    assert!(
        problems.iter().any(|problem| problem.contains("characters even without prefixes")),
        "{problems:?}"
    );
    assert!(Policy::new(vec![grant(0, &grants)]).session_problems().is_empty());
}

#[test]
fn a_star_that_would_reach_into_other_buckets_is_a_problem() {
    let problems = Policy::new(vec![grant(0, "allow; data *-prod a*b*; -; s3:GetObject")]).session_problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("'*-prod'") && problems[1].contains("'a*b*'"), "{problems:?}");
}

#[test]
fn names_stand_for_themselves() {
    let identity = crate::identity::ClientIdentity::new(&[], &[], Some("a*b?${c}日\"")).unwrap();
    let entitlements = Policy::new(vec![grant(0, "allow; data; ${cn}/; s3:GetObject")]).entitle(&identity);
    let allowed = entitlements.authorize(asked("GET /data/a*b%3F%24%7Bc%7D%E6%97%A5%22/x")).unwrap();
    let persona = allowed.acting().persona(&BASE.parse().unwrap()).unwrap();
    let policy = persona.policies()[0].as_str();
    assert!(policy.contains(r#"data/a${*}b${?}${$}{c}\u65e5\"/*"#), "{policy}");
    assert!(policy.is_ascii());
}

#[test]
fn a_policy_for_another_partition_names_it() {
    let china: RoleArn = "arn:aws-cn:iam::123456789012:role/r".parse().unwrap();
    let entitlements = entitled(&["allow; data; -; s3:GetObject"]);
    let allowed = entitlements.authorize(asked("GET /data/x")).unwrap();
    let persona = allowed.acting().persona(&china).unwrap();
    assert!(persona.policies()[0].as_str().contains("arn:aws-cn:s3:::data/*"));
}

#[test]
fn a_grants_role_has_a_persona_of_its_own() {
    const OTHER: &str = "arn:aws:iam::123456789012:role/other";
    let entitlements = entitled(&[
        "allow; data; -; s3:GetObject s3:PutObject",
        &format!("allow; other; -; s3:*; {OTHER}"),
        "deny; *; secret/; s3:*",
    ]);
    let base: RoleArn = BASE.parse().unwrap();
    let acting = |request: &str| entitlements.authorize(asked(request)).unwrap().acting().persona(&base);
    let (data, other) = (acting("GET /data/x").unwrap(), acting("GET /other/x").unwrap());
    assert_eq!((data.role().as_str(), other.role().as_str()), (BASE, OTHER));
    assert_ne!(data.fingerprint(), other.fingerprint());
    assert!(!data.policies()[0].as_str().contains("::other"), "{}", data.policies()[0]);
    assert!(!other.policies()[0].as_str().contains("::data"), "{}", other.policies()[0]);
    assert_eq!(acting("PUT /data/x /other/y").unwrap_err(), SeveralRoles);
    assert_eq!(acting("PUT /other/x /other/y").unwrap().role().as_str(), OTHER);
}

#[test]
fn a_retention_that_the_proxy_adds_is_admitted_where_objects_may_be_put() {
    use crate::policy::{Guardrails, ObjectLock, RequiredRetention};
    use crate::s3::LockMode;
    let required = RequiredRetention { mode: LockMode::Compliance, min_days: 1, add_if_missing: true };
    let policy_of = |require: Option<RequiredRetention>, grants: &str| {
        let object_lock = ObjectLock { require, ..ObjectLock::default() };
        let guardrails = Guardrails { object_lock, ..Guardrails::default() };
        let entitlements = Policy::new(vec![grant(0, grants)])
            .behind(guardrails)
            .entitle(&"spiffe://td/ns/app/sa/api".parse().unwrap());
        let allowed = entitlements.authorize(asked("GET /data/daily/x")).unwrap();
        let read = asked("GET /data/daily/x?retention").accesses()[0].clone();
        let retain = Access { action: Action::PutObjectRetention, ..read };
        assert_eq!(entitlements.judge(&retain), Judgement::NotGranted, "the client itself still may not");
        allowed.acting().persona(&BASE.parse().unwrap()).unwrap().policies()[0].to_string()
    };
    let (writer, reader) =
        ("allow; data; daily/; s3:GetObject s3:PutObject", "allow; data; daily/; s3:GetObject");
    assert!(policy_of(Some(required), writer).contains("s3:PutObjectRetention"));
    assert!(!policy_of(Some(required), reader).contains("s3:PutObjectRetention"));
    assert!(
        !policy_of(Some(RequiredRetention { add_if_missing: false, ..required }), writer)
            .contains("Retention")
    );
    assert!(!policy_of(None, writer).contains("Retention"));
}

#[test]
fn keys_of_kms_are_reached_by_way_of_s3_only() {
    let policy = persona(&["allow; data; -; s3:GetObject"]).policies()[0].to_string();
    let policy = IAMPolicy::from_json(&policy).unwrap();
    let decide = |via: Option<&str>| {
        let mut context = Context::new();
        if let Some(via) = via {
            context.insert("kms:ViaService".into(), ContextValue::String(via.into()));
        }
        let principal = Principal::Aws(PrincipalId::String(BASE.into()));
        let key = Arn::parse("arn:aws:kms:eu-west-1:123456789012:key/k").unwrap();
        evaluate_policy(&policy, &IAMRequest::new_with_context(principal, "kms:Decrypt", key, context))
            .unwrap()
    };
    assert_eq!(decide(Some("s3.eu-west-1.amazonaws.com")), Decision::Allow);
    assert_ne!(decide(Some("ec2.eu-west-1.amazonaws.com")), Decision::Allow);
    assert_ne!(decide(None), Decision::Allow);
}
