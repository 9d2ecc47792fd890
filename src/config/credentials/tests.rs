//! The section with every source: what is read, what is inherited, what is refused.

use super::*;
use crate::config::{Config, Problems};

const ROLE: &str = "arn:aws:iam::123456789012:role/s3-proxy";

fn config(entries: &str, grants: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let text = format!(
        "tls: {{ certificate: /c, private_key: /k, client_ca: /a }}\nupstream: {{ region: eu-west-1 }}\n\
         credentials: {{ {entries} }}\ngrants: [ {grants} ]\n"
    );
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Config::parse(&text, &environment.iter().map(pair).collect::<Vec<_>>())
}

fn read(entries: &str, environment: &[(&str, &str)]) -> Result<Credentials, Vec<String>> {
    match config(entries, "", environment) {
        Ok(config) => Ok(config.credentials),
        Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
    }
}

fn problems(entries: &str) -> Vec<String> {
    read(entries, &[]).unwrap_err()
}

#[test]
fn every_source_reads_back_as_it_is_shown() {
    let irsa = [("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t/token")];
    let pod = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/t/token"),
    ];
    for (entries, environment) in [
        ("source: web_identity", &irsa[..]),
        ("source: web_identity, sessions: per_identity, max_sessions: 7", &irsa),
        ("source: pod_identity", &pod),
        (
            "source: pod_identity, sessions: per_identity, role_arn: 'arn:aws:iam::123456789012:role/r', session_tags: true",
            &pod,
        ),
        ("source: static_file, file: /f, expect_role: 'arn:aws:iam::123456789012:role/s3-*'", &[]),
        ("source: environment, sts_endpoint: 'https://vpce-1.sts.eu-west-1.vpce.amazonaws.com'", &[]),
        (
            "source: default_chain, sessions: shared, sts_endpoint: 'http://sts:4566', allow_plaintext: true",
            &[],
        ),
    ] {
        let config =
            config(entries, "", environment).unwrap_or_else(|problems| panic!("{entries}: {problems}"));
        let shown = config.to_string();
        // Without the environment: what was inherited stands there.
        assert_eq!(Config::parse(&shown, &[]).unwrap().credentials, config.credentials, "{shown}");
    }
}

#[test]
fn the_configuration_goes_before_the_environment() {
    let environment = [("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/env")];
    let read = read(
        &format!("source: web_identity, role_arn: '{ROLE}', token_file: /given, session_name: a-proxy"),
        &environment,
    )
    .unwrap();
    let CredentialSource::WebIdentity { role_arn, token_file, session_name } = read.source else {
        panic!("another source");
    };
    assert_eq!(
        (role_arn.as_str(), token_file.to_str().unwrap(), session_name.as_str()),
        (ROLE, "/given", "a-proxy")
    );
}

#[test]
fn what_is_missing_is_named_with_the_variable_that_would_serve() {
    let found = problems("source: web_identity").join("\n");
    assert!(found.contains("credentials.role_arn: missing") && found.contains("AWS_ROLE_ARN"), "{found}");
    assert!(
        found.contains("credentials.token_file: missing") && found.contains("AWS_WEB_IDENTITY_TOKEN_FILE")
    );
    let found = problems("source: pod_identity").join("\n");
    assert!(found.contains("credentials.agent_uri: missing"), "{found}");
    assert!(found.contains("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "{found}");
    let broken = read("source: web_identity, token_file: /t", &[("AWS_ROLE_ARN", "nobody")]).unwrap_err();
    assert!(broken.iter().any(|problem| problem.contains("AWS_ROLE_ARN is 'nobody'")), "{broken:?}");
    let found = problems("source: environment, sessions: per_identity");
    assert!(found[0].starts_with("credentials.role_arn: missing"), "{found:?}");
}

#[test]
fn what_belongs_to_another_source_is_refused() {
    for (entries, path) in [
        ("source: environment, token_file: /t", "credentials.token_file"),
        ("source: environment, role_arn: 'arn:aws:iam::123456789012:role/r'", "credentials.role_arn"),
        ("source: static_file, file: /f, agent_uri: 'http://127.0.0.1/'", "credentials.agent_uri"),
        ("source: default_chain, profile: p", "credentials.profile"),
        ("source: environment, max_sessions: 7", "credentials.max_sessions"),
        ("source: environment, session_tags: true", "credentials.session_tags"),
        (
            "source: web_identity, token_file: /t, role_arn: 'arn:aws:iam::123456789012:role/r', sessions: per_identity, source_identity: true",
            "credentials.source_identity",
        ),
    ] {
        let found = problems(entries);
        assert!(found.iter().any(|problem| problem.starts_with(path)), "{entries}: {found:?}");
    }
}

#[test]
fn addresses_that_would_show_a_token_are_refused() {
    let agent =
        |uri: &str| read(&format!("source: pod_identity, token_file: /t, agent_uri: '{uri}'"), &[]).is_ok();
    for good in [
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
        "http://127.0.0.1:80/",
    ] {
        assert!(agent(good), "{good}");
    }
    for bad in [
        "https://169.254.170.23/",
        "http://169.254.169.254/latest/meta-data",
        "http://169.254.170.23@evil.example/",
        "http://evil.example/",
        "http://localhost.evil.example/",
        "http://10.0.0.1/",
        "169.254.170.23",
    ] {
        assert!(!agent(bad), "{bad}");
    }
    let found = problems("source: environment, sts_endpoint: 'http://sts.internal'");
    assert!(found[0].starts_with("credentials.sts_endpoint: http://"), "{found:?}");
    assert!(!problems("source: environment, sts_endpoint: 'https://sts/path'").is_empty());
}

#[test]
fn grants_and_sessions_fit_together() {
    let grant = |more: &str, bucket: &str| {
        format!("{{ name: g, identities: ['cn:a'], buckets: ['{bucket}'], actions: ['s3:GetObject']{more} }}")
    };
    let role = ", role_arn: 'arn:aws:iam::123456789012:role/other'";
    let per_identity = format!("source: environment, sessions: per_identity, role_arn: '{ROLE}'");
    let good = config(&per_identity, &grant(role, "data-*"), &[]).unwrap();
    assert!(good.to_string().contains("role/other"));
    assert_eq!(Config::parse(&good.to_string(), &[]).unwrap().to_string(), good.to_string());
    for (entries, grant, message) in [
        ("source: environment", grant(role, "data"), "needs credentials.sessions: per_identity"),
        (&*per_identity, grant("", "*-prod"), "reach into keys of other buckets"),
        (
            &*per_identity,
            grant(", effect: deny, role_arn: 'arn:aws:iam::123456789012:role/other'", "d-*"),
            "acts as nobody",
        ),
        (&*per_identity, grant(", role_arn: nobody", "data"), "a role is written"),
    ] {
        let found = config(entries, &grant, &[]).unwrap_err().to_string();
        assert!(found.contains(message), "{message}: {found}");
    }
}
