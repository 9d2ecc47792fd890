use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use time::macros::{date, datetime};

use super::WaiverState::{Expired, NotJudgedHere, Unused, Used};
use super::*;
use crate::bootstrap::document::canonical;
use crate::bootstrap::items::items;
use crate::bootstrap::settings::{BucketPart, Found, RolePart, RulesPart, Setting};
use crate::config::Declaration;
use crate::spec::{Waiver, controls};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

fn desired() -> Desired {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bootstrap/bootstrap.yaml");
    Declaration::load(&file).unwrap_or_else(|problems| panic!("{problems}")).desired
}

/// What is wanted of a setting, as far as the judgement looks into it.
fn wanted(setting: &Setting<'_>) -> Value {
    match setting {
        Setting::Bucket(bucket, BucketPart::Policy) => json!({ "policy": canonical(&bucket.policy) }),
        Setting::Bucket(_, BucketPart::Encryption) => json!({ "algorithm": "aws:kms", "blocked": ["SSE-C"] }),
        Setting::Role(role, RolePart::Inline) => {
            role.inline.iter().map(|policy| (policy.name.clone(), canonical(&policy.document))).collect()
        }
        Setting::Policy(policy) => json!({ "policy": canonical(&policy.document) }),
        Setting::Rules(_, RulesPart::Replicated | RulesPart::Measured) => Value::Null,
        _ => json!({ "as": "declared" }),
    }
}

/// Everything as it should be.
fn seen(desired: &Desired) -> Seen<'_> {
    let reading = |item: crate::bootstrap::items::Item<'_>| {
        let wanted = wanted(&item.setting);
        let found = if wanted.is_null() { Found::Absent } else { Found::Present(wanted.clone()) };
        (wanted, found)
    };
    let readings = items(desired).into_iter().map(|item| {
        let (wanted, found) = reading(item);
        Reading { item, wanted, found: Ok(found) }
    });
    let region = || Ok(desired.region.to_string());
    let group = NodeGroup { name: "general".into(), min: 2, max: 6, ways: BTreeSet::from([Way::Nat]) };
    let deletions = json!({ "Type": "AWS::S3::Object", "Values": ["arn:aws:s3"], "ReadWriteType": "All" });
    Seen {
        caller: "arn:aws:iam::123456789012:user/me".into(),
        readings: readings.collect(),
        surroundings: Surroundings {
            regions: desired.buckets.iter().map(|bucket| (bucket.name.clone(), region())).collect(),
            nodes: Ok(Some(vec![group])),
            subscriptions: Ok(Some(Subscriptions { confirmed: 1, pending: 0 })),
            trails: Ok(vec![TrailSelectors {
                trail: "arn:t".into(),
                basic: vec![deletions],
                advanced: vec![],
            }]),
        },
        refused: Vec::new(),
    }
}

fn probes(desired: &Desired, anonymous: &Answer, plain: &Answer) -> Probes {
    let probed = Probed { anonymous: anonymous.clone(), plain: plain.clone(), region: None };
    let buckets = desired.buckets.iter().map(|bucket| (bucket.name.clone(), probed.clone()));
    Probes { buckets: buckets.collect::<BTreeMap<_, _>>() }
}

fn judged<'d>(desired: &'d Desired, seen: &Seen<'d>) -> Report<'d> {
    let refused = Answer::Refused(403);
    Report::judge(desired, seen, &probes(desired, &refused, &refused), NOW)
}

fn failing(report: &Report<'_>) -> BTreeSet<&'static str> {
    report.of(Verdict::Fail).map(|judgement| judgement.control.id).collect()
}

fn find<'s, 'd>(seen: &'s mut Seen<'d>, is_it: impl Fn(&Setting<'_>) -> bool) -> &'s mut Reading<'d> {
    seen.readings.iter_mut().find(|reading| is_it(&reading.item.setting)).unwrap()
}

fn data_policy(setting: &Setting<'_>) -> bool {
    matches!(setting, Setting::Bucket(bucket, BucketPart::Policy) if bucket.base.as_str() == "data")
}

#[test]
fn what_is_as_declared_passes_by_every_control_and_requirement() {
    let desired = desired();
    let report = judged(&desired, &seen(&desired));
    assert_eq!(failing(&report), BTreeSet::new(), "{report}");
    assert!(report.holds());
    let controls: BTreeSet<&str> = report.judgements.iter().map(|it| it.control.id).collect();
    assert_eq!(controls.len(), controls::ALL.len());
    let open: Vec<u8> =
        report.requirements.iter().filter(|row| row.verdict != Verdict::Pass).map(|row| row.number).collect();
    assert!(open.iter().all(|number| [11, 13, 14, 16, 23, 24].contains(number)), "{open:?}");
}

#[test]
fn what_could_not_be_read_is_no_pass() {
    let desired = desired();
    let mut seen = seen(&desired);
    let denied = "s3:GetBucketPolicy on b: AccessDenied: no (request 1)";
    find(&mut seen, data_policy).found = Err(denied.to_owned());
    seen.surroundings.nodes = Err("eks:ListNodegroups on apps: AccessDenied".to_owned());
    let report = judged(&desired, &seen);
    let expected = ["bucket-policy", "network-layout", "one-region", "tls-only", "tls-version", "vpc-only"];
    assert_eq!(failing(&report), BTreeSet::from(expected));
    assert!(report.of(Verdict::Fail).all(|judgement| judgement.unknown));
    assert!(report.to_string().contains(denied) && !report.holds());
}

#[test]
fn facts_that_were_refused_make_what_rests_on_them_unknown() {
    let desired = desired();
    let mut seen = seen(&desired);
    let reading = find(&mut seen, data_policy);
    assert!(reading.wanted.to_string().contains("{{"));
    reading.found = Ok(Found::Present(json!({ "policy": canonical(&json!({ "Statement": [] })) })));
    seen.refused = vec!["kms:DescribeKey on alias/reports: AccessDenied".to_owned()];
    let report = judged(&desired, &seen);
    let policy = report.of(Verdict::Fail).find(|it| it.control.id == "bucket-policy").unwrap();
    assert!(policy.unknown && policy.grounds[0].said.contains("AccessDenied"));
}

#[test]
fn probes_that_are_answered_fail_and_those_that_say_nothing_too() {
    let desired = desired();
    let seen = seen(&desired);
    for (answer, verdict, unknown) in [
        (Answer::Refused(403), Verdict::Pass, false),
        (Answer::Allowed, Verdict::Fail, false),
        (Answer::Refused(500), Verdict::Fail, true),
        (Answer::Nothing("timed out".into()), Verdict::Fail, true),
        (Answer::NotAsked("no TLS".into()), Verdict::NotApplicable, false),
    ] {
        let report = Report::judge(&desired, &seen, &probes(&desired, &answer, &answer), NOW);
        for judgement in report.judgements.iter().filter(|it| it.control.id.starts_with("probe-")) {
            assert_eq!((judgement.verdict, judgement.unknown), (verdict, unknown), "{answer:?}");
        }
    }
    let left_out = Report::judge(&desired, &seen, &Probes::default(), NOW);
    assert!(left_out.holds());
    assert!(left_out.of(Verdict::NotApplicable).any(|it| it.grounds[0].said.contains("left out")));
}

#[test]
fn a_refusal_without_tls_says_nothing_of_a_bucket_that_refuses_with_tls_too() {
    let desired = desired();
    let mut seen = seen(&desired);
    for region in seen.surroundings.regions.values_mut() {
        *region = Err("s3:GetBucketLocation: AccessDenied".to_owned());
    }
    let report = judged(&desired, &seen);
    assert!(report.of(Verdict::Fail).any(|it| it.control.id == "probe-plain-http" && it.unknown));
}

fn waiver(control: &str, bucket: Option<&str>, until: time::Date) -> Waiver {
    Waiver {
        control: control.to_owned(),
        bucket: bucket.map(|base| base.parse().unwrap()),
        reason: "known <and> accepted".to_owned(),
        owner: Some("platform team".to_owned()),
        until,
    }
}

#[test]
fn waivers_set_aside_until_their_last_day_and_are_told_when_they_do_nothing() {
    let mut desired = desired();
    desired.waivers = vec![
        waiver("S3.5", Some("data"), date!(2026 - 11 - 24)),
        waiver("bucket-policy", None, date!(2026 - 11 - 23)),
        waiver("lifecycle", None, date!(2027 - 01 - 01)),
        waiver("S3.20", None, date!(2027 - 01 - 01)),
        waiver("tls-only", Some("logs"), date!(2027 - 01 - 01)),
    ];
    let desired = desired;
    let mut seen = seen(&desired);
    find(&mut seen, data_policy).found = Ok(Found::Absent);
    let report = judged(&desired, &seen);
    let states: Vec<WaiverState> = report.waivers.iter().map(|waiving| waiving.state).collect();
    assert_eq!(states, [Used, Expired, Unused, NotJudgedHere, Unused]);
    let waived: Vec<&str> = report.of(Verdict::Waived).map(|it| it.control.id).collect();
    assert_eq!(waived, ["tls-only"]);
    assert!(failing(&report).contains("bucket-policy"));
    let text = report.to_string();
    assert!(text.contains("waived until 2026-11-24, platform team: known <and> accepted"), "{text}");
    assert!(text.contains("the waiver expired on 2026-11-23"), "{text}");
    let page = report.to_html();
    assert!(page.contains("known &lt;and&gt; accepted") && !page.contains("<and>"));
    assert_eq!(report.to_json()["waivers"][3]["state"], "not-judged-here");
}

#[test]
fn somebody_else_s_bucket_is_judged_by_what_it_does() {
    let desired = desired();
    let mut seen = seen(&desired);
    let own = |it: &Setting<'_>| matches!(it, Setting::Bucket(bucket, BucketPart::Itself) if bucket.base.as_str() == "data");
    find(&mut seen, own).found = Ok(Found::Foreign("it is there without the tag".to_owned()));
    let report = judged(&desired, &seen);
    assert_eq!(failing(&report), BTreeSet::from(["naming"]));
}

#[test]
fn nodes_in_public_or_that_do_not_scale_fail() {
    let desired = desired();
    for (min, max, ways) in [(2, 2, vec![Way::Nat]), (2, 6, vec![Way::Internet, Way::Nat]), (2, 6, vec![])] {
        let mut seen = seen(&desired);
        let group = NodeGroup { name: "g".into(), min, max, ways: ways.into_iter().collect() };
        seen.surroundings.nodes = Ok(Some(vec![group]));
        assert_eq!(failing(&judged(&desired, &seen)), BTreeSet::from(["network-layout"]));
    }
}

#[test]
fn alerts_that_nobody_confirmed_reach_nobody() {
    let desired = desired();
    for subscriptions in
        [Ok(Some(Subscriptions { confirmed: 0, pending: 1 })), Ok(None), Err("denied".to_owned())]
    {
        let mut seen = seen(&desired);
        let unknown = subscriptions.is_err();
        seen.surroundings.subscriptions = subscriptions;
        let report = judged(&desired, &seen);
        assert_eq!(failing(&report), BTreeSet::from(["alert-topic"]));
        assert!(report.of(Verdict::Fail).all(|judgement| judgement.unknown == unknown));
    }
}
