use std::time::Duration;

use super::*;

const CONFIG: &str = r#"
tls: { certificate: c, private_key: k, client_ca: a }
upstream: { region: eu-west-1 }
credentials: { source: environment }
domains: [s3.internal]
limits: { max_object_size: 100B }
guardrails: { object_lock: { deny_governance_bypass: true } }
grants:
  - { name: readers, identities: ["spiffe://td/ns/app/sa/*"], buckets: [reports], prefixes: ["daily/"], actions: [s3:GetObject, s3:ListBucket] }
  - { name: seal, effect: deny, identities: ["spiffe://td/**"], buckets: ["*"], prefixes: ["sealed/"], actions: ["*"] }
  - { name: writers, identities: ["dns:writer.example"], buckets: [reports], actions: ["s3:*"] }
"#;
const READER: &str = "spiffe://td/ns/app/sa/api";
const WRITER: &str = "dns:writer.example";

fn config(more: &str) -> Config {
    Config::parse(&format!("{CONFIG}{more}"), &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn ask(config: &Config, who: &str, request: &str, headers: &[&str], body: &str) -> Explanation {
    let (method, url) = request.split_once(' ').unwrap();
    let headers: Vec<String> = headers.iter().map(ToString::to_string).collect();
    let question = Question::new(&[who.to_owned()], method, url, &headers, body.into()).unwrap();
    explain(config, question, SystemTime::UNIX_EPOCH + Duration::from_hours(498_756))
}

#[test]
fn the_answer_names_what_decided() {
    let config = config("");
    let decided = |who: &str, request: &str, headers: &[&str]| {
        let json = ask(&config, who, request, headers, "").to_json();
        let text = |key: &str| json[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", text("operation"), text("decision"), text("decided_by"), text("error_code"))
    };
    assert_eq!(decided(READER, "GET /reports/daily/x", &[]), "GetObject allowed readers -");
    assert_eq!(
        decided(READER, "GET https://reports.s3.internal/daily/x", &[]),
        "GetObject allowed readers -"
    );
    assert_eq!(
        decided(READER, "GET /daily/x", &["Host: reports.s3.internal"]),
        "GetObject allowed readers -"
    );
    assert_eq!(decided(READER, "GET /reports/sealed/x", &[]), "GetObject denied seal AccessDenied");
    assert_eq!(decided(READER, "GET /reports/other", &[]), "GetObject denied - AccessDenied");
    assert_eq!(decided(WRITER, "PUT /reports/k?acl", &[]), "PutObjectAcl denied guardrail:acl AccessDenied");
    assert_eq!(decided(WRITER, "GET /reports?session", &[]), "CreateSession denied - NotImplemented");
    assert_eq!(decided(WRITER, "GET /reports?new", &[]), "- denied - NotImplemented");
    assert_eq!(
        decided(WRITER, "PUT /reports/k", &["content-length: 101"]),
        "PutObject denied - EntityTooLarge"
    );
    assert_eq!(decided(WRITER, "PUT /reports/k", &["content-length: 100"]), "PutObject allowed writers -");
    let version = "DELETE /reports/k?versionId=1";
    assert_eq!(decided(WRITER, version, &[]), "DeleteObject denied guardrail:object_lock AccessDenied");
}

#[test]
fn the_suggested_grant_is_enough_and_no_more() {
    let batch = "<Delete><Object><Key>a/1</Key></Object><Object><Key>a/2</Key><VersionId>v</VersionId></Object></Delete>";
    for (request, headers, body) in [
        ("GET /reports/other/x", &[][..], ""),
        ("GET /reports?prefix=other/", &[], ""),
        ("GET /reports", &[], ""),
        ("GET /reports?policy", &[], ""),
        ("GET /", &[], ""),
        ("PUT /reports/a/b", &["x-amz-copy-source: other-bucket/c?versionId=1", "x-amz-tagging: a=b"], ""),
        ("GET /reports/we%22ird%20%C3%A4%5C", &[], ""),
        ("GET /reports/st%2Aar", &[], ""),
        ("POST /reports?delete", &[], batch),
    ] {
        let without = "guardrails: { object_lock: {} }";
        let text = CONFIG.replace("guardrails: { object_lock: { deny_governance_bypass: true } }", without);
        // What is denied outright no grant would allow.
        let text =
            text.replace("effect: deny", "effect: allow").replace("spiffe://td/**", "spiffe://other/**");
        let parse =
            |text: &str| Config::parse(text, &[]).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let denied = ask(&parse(&text), READER, request, headers, body);
        assert!(!denied.is_allowed(), "{request}");
        let json = denied.to_json();
        let grants = json["suggested_grants"].as_str().unwrap();
        let text = format!("{text}{grants}");
        let allowed = ask(&parse(&text), READER, request, headers, body);
        assert!(allowed.is_allowed(), "{request}: {grants}{allowed}");
        assert!(!ask(&parse(&text), READER, "GET /reports/unrelated", &[], "").is_allowed(), "{grants}");
        assert!(
            !ask(&parse(&text), WRITER, request, headers, "").is_allowed() || request != "GET /",
            "{grants}"
        );
    }
    let sealed = ask(&config(""), READER, "GET /reports/sealed/x", &[], "").to_json();
    assert_eq!(sealed["suggested_grants"], "", "no grant helps against a denial");
}

#[test]
fn bad_words_are_told_from_refused_requests() {
    let bad = |identity: &str, method: &str, url: &str, header: &str| {
        let headers = if header.is_empty() { vec![] } else { vec![header.to_owned()] };
        Question::new(&[identity.to_owned()], method, url, &headers, Vec::new()).unwrap_err().to_string()
    };
    assert!(bad("nobody", "GET", "/a", "").starts_with("--identity"));
    assert!(bad(READER, "G T", "/a", "").starts_with("--method"));
    assert!(bad(READER, "GET", "a b", "").contains("percent-encoded"));
    assert!(bad(READER, "GET", "/a#b", "").contains("%23"));
    assert!(bad(READER, "GET", "/a", "nonsense").starts_with("--header"));
}

/// Lines as the proxy writes them.
const LOG: &str = r#"
{"time":"2026-11-24T04:04:43.884Z","identity":"spiffe://td/ns/app/sa/api","operation":"GetObject","bucket":"reports","key":"daily/x","status":200,"error_code":null,"bytes_in":0,"bytes_out":1,"duration_ms":1.0,"upstream_ms":1.0,"request_id":"1","upstream_request_id":"2","grant":"readers"}
{"time":"2026-11-24T04:04:43.884Z","identity":"spiffe://td/ns/app/sa/api","operation":"ListObjectsV2","bucket":"reports","key":"daily/","status":200,"error_code":null,"bytes_in":0,"bytes_out":1,"duration_ms":1.0,"upstream_ms":1.0,"request_id":"1","upstream_request_id":"2","grant":"readers"}
{"time":"2026-11-24T04:04:43.884Z","identity":"spiffe://td/ns/app/sa/api","operation":"GetObject","bucket":"reports","key":"other/x","status":403,"error_code":"AccessDenied","bytes_in":0,"bytes_out":1,"duration_ms":1.0,"upstream_ms":null,"request_id":"1","upstream_request_id":null,"grant":null}
{"time":"2026-11-24T04:04:43.884Z","identity":"dns:writer.example","operation":"CopyObject","bucket":"reports","key":"b","status":200,"error_code":null,"bytes_in":0,"bytes_out":1,"duration_ms":1.0,"upstream_ms":1.0,"request_id":"1","upstream_request_id":"2","grant":"writers","accesses":[{"action":"s3:PutObject","bucket":"reports","key":"b"},{"action":"s3:GetObjectVersion","bucket":"reports","key":"a","version":"1"}]}
{"time":"2026-11-24T04:04:43.884Z","identity":"dns:writer.example","operation":null,"bucket":null,"key":null,"status":501,"error_code":"NotImplemented","bytes_in":0,"bytes_out":1,"duration_ms":1.0,"upstream_ms":null,"request_id":"1","upstream_request_id":null,"grant":null}
"#;

#[test]
fn a_replay_tells_what_would_change() {
    let same = replay(&config("").policy, LOG.as_bytes()).unwrap();
    assert_eq!((same.requests, same.allowed, same.denied, same.skipped), (4, 3, 1, 1));
    assert_eq!((same.newly_denied, same.newly_allowed), (0, 0));
    let other = Config::parse(&CONFIG.replace("daily/", "other/").replace("s3:*", "s3:Put*"), &[]).unwrap();
    let changed = replay(&other.policy, LOG.as_bytes()).unwrap();
    assert_eq!((changed.newly_denied, changed.newly_allowed), (3, 1));
    assert!(changed.to_string().contains("no grant allows s3:GetObjectVersion (was allowed)"), "{changed}");
    for bad in ["{}", "nonsense", r#"{"identity":"x","operation":"GetObject"}"#] {
        let error = replay(&config("").policy, format!("\n{bad}").as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("line 2: "), "{error}");
    }
}

#[test]
fn learned_grants_allow_what_was_seen_and_nothing_else() {
    let grants = learn(LOG.as_bytes()).unwrap();
    let text = CONFIG[..CONFIG.find("grants:").unwrap()].to_owned() + &grants;
    let learned = Config::parse(&text, &[]).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert!(learned.warnings.is_empty(), "{:?}", learned.warnings);
    let again = replay(&learned.policy, LOG.as_bytes()).unwrap();
    assert_eq!((again.newly_denied, again.newly_allowed), (0, 0), "{grants}");
    for denied in
        ["GET /reports/daily/y", "GET /reports?prefix=daily", "PUT /reports/daily/x", "GET /reports/a"]
    {
        assert!(!ask(&learned, READER, denied, &[], "").is_allowed(), "{denied}: {grants}");
    }
    assert_eq!(learn(&b""[..]).unwrap(), "grants: []\n");
}

#[test]
fn many_keys_become_folders() {
    let line = |key: String| {
        format!(
            r#"{{"identity":"spiffe://td/ns/app/sa/api","operation":"GetObject","bucket":"reports","key":"{key}","grant":"g","upstream_ms":1.0}}"#
        )
    };
    let log: Vec<String> = (0..300).map(|i| line(format!("year/{}/{i}", i % 3))).collect();
    let grants = learn(log.join("\n").as_bytes()).unwrap();
    assert!(grants.contains(r#"prefixes: ["year/0/", "year/1/", "year/2/"]"#), "{grants}");
    let log: Vec<String> = (0..300).map(|i| line(format!("year/{i}/x"))).collect();
    assert!(learn(log.join("\n").as_bytes()).unwrap().contains(r#"prefixes: ["year/"]"#));
    let log: Vec<String> = (0..300).map(|i| line(format!("{i}"))).collect();
    assert!(!learn(log.join("\n").as_bytes()).unwrap().contains("prefixes"));
}
