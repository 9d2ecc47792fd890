//! Files in, problems or the effective configuration out.

use super::*;
use crate::config::Problems;

const FULL: &str = r#"
listen: 127.0.0.1:8443
admin: 127.0.0.1:9090
domains: [s3.internal, S3.Example.]
tls: { certificate: /tls/tls.crt, private_key: /tls/tls.key, client_ca: /tls/ca.crt, min_version: "1.2" }
upstream: { region: eu-west-1 }
credentials: { source: environment }
grants:
  - name: reports-readers
    effect: allow
    identities: ["spiffe://cluster.local/ns/reports/sa/*"]
    buckets: [reports-prod]
    prefixes: ["daily/", "by-namespace/${namespace}/"]
    actions: [s3:GetObject, s3:ListBucket]
limits: { idle_timeout: 1m 30s, max_object_size: 10GiB, per_identity: { requests_per_second: null } }
"#;

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, &[])
}

fn problems(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_whole_file_is_read_and_its_effective_form_reads_back_the_same() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.domain_names, ["s3.internal", "s3.example"]);
    assert_eq!(config.upstream.endpoint.to_string(), "https://s3.eu-west-1.amazonaws.com/");
    assert_eq!(config.upstream.addressing, Addressing::VirtualUnlessDotted);
    assert_eq!(config.limits.idle_timeout.as_secs(), 90);
    assert_eq!(config.limits.max_object_size, 10 << 30);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let shown = config.to_string();
    assert_eq!(parse(&shown).unwrap().to_string(), shown);
}

#[test]
fn every_problem_is_reported_at_once_with_path_and_line() {
    let found = problems(
        "listen: nowhere\ntls: { certificate: a, privat_key: b }\nupstream:\n  region: eu-west-1\n  endpoint: http://x\n\
         grants:\n  - name: a\n    identities: [bob]\n    buckets: [UPPER]\n    actions: [s3:GetObjekt]\n    prefix: [x]\n\
         extra: 1\nlimits: { idle_timeout: 0s, max_connections: 0 }\n",
    );
    let starts = [
        "listen: 'nowhere': ",
        "tls.private_key: missing",
        "tls.client_ca: missing",
        "tls.privat_key: unknown key; known here: certificate, private_key",
        "upstream.endpoint: http://",
        "credentials.source: missing",
        "grants[0].identities[0]: 'bob': ",
        "grants[0].buckets[0]: 'UPPER': ",
        "grants[0].actions[0]: 's3:GetObjekt': no S3 action matches",
        "grants[0].prefix: unknown key",
        "extra: unknown key",
        "limits.idle_timeout: '0s': ",
        "limits.max_connections: must be at least 1",
    ];
    for start in starts {
        assert!(found.iter().any(|problem| problem.starts_with(start)), "{start} is not among {found:#?}");
    }
    assert!(found.iter().any(|problem| problem.ends_with("(line 10)")), "{found:#?}");
}

#[test]
fn an_empty_value_is_no_default() {
    for (from, to, path) in [
        ("prefixes: [\"daily/\", \"by-namespace/${namespace}/\"]", "prefixes:", "grants[0].prefixes"),
        ("effect: allow", "effect: null", "grants[0].effect"),
        ("client_ca: /tls/ca.crt", "client_ca: /tls/ca.crt, client_crl: ~", "tls.client_crl"),
        ("[s3:GetObject, s3:ListBucket]", "[s3:GetObject, null]", "grants[0].actions[1]"),
    ] {
        assert!(FULL.contains(from), "{from}");
        let found = problems(&FULL.replace(from, to));
        assert!(
            found.iter().any(|p| p.starts_with(path) && p.contains("nothing behind")),
            "{path}: {found:?}"
        );
    }
}

#[test]
fn the_environment_overrides_and_is_named_in_problems() {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = [
        variable("S3PROXY_UPSTREAM__REGION", "us-east-2"),
        variable("S3PROXY_LIMITS__MAX_CONNECTIONS", "7"),
        variable("S3PROXY_DOMAINS", "[a.b]"),
        variable("S3PROXY_SERVICE_HOST", "10.0.0.1"),
        variable("S3PROXY_PORT", "tcp://10.0.0.1:80"),
        variable("S3PROXY_PORT_80_TCP", "tcp://10.0.0.1:80"),
        variable("S3PROXY_WEBHOOK_SERVICE_HOST", "10.0.0.2"),
        variable("S3PROXY_WEBHOOK_PORT", "tcp://10.0.0.2:443"),
    ];
    let config = Config::parse(FULL, &environment).unwrap();
    assert_eq!(config.upstream.region, "us-east-2");
    assert_eq!(config.limits.max_connections, 7);
    assert_eq!(config.domain_names, ["a.b"]);
    let wrong =
        [variable("S3PROXY_LIMITS__MAX_CONNECTION", "7"), variable("S3PROXY_TLS__MIN_VERSION", "1.1")];
    let found = Config::parse(FULL, &wrong).unwrap_err().to_string();
    assert!(found.contains("limits.max_connection: unknown key"), "{found}");
    assert!(found.contains("environment variable S3PROXY_TLS__MIN_VERSION"), "{found}");
    let inherited = FULL.replace("{ region: eu-west-1 }", "{}");
    assert!(parse(&inherited).is_err());
    let config = Config::parse(&inherited, &[variable("AWS_REGION", "cn-north-1")]).unwrap();
    assert_eq!(config.upstream.endpoint.host(), Some("s3.cn-north-1.amazonaws.com.cn"));
}

#[test]
fn endpoints_are_derived_and_addressing_follows_them() {
    let upstream =
        |text: &str| parse(&FULL.replace("{ region: eu-west-1 }", text)).map(|config| config.upstream);
    let derived = upstream("{ region: us-gov-west-1, fips: true, dualstack: true }").unwrap();
    assert_eq!(derived.endpoint.host(), Some("s3-fips.dualstack.us-gov-west-1.amazonaws.com"));
    let local = upstream("{ region: r, endpoint: 'http://127.0.0.1:9000', allow_plaintext: true }").unwrap();
    assert_eq!(local.addressing, Addressing::Path);
    for bad in [
        "{ region: r, endpoint: 'https://x', fips: true }",
        "{ region: r, endpoint: 'https://x/path' }",
        "{ region: r, endpoint: 'ftp://x' }",
        "{ region: r, endpoint: 'https://user@x' }",
        "{ region: 'R!' }",
    ] {
        assert!(upstream(bad).is_err(), "{bad}");
    }
}

#[test]
fn yaml_that_means_two_things_is_refused() {
    assert!(problems("listen: 1\nlisten: 2\n")[0].contains("duplicated key"));
    assert!(problems("a: [")[0].contains("not valid YAML"));
    assert!(problems("listen: !!str x\n")[0].contains("tags"));
    assert!(problems("- a\n")[0].contains("mapping"));
    assert!(!problems("").is_empty());
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let text = FULL
        .replace("by-namespace/${namespace}/", "by/${namespace}")
        .replace("s3:ListBucket]", "s3:GetBucketLocation]");
    let warnings = parse(&text).unwrap().warnings.join("\n");
    assert!(
        warnings.contains("'by/${namespace}'") && warnings.contains("s3:GetBucketLocation"),
        "{warnings}"
    );
    let nothing = &FULL[..FULL.find("grants:").unwrap()];
    assert!(parse(nothing).unwrap().warnings[0].contains("nothing is granted"));
}

#[test]
fn sizes_are_shown_as_they_are() {
    for size in ["5TiB", "1025KiB", "5368709121B", "0B"] {
        let config = parse(&FULL.replace("10GiB", size)).unwrap();
        assert!(config.to_string().contains(&format!("max_object_size: \"{size}\"")), "{config}");
        assert_eq!(parse(&config.to_string()).unwrap().limits.max_object_size, config.limits.max_object_size);
    }
}

#[test]
fn limits_and_lists_are_read_shown_and_checked() {
    let with = |limits: &str| {
        let text =
            FULL.replace("idle_timeout: 1m 30s, ", "").replace("{ requests_per_second: null }", limits);
        parse(&text)
    };
    let config = with(
        "{ requests_per_second: 5, concurrent_requests: 2 }, max_connections: 7, \
                       max_connections_per_peer: 3, max_connection_age: 1h, max_requests: 9",
    );
    let config = config.unwrap();
    let shown = config.to_string();
    for line in [
        "max_connections_per_peer: 3",
        "max_connection_age: \"1h\"",
        "max_requests: 9",
        "requests_per_second: 5",
        "concurrent_requests: 2",
        "identities: 0",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert_eq!(parse(&shown).unwrap().to_string(), shown);
    assert_eq!(parse(FULL).unwrap().limits.max_requests, 16_384, "four for each connection");
    for (bad, path) in [
        ("{ requests_per_second: 0 }", "limits.per_identity.requests_per_second"),
        ("{ concurrent_requests: many }", "limits.per_identity.concurrent_requests"),
        ("{}, max_connections_per_peer: 0", "limits.max_connections_per_peer"),
        ("{}, max_connection_age: 0s", "limits.max_connection_age"),
        ("{}, max_connection_age: ~", "limits.max_connection_age"),
        ("{}, max_requests: 300000", "limits.max_requests"),
    ] {
        let found = with(bad).unwrap_err().to_string();
        assert!(found.starts_with(path), "{bad}: {found}");
    }
    for lists in ["/tls/crl.pem", "[/tls/one.pem, /tls/two.der]"] {
        let ca = format!("client_ca: /tls/ca.crt, client_crl: {lists}");
        let shown = parse(&FULL.replace("client_ca: /tls/ca.crt", &ca)).unwrap().to_string();
        assert_eq!(parse(&shown).unwrap().to_string(), shown);
    }
}

#[test]
fn an_agent_stands_in_place_of_files() {
    let with = |tls: &str| {
        let (before, rest) = FULL.split_once("tls: {").unwrap();
        let (_, after) = rest.split_once("}\n").unwrap();
        parse(&format!("{before}tls: {{ {tls} }}\n{after}"))
    };
    let both = with("spiffe: { socket: \"unix:///run/agent.sock\" }, certificate: /tls/tls.crt");
    let found = both.unwrap_err().to_string();
    assert!(found.contains("tls.certificate: leave it out together with 'spiffe'"), "{found}");
    let found = with("spiffe: { socket: /run/agent.sock }").unwrap_err().to_string();
    assert!(found.contains("tls.spiffe.socket: '/run/agent.sock': "), "{found}");
    let good = with("spiffe: { socket: \"unix:///run/agent.sock\" }");
    if cfg!(feature = "spiffe") {
        let shown = good.unwrap().to_string();
        assert_eq!(parse(&shown).unwrap().to_string(), shown);
    } else {
        assert!(good.unwrap_err().to_string().contains("tls.spiffe: this proxy was built without"));
    }
}

#[test]
fn one_mistake_is_one_message() {
    let found = problems(&FULL.replace("region: eu-west-1", "region: Mars"));
    assert_eq!(found.len(), 1, "{found:#?}");
    let found = problems(&FULL.replace("source: environment", "source: environment, fil: x"));
    assert_eq!(found[0].matches(" source,").count(), 1, "a key is known once: {found:#?}");
}

#[test]
fn a_region_of_the_environment_is_taken_or_complained_of() {
    let text = FULL.replace("{ region: eu-west-1 }", "{}");
    let with = |region: &str| {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Config::parse(&text, &[variable("AWS_REGION", region), variable("AWS_DEFAULT_REGION", "eu-north-1")])
    };
    assert_eq!(with("eu-west-2").unwrap().upstream.region, "eu-west-2");
    assert_eq!(with("").unwrap().upstream.region, "eu-north-1");
    let found = with("Mars").unwrap_err().to_string();
    assert!(found.contains("AWS_REGION is 'Mars'") && !found.contains('\n'), "{found}");
}

#[test]
fn ports_that_collide_and_times_without_end_are_refused() {
    for admin in ["127.0.0.1:8443", "0.0.0.0:8443", "\"[::]:8443\""] {
        let found = problems(&FULL.replace("admin: 127.0.0.1:9090", &format!("admin: {admin}")));
        assert!(found[0].starts_with("admin: must differ"), "{found:#?}");
    }
    parse(&FULL.replace("admin: 127.0.0.1:9090", "admin: 127.0.0.2:8443")).unwrap();
    parse(&FULL.replace("1m 30s", "365d")).unwrap();
    let found = problems(&FULL.replace("1m 30s", "500000000000y"));
    assert!(found[0].starts_with("limits.idle_timeout: "), "{found:#?}");
}

#[test]
fn guardrails_stand_by_default_and_are_checked() {
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let with = |text: &str| parse(&format!("{FULL}guardrails: {text}\n"));
    let shown = |text: &str| {
        let config = with(text).unwrap_or_else(|problems| panic!("{text}: {problems}"));
        let shown = config.to_string();
        assert_eq!(parse(&shown).unwrap().to_string(), shown, "{text}");
        shown
    };
    let default = shown("{}");
    for line in ["acl: deny", "public_access: deny", "deny_version_delete: false", "customer_keys: allow"] {
        assert!(default.contains(line), "{line} in {default}");
    }
    let full = shown(&format!(
        "{{ acl: allow, encryption: {{ require: aws:kms, key: \"{key}\", add_if_missing: true }}, object_lock: \
         {{ require_mode: COMPLIANCE, min_days: 30, deny_governance_bypass: true }} }}"
    ));
    for line in ["acl: allow", "require: \"aws:kms\"", key, "customer_keys: deny", "min_days: 30"] {
        assert!(full.contains(line), "{line} in {full}");
    }
    assert!(full.contains("deny_version_delete: true"), "who asks for the lock means it: {full}");
    for (bad, path) in [
        ("{ acl: maybe }", "guardrails.acl"),
        ("{ encryption: { require: rot13 } }", "guardrails.encryption.require"),
        ("{ encryption: { require: aws:kms, key: alias/x } }", "guardrails.encryption.key"),
        ("{ encryption: { add_if_missing: true } }", "guardrails.encryption.add_if_missing"),
        ("{ encryption: { require: AES256, customer_keys: allow } }", "guardrails.encryption.customer_keys"),
        ("{ object_lock: { min_days: 0 } }", "guardrails.object_lock.min_days"),
        ("{ object_lock: { add_if_missing: true, min_days: 1 } }", "guardrails.object_lock.add_if_missing"),
        ("{ object_lock: { mode: COMPLIANCE } }", "guardrails.object_lock.mode"),
    ] {
        let found = with(bad).unwrap_err().to_string();
        assert!(found.contains(path), "{bad}: {found}");
    }
}
