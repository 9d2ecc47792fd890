use serde_json::Value;

use super::*;
use crate::spec::{RoleKind, Versioning};

const EXAMPLE: &str = include_str!("../../../examples/bootstrap/bootstrap.yaml");
const GRANTS: &str = include_str!("../../../examples/bootstrap/proxy.yaml");

fn read(text: &str) -> Result<Declaration, Problems> {
    Declaration::parse(text, &|name| {
        if name == "proxy.yaml" { Ok(GRANTS.to_owned()) } else { Err(format!("no {name}")) }
    })
}

/// The example with one text in the place of another.
fn with(old: &str, new: &str) -> String {
    assert!(EXAMPLE.contains(old), "{old}");
    read(&EXAMPLE.replace(old, new)).map_or_else(|problems| problems.to_string(), |_| String::new())
}

#[test]
fn the_example_comes_to_named_resources() {
    let Declaration { desired, configurations, .. } =
        read(EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    let names: Vec<&str> = desired.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    let tail = "123456789012-eu-west-1-an";
    assert_eq!(names, ["logs", "data", "archive"].map(|base| format!("reports-{base}-{tail}")));
    assert_eq!(desired.buckets[1].versioning, Versioning::Off);
    assert!(matches!(&desired.buckets[2].versioning, Versioning::On(why) if why.contains("Object Lock")));
    let roles: Vec<&str> = desired.roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(roles, ["reports-reports-reports-api", "reports-reports-archiver"]);
    assert!(
        desired
            .roles
            .iter()
            .all(|role| matches!(role.kind, RoleKind::Workload { .. }) && role.boundary.is_some())
    );
    assert!(!configurations[0].to_string().contains("buckets: [\"data\"]"), "real names only");
    assert!(configurations[1].to_string().contains("role/reports-reports-archiver"));
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let text = EXAMPLE
        .replace("region: eu-west-1", "region: eu_west")
        .replace("base: data", "base: D")
        .replace("mode: COMPLIANCE, days: 30", "mode: COMPLIANCE, days: 9999")
        .replace("name: reports\n", "nme: reports\n");
    let problems = read(&text).unwrap_err().to_string();
    for part in [
        "nme: unknown key",
        "name: missing",
        "region: 'eu_west': a region of the partitions",
        "buckets[1].name.base: 'D'",
        "buckets[2].object_lock.days: is above the ceiling of 3650 days",
        "(line ",
    ] {
        assert!(problems.contains(part), "{part} in {problems}");
    }
}

#[test]
fn sessions_behind_pod_identity_are_refused_for_want_of_a_role() {
    let grants = format!("{GRANTS}\ncredentials: {{ sessions: per_identity }}\n");
    let with = |identity: &str| {
        let service_account = "service_account: archiver,";
        let text = EXAMPLE.replace(service_account, &format!("{service_account} identity: {identity},"));
        Declaration::parse(&text, &|_| Ok(grants.clone()))
            .map_or_else(|problems| problems.to_string(), |_| String::new())
    };
    let refused = with("pod-identity");
    assert!(refused.contains("workloads[1].grants_from") && refused.contains("identity: irsa"), "{refused}");
    assert!(!refused.contains("workloads[0]"), "{refused}");
    assert_eq!(with("irsa"), "");
}

#[test]
fn what_cannot_be_is_refused_with_its_mend() {
    let sink = "profile: log-sink\n    name: { strategy: derived, base: logs }";
    let data = "profile: application-data\n    name: { strategy: derived, base: data }\n    access_logs: { bucket: auto }";
    let lifecycle =
        "{ prefix: daily/, transitions: [{ after_days: 30, class: STANDARD_IA }], expire_after_days: 365 }";
    let plus = |old: &str, line: &str| with(old, &format!("{old}\n    {line}"));
    for (found, path, mend) in [
        (plus(sink, "object_lock: { mode: COMPLIANCE, days: 1 }"), "buckets[0].object_lock", "leave it out"),
        (plus(sink, "encryption: { type: aws:kms, key: create }"), "buckets[0].encryption", "AES256"),
        (plus(sink, "access_logs: { bucket: auto }"), "buckets[0].access_logs", "leave it out"),
        (plus(data, "mfa_delete: on"), "buckets[1].mfa_delete", "use object_lock"),
        (
            plus(data, "versioning: off\n    object_lock: { mode: GOVERNANCE, days: 1 }"),
            "buckets[1].versioning",
            "leave",
        ),
        (
            plus(
                data,
                "replication: { region: eu-west-1, bucket: copy, prefixes: [a/], reason: \"for a test\" }",
            ),
            "buckets[1].replication.region",
            "same region",
        ),
        (
            plus(
                data,
                "replication: { region: us-gov-west-1, bucket: copy, prefixes: [a/], reason: \"for a test\" }",
            ),
            "buckets[1].replication",
            "another partition",
        ),
        (
            plus(data, "replication: { region: eu-west-2, bucket: copy }"),
            "buckets[1].replication.reason",
            "why",
        ),
        (plus(data, "metrics: { prefixes: [\"\"] }"), "buckets[1].metrics.reason", "why"),
        (
            plus(
                data,
                "policy: [{ Effect: Deny, Principal: \"*\", Action: s3:*, Resource: \"*\", Condition: { StringNotEquals: { aws:SourceVpce: vpce-1 } } }]",
            ),
            "buckets[1].policy[0]",
            "access.vpc_endpoints",
        ),
        (
            plus(
                data,
                "policy: [{ Effect: Allow, Principal: { AWS: \"*\" }, Action: s3:GetObject, Resource: \"*\" }]",
            ),
            "buckets[1].policy[0]",
            "name a principal",
        ),
        (
            plus(
                data,
                "policy: [{ Effect: Deny, Principal: \"*\", Action: S3:*, Resource: \"*\", Condition: { StringNotEquals: { AWS:SourceVpce: vpce-1 } } }]",
            ),
            "buckets[1].policy[0]",
            "access.vpc_endpoints",
        ),
        (
            plus(
                data,
                "policy: [{ Effect: Deny, Principal: \"*\", NotAction: s3:x, Resource: \"*\", Condition: { NotIpAddress: { aws:SourceIp: 10.0.0.0/8 } } }]",
            ),
            "buckets[1].policy[0]",
            "access.vpc_endpoints",
        ),
        (
            plus(
                data,
                "policy: [{ Effect: Allow, Principal: \"*\", Action: s3:GetObject, Resource: \"*\", Condition: {} }]",
            ),
            "buckets[1].policy[0]",
            "name a principal",
        ),
        (
            plus(
                data,
                "policy: [{ Effect: Allow, NotPrincipal: \"*\", Action: s3:GetObject, Resource: \"*\" }]",
            ),
            "buckets[1].policy[0]",
            "NotPrincipal",
        ),
        (
            plus(
                data,
                "policy: [{ Sid: DenyOldTls, Effect: Deny, Principal: \"*\", Action: s3:GetObject, Resource: \"*\" }]",
            ),
            "buckets[1].policy[0]",
            "the Sid 'DenyOldTls'",
        ),
        (
            plus(
                data,
                "policy: [{ Effect: Deny, Principal: \"*\", Action: s3:GetObject, Resource: \"arn:aws:s3:::other/*\" }]",
            ),
            "buckets[1].policy[0]",
            "is not of this bucket",
        ),
        (
            plus(data, "writers: [\"arn:aws-cn:iam::123456789012:role/x\"]"),
            "buckets[1].writers",
            "another partition",
        ),
        (
            with(
                "namespace: reports, service_account: archiver,",
                "namespace: reports-reports, service_account: api, serves: all,",
            ),
            "workloads[1]",
            "its role would be 'reports-reports-reports-api', which is that of reports/reports-api too",
        ),
        (with("object_lock: { mode: COMPLIANCE, days: 30 }\n", "\n"), "buckets[2].object_lock", "missing"),
        (with(lifecycle, "{ noncurrent_expire_after_days: 3 }"), "buckets[1].lifecycle[0]", "versions"),
        (
            with(lifecycle, "{ transitions: [{ after_days: 3, class: STANDARD_IA }] }"),
            "buckets[1].lifecycle[0]",
            "30 days",
        ),
        (with("{ name: apps }", "{ name: apps, region: us-east-1 }"), "cluster.region", "use one region"),
        (with("cluster: { name: apps }", "cluster: create"), "cluster", "network: create"),
        (with("vpc_endpoints: [auto]", "vpc_endpoints: []"), "access.vpc_endpoints", "auto"),
        (with("break_glass: arn:aws:", "break_glass: arn:aws-cn:"), "access.break_glass", "partition"),
        (with("base: archive", "base: data"), "buckets[2].name.base", "another bucket"),
        (with("service_account: archiver", "service_account: reports-api"), "workloads[1]", "one file"),
        (
            with("service_account: archiver", "service_account: nobody"),
            "workloads[1].grants_from",
            "no grant is for",
        ),
        (with("control: S3.7", "control: nothing"), "waivers[0].control", "no control"),
        (with("sns: create", "sns: arn:aws:sns:eu-west-1:123456789012:t"), "alerts.email", "sns: create"),
        (with("profile: application-data", "profile: analytics-read"), "workloads[0].grants_from", "writers"),
        (with("base: archive", "base: an-archive-with-a-rather-long-ba"), "buckets[2].name", "at most 63"),
    ] {
        assert!(
            found.lines().any(|line| line.starts_with(path) && line.contains(mend)),
            "{path} … {mend}: {found}"
        );
    }
}

#[test]
fn grants_too_long_to_be_inline_become_managed_policies_that_say_the_same() {
    let prefixes: Vec<String> =
        (0..150).map(|number| format!("a-folder-with-a-rather-long-name/{number:04}/")).collect();
    let grants = GRANTS.replace("\"daily/\", \"by-namespace/${namespace}/\"", &prefixes.join(", "));
    let declaration = |grants: &str| Declaration::parse(EXAMPLE, &|_| Ok(grants.to_owned()));
    // The bucket's policy cannot be divided.
    let problems = declaration(&grants).unwrap_err().to_string();
    assert!(problems.starts_with("buckets[1]: the bucket policy comes to"), "{problems}");

    let fewer = prefixes[..90].join(", ");
    let grants = GRANTS.replace("\"daily/\", \"by-namespace/${namespace}/\"", &fewer);
    let desired = declaration(&grants).unwrap_or_else(|problems| panic!("{problems}")).desired;
    let role = &desired.roles[0];
    assert!(role.inline.is_empty() && role.attached.len() > 1, "{:?}", role.attached);
    let parts: Vec<&Value> = desired
        .policies
        .iter()
        .filter(|policy| role.attached.contains(&policy.arn))
        .map(|policy| &policy.document)
        .collect();
    assert!(parts.iter().all(|part| part.to_string().len() <= 6_144));
    for prefix in &prefixes[..90] {
        assert!(parts.iter().any(|part| part.to_string().contains(prefix)), "{prefix}");
    }
}

#[test]
fn other_partitions_are_in_every_arn_and_host_name() {
    let text = EXAMPLE.replace("eu-west-1", "cn-north-1").replace("arn:aws:", "arn:aws-cn:");
    let desired = read(&text).unwrap_or_else(|problems| panic!("{problems}")).desired;
    let all = format!("{desired:?}");
    assert!(!all.contains("arn:aws:"), "{all}");
    assert!(all.contains("s3.cn-north-1.amazonaws.com.cn"), "kms:ViaService");
}
