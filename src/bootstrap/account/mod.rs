//! The AWS account: a client for each service, made of the standard settings (profiles, single sign-on, web identity,
//! `AWS_ENDPOINT_URL_*`), for the declaration's account and region and no other.

mod error;
mod resolver;

pub use error::{AccountError, CallError};
pub(in crate::bootstrap) use error::{built, failed, optional};

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};

use resolver::Resolver;

use crate::spec::Desired;

/// Attempts of one call that is throttled or not answered: with the SDK's back-off about half a minute.
const ATTEMPTS: u32 = 8;
/// Between two attempts, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Clients of one account in one region.
#[derive(Debug, Clone)]
pub struct Account {
    pub(super) id: String,
    pub(super) caller: String,
    pub(super) cloudtrail: aws_sdk_cloudtrail::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) eks: aws_sdk_eks::Client,
    pub(super) events: aws_sdk_eventbridge::Client,
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) kms: aws_sdk_kms::Client,
    pub(super) logs: aws_sdk_cloudwatchlogs::Client,
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) s3control: aws_sdk_s3control::Client,
    pub(super) sns: aws_sdk_sns::Client,
}

impl Account {
    /// Connects with the caller's own credentials, and asks whose they are: those of another account are refused.
    pub async fn connect(desired: &Desired) -> Result<Self, AccountError> {
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            return Err(AccountError::NoRoots);
        }
        let http = Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
            .build_with_resolver(Resolver);
        let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(LONGEST_PAUSE);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(desired.region.to_string()))
            .http_client(http)
            .retry_config(retry)
            .load()
            .await;
        let asked = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
        let caller = asked.map_err(failed("sts:GetCallerIdentity", "the caller"))?;
        let found = caller.account().unwrap_or_default().to_owned();
        if found != desired.account.as_str() {
            return Err(AccountError::OtherAccount { found, expected: desired.account.to_string() });
        }
        Ok(Self {
            id: found,
            caller: caller.arn().unwrap_or("an unnamed caller").to_owned(),
            cloudtrail: aws_sdk_cloudtrail::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            ec2: aws_sdk_ec2::Client::new(&config),
            eks: aws_sdk_eks::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            // Path style: a bucket's name may hold dots, which no certificate covers, and emulators know no other.
            s3: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build(),
            ),
            s3control: aws_sdk_s3control::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
        })
    }
}
