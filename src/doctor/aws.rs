//! What AWS says: whose the credentials are, what time it is, whether the buckets can be reached.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::Finding;
use crate::config::{Config, CredentialSource};
use crate::credentials::probe;
use crate::policy::{Effect, RolePattern};
use crate::s3::{BucketName, Query, Target};
use crate::sigv4::{PayloadMode, Signer, SigningCredentials};
use crate::upstream::{Endpoint, ReplyBody, Upstream};

pub(super) async fn caller(config: &Config) -> (Finding, Option<SigningCredentials>) {
    let check = "caller";
    let (credentials, caller) = match probe(config).await {
        Ok(found) => found,
        Err(why) => {
            let mend = "look at the role's trust policy (issuer, audience, namespace and ServiceAccount) and the way to STS";
            return (Finding::bad(check, why, mend), None);
        }
    };
    let expected = match (&config.credentials.expect_role, &config.credentials.source) {
        (Some(pattern), _) => Some(pattern.clone()),
        (None, CredentialSource::WebIdentity { role_arn, .. }) => {
            role_arn.as_str().parse::<RolePattern>().ok()
        }
        (None, _) => None,
    };
    // Sessions of an instance profile are named after the instance.
    let of_node = caller.rsplit('/').next().is_some_and(|session| session.starts_with("i-"));
    let finding = if of_node {
        let mend = "the pod acts as its node; set credentials.source to web_identity or pod_identity, and block IMDS";
        Finding::bad(check, format!("{caller} is the node's role"), mend)
    } else if let Some(expected) = expected.filter(|expected| !expected.matches(&caller)) {
        Finding::bad(
            check,
            format!("{caller}, not {expected}"),
            "name the role in s3-access-proxy.io/role-arn or credentials.role_arn",
        )
    } else {
        Finding::good(check, caller)
    };
    (finding, Some(credentials))
}

/// SigV4 takes five minutes at most in some services, fifteen in S3; clocks that are kept differ by milliseconds.
const SKEW: Duration = Duration::from_mins(1);

pub(super) async fn clock(config: &Config) -> Finding {
    let check = "clock";
    let asked = Request::builder().method(Method::GET).uri(config.upstream.endpoint.clone());
    let asked = asked.header(header::HOST, config.upstream.endpoint.host().unwrap_or_default());
    let before = SystemTime::now();
    let answer = match asked.body(Full::default()) {
        Ok(request) => send(config, request).await,
        Err(error) => Err(error.to_string()),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            return Finding::bad(
                check,
                format!("S3 does not answer: {why}"),
                "see 'endpoint'; for TLS, upstream.ca",
            );
        }
    };
    let date = answer
        .headers()
        .get(header::DATE)
        .and_then(|date| OffsetDateTime::parse(date.to_str().ok()?, &Rfc2822).ok());
    let Some(date) = date.map(SystemTime::from) else {
        return Finding::warning(check, "S3's answer has no date", "is it S3?");
    };
    let skew = before.duration_since(date).unwrap_or_else(|error| error.duration());
    if skew > SKEW {
        let found = format!("{} s apart from S3's", skew.as_secs());
        return Finding::warning(
            check,
            found,
            "keep the node's clock (chrony); the proxy corrects its signatures meanwhile",
        );
    }
    Finding::good(check, "within a minute of S3's")
}

async fn send(
    config: &Config,
    request: Request<Full<Bytes>>,
) -> Result<Response<ReplyBody<Full<Bytes>>>, String> {
    let upstream = Upstream::new(&config.upstream, &config.limits).map_err(|error| error.to_string())?;
    upstream.send(request, || None).await.map_err(|error| {
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        causes.last().map_or_else(|| error.to_string(), ToString::to_string)
    })
}

/// Every bucket that a grant names in full.
pub(super) async fn buckets(config: &Config, credentials: Option<&SigningCredentials>) -> Vec<Finding> {
    let mut names: Vec<BucketName> = Vec::new();
    for grant in config.policy.grants().iter().filter(|grant| grant.effect == Effect::Allow) {
        names.extend(grant.buckets.iter().filter_map(|bucket| bucket.to_string().parse().ok()));
    }
    names.sort_unstable_by_key(ToString::to_string);
    names.dedup();
    if names.is_empty() {
        let mend = "look at one with proxy explain, or name it in a grant";
        return vec![Finding::warning("bucket", "no grant names one in full; none is asked for", mend)];
    }
    let Some(credentials) = credentials else {
        let mend = "mend 'caller' first";
        return names
            .iter()
            .map(|name| Finding::warning("bucket", format!("{name}: not asked"), mend))
            .collect();
    };
    let mut findings = Vec::new();
    for name in names {
        findings.push(bucket(config, credentials, name).await);
    }
    findings
}

async fn bucket(config: &Config, credentials: &SigningCredentials, name: BucketName) -> Finding {
    let check = "bucket";
    let status = match head(config, credentials, name.clone()).await {
        Ok(answer) => answer.status(),
        Err(why) => return Finding::bad(check, format!("{name}: {why}"), "see 'endpoint'"),
    };
    let bad = |found: &str, mend: &str| Finding::bad(check, format!("{name}: {found}"), mend);
    match status {
        status if status.is_success() => Finding::good(check, format!("{name} is there and can be listed")),
        StatusCode::FORBIDDEN => Finding::warning(
            check,
            format!("{name}: access denied"),
            "right if the role may only read or write objects; else look at its policy, the bucket's and the endpoint's",
        ),
        StatusCode::NOT_FOUND => bad("is not there", "correct the grant, or make the bucket"),
        status if status.is_redirection() => bad("is in another region", "correct upstream.region"),
        status => bad(&format!("S3 answers {status}"), "look at the bucket with the AWS CLI"),
    }
}

async fn head(
    config: &Config,
    credentials: &SigningCredentials,
    name: BucketName,
) -> Result<Response<ReplyBody<Full<Bytes>>>, String> {
    let query = Query::parse("").map_err(|refusal| refusal.message.into_owned())?;
    let located = Endpoint::new(&config.upstream).locate(&Target::Bucket(name), &query);
    let (uri, host) = located.map_err(|error| error.to_string())?;
    let request =
        Request::builder().method(Method::HEAD).uri(uri).header(header::HOST, host).body(Full::default());
    let mut request = request.map_err(|error| error.to_string())?;
    let signer = Signer::new(&config.upstream.region);
    signer
        .sign(&mut request, &PayloadMode::Unsigned, credentials, SystemTime::now())
        .map_err(|error| error.to_string())?;
    send(config, request).await
}
