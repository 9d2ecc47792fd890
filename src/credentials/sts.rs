//! STS: sessions for tokens and for other sessions, and whose credentials some are. Asked once a call; whoever calls
//! decides when to ask again.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{Builder, ConfigBag, IdentityCache, Intercept, RuntimeComponents};
use aws_sdk_sts::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_sts::types::Tag;
use http::HeaderValue;

use super::clock::Clock;
use super::error::{LoadError, presentable};
use crate::config;
use crate::policy::{RoleArn, SessionPolicy};
use crate::sigv4::SigningCredentials;
use crate::telemetry::chain;

const WHO: &str = "STS";
/// From the first look-up to the last byte: STS answers within a second.
const TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The regional endpoint, or the configured one.
#[derive(Debug, Clone)]
pub(super) struct Sts {
    config: aws_sdk_sts::Config,
    /// Made when STS is asked first: many never are.
    client: Arc<OnceLock<Client>>,
    clock: Clock,
}

/// What a session is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) role: &'a RoleArn,
    pub(super) name: &'a str,
    pub(super) policy: Option<&'a SessionPolicy>,
}

/// What AssumeRole can be told of the client beside the session's name.
#[derive(Debug, Clone, Default)]
pub(super) struct Attribution {
    pub(super) source_identity: Option<String>,
    pub(super) tags: Vec<(&'static str, String)>,
}

impl Sts {
    pub(super) fn new(config: &config::Config, clock: Clock) -> Self {
        let host = config.upstream.endpoint.host().unwrap_or_default();
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
        let mut builder = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.upstream.region.clone()))
            // Whoever has to reach S3 by these has to reach STS by them too.
            .use_fips(host.starts_with("s3-fips."))
            .use_dual_stack(host.contains(".dualstack."))
            .time_source(clock.clone())
            .retry_config(RetryConfig::disabled())
            // Credentials are given with each call; the SDK would keep every one of them.
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(timeouts.build());
        if let Some(endpoint) = &config.credentials.sts_endpoint {
            builder = builder.endpoint_url(endpoint.to_string());
        }
        Self { config: builder.build(), client: Arc::default(), clock }
    }

    fn client(&self) -> Result<&Client, LoadError> {
        if self.client.get().is_none() {
            require_roots()?;
        }
        Ok(self.client.get_or_init(|| Client::from_conf(self.config.clone())))
    }

    /// AssumeRoleWithWebIdentity, which the token alone authenticates.
    pub(super) async fn assume_with_token(
        &self,
        wanted: Wanted<'_>,
        token: &str,
    ) -> Result<SigningCredentials, LoadError> {
        let asked = self
            .client()?
            .assume_role_with_web_identity()
            .role_arn(wanted.role.as_str())
            .role_session_name(wanted.name)
            .web_identity_token(token)
            .set_policy(wanted.policy.map(ToString::to_string))
            .customize()
            .interceptor(self.witness());
        let answer = asked.send().await.map_err(|error| failed(&error, token))?;
        self.understand(answer.credentials)
    }

    /// AssumeRole, signed with credentials that may.
    pub(super) async fn assume(
        &self,
        wanted: Wanted<'_>,
        base: &SigningCredentials,
        attribution: Attribution,
    ) -> Result<SigningCredentials, LoadError> {
        let tags: Option<Vec<Tag>> = attribution
            .tags
            .into_iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build().ok())
            .collect();
        let asked = self
            .client()?
            .assume_role()
            .role_arn(wanted.role.as_str())
            .role_session_name(wanted.name)
            .set_policy(wanted.policy.map(ToString::to_string))
            .set_source_identity(attribution.source_identity)
            .set_tags(tags.filter(|tags| !tags.is_empty()))
            .customize()
            .interceptor(self.witness())
            .config_override(Builder::new().credentials_provider(base.to_provider()));
        let answer = asked.send().await.map_err(|error| failed(&error, ""))?;
        self.understand(answer.credentials)
    }

    /// GetCallerIdentity: the ARN that credentials belong to.
    pub(super) async fn caller(&self, credentials: &SigningCredentials) -> Result<String, LoadError> {
        let asked = self
            .client()?
            .get_caller_identity()
            .customize()
            .interceptor(self.witness())
            .config_override(Builder::new().credentials_provider(credentials.to_provider()));
        let answer = asked.send().await.map_err(|error| failed(&error, ""))?;
        answer.arn.ok_or(LoadError::Garbage { who: WHO, why: "the caller's ARN is not in it" })
    }

    fn witness(&self) -> Witness {
        Witness { clock: self.clock.clone(), asked: SystemTime::now() }
    }

    fn understand(
        &self,
        given: Option<aws_sdk_sts::types::Credentials>,
    ) -> Result<SigningCredentials, LoadError> {
        let garbage = |why| LoadError::Garbage { who: WHO, why };
        let given = given.ok_or(garbage("no credentials are in it"))?;
        let expires =
            SystemTime::try_from(given.expiration).map_err(|_| garbage("it has no time of expiry"))?;
        if given.access_key_id.is_empty()
            || given.secret_access_key.is_empty()
            || given.session_token.is_empty()
        {
            return Err(garbage("the credentials in it are empty"));
        }
        if expires <= self.clock.now() {
            return Err(garbage("the credentials in it have expired"));
        }
        let token = Some(given.session_token);
        let given =
            Credentials::new(given.access_key_id, given.secret_access_key, token, Some(expires), "sts");
        Ok(given.into())
    }
}

/// The SDK's client panics where the system trusts nobody.
pub(super) fn require_roots() -> Result<(), LoadError> {
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        return Err(LoadError::NoRoots);
    }
    Ok(())
}

/// The SDK's errors show answers in part; only the code and the message of an understood one are passed on.
fn failed<E: ProvideErrorMetadata>(error: &SdkError<E>, token: &str) -> LoadError {
    match error {
        SdkError::ServiceError(context) => match context.err().code() {
            Some(code) => LoadError::Refused {
                who: WHO,
                code: presentable(code, token),
                message: presentable(context.err().message().unwrap_or("without a message"), token),
            },
            None => LoadError::Garbage { who: WHO, why: "it is neither credentials nor an error of STS" },
        },
        SdkError::TimeoutError(_) => LoadError::TimedOut(TIMEOUT),
        SdkError::DispatchFailure(failure) => LoadError::Unreachable {
            who: WHO,
            why: failure
                .as_connector_error()
                .map_or_else(String::new, |error| presentable(&chain(error), token)),
        },
        _ => LoadError::Garbage { who: WHO, why: "it cannot be read" },
    }
}

/// Shows the clock the date of an answer, even of one that refuses.
#[derive(Debug)]
struct Witness {
    clock: Clock,
    asked: SystemTime,
}

impl Intercept for Witness {
    fn name(&self) -> &'static str {
        "Witness"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").and_then(|date| HeaderValue::from_str(date).ok());
        self.clock.observe(WHO, self.asked, date.as_ref());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextRef;

    use super::*;
    use crate::config::Config;
    use crate::telemetry::Metrics;

    /// Notes where a question would have gone, and lets it go nowhere.
    #[derive(Debug, Clone, Default)]
    struct Stop(Arc<Mutex<String>>);

    impl Intercept for Stop {
        fn name(&self) -> &'static str {
            "Stop"
        }

        fn read_before_transmit(
            &self,
            context: &BeforeTransmitInterceptorContextRef<'_>,
            _: &RuntimeComponents,
            _: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            context.request().uri().clone_into(&mut self.0.lock().unwrap());
            Err("stopped".into())
        }
    }

    async fn asked(upstream: &str, credentials: &str) -> String {
        let text = format!(
            "tls: {{ certificate: c, private_key: k, client_ca: a }}\nupstream: {{ {upstream} }}\n\
             credentials: {{ source: environment, {credentials} }}\n"
        );
        let config = Config::parse(&text, &[]).unwrap();
        let sts = Sts::new(&config, Clock::new(Metrics::new().unwrap()));
        let stop = Stop::default();
        let question = sts
            .client()
            .unwrap()
            .assume_role_with_web_identity()
            .role_arn("r")
            .role_session_name("s")
            .web_identity_token("t");
        assert!(question.customize().interceptor(stop.clone()).send().await.is_err());
        stop.0.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn sts_is_asked_in_the_region_of_the_buckets() {
        for (upstream, credentials, host) in [
            ("region: eu-west-1", "", "https://sts.eu-west-1.amazonaws.com/"),
            ("region: us-east-1", "", "https://sts.us-east-1.amazonaws.com/"),
            ("region: cn-north-1", "", "https://sts.cn-north-1.amazonaws.com.cn/"),
            ("region: us-east-2, fips: true", "", "https://sts-fips.us-east-2.amazonaws.com/"),
            ("region: eu-west-1, dualstack: true", "", "https://sts.eu-west-1.api.aws/"),
            (
                "region: eu-west-1",
                "sts_endpoint: 'https://vpce-1.sts.eu-west-1.vpce.amazonaws.com'",
                "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/",
            ),
        ] {
            assert_eq!(asked(upstream, credentials).await, host, "{upstream}");
        }
    }
}
