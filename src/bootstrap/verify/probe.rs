//! Probes: two requests a bucket that change nothing and that AWS has to refuse. One is not signed; the other is signed and
//! goes without TLS. Of what the latter shows in the clear nothing is secret, and its signature is good for this one
//! question, which it asks in vain.
//!
//! The SDK makes both as it makes any request, for whichever endpoint is set; only then is the signature taken off, or the
//! `s` of `https`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, SdkError};

use crate::bootstrap::account::Account;
use crate::spec::Desired;
use crate::telemetry::chain;

/// How long a probe may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nobody asked: why.
    NotAsked(String),
    /// Refused, with this HTTP status.
    Refused(u16),
    /// Answered as if it were allowed.
    Allowed,
    /// There was no such bucket, or no answer: what happened.
    Nothing(String),
}

/// What became of every probe.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// By the bucket's name: without a signature, without TLS, and the region that an answer named.
    pub buckets: BTreeMap<String, Probed>,
}

/// The probes of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Without a signature.
    pub anonymous: Answer,
    /// Without TLS.
    pub plain: Answer,
    /// The region that the answer to the first one named.
    pub region: Option<String>,
}

/// Probes every declared bucket.
pub async fn probe(account: &Account, desired: &Desired) -> Probes {
    let mut buckets = BTreeMap::new();
    for bucket in &desired.buckets {
        let (anonymous, region) = anonymous(account, &bucket.name).await;
        let plain = plain(account, &bucket.name).await;
        buckets.insert(bucket.name.clone(), Probed { anonymous, plain, region });
    }
    Probes { buckets }
}

async fn anonymous(account: &Account, bucket: &str) -> (Answer, Option<String>) {
    let asked = changed(account, Change::TakeOffSignature).head_bucket().bucket(bucket).send().await;
    match asked {
        Ok(answer) => (Answer::Allowed, answer.bucket_region),
        Err(error) => {
            let region = error.raw_response().and_then(|raw| raw.headers().get("x-amz-bucket-region"));
            let region = region.map(str::to_owned);
            (refusal(&error), region)
        }
    }
}

async fn plain(account: &Account, bucket: &str) -> Answer {
    let was_plain = Arc::new(AtomicBool::new(false));
    let client = changed(account, Change::TakeOffTls { was_plain: Arc::clone(&was_plain) });
    let asked = client.get_bucket_location().bucket(bucket).expected_bucket_owner(&account.id).send().await;
    if was_plain.load(Ordering::Relaxed) {
        return Answer::NotAsked("the endpoint that is set speaks no TLS itself".to_owned());
    }
    match asked {
        Ok(_) => Answer::Allowed,
        Err(error) => refusal(&error),
    }
}

fn refusal<E: std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> Answer {
    match error.raw_response().map(|raw| raw.status().as_u16()) {
        Some(404) => Answer::Nothing("there is no such bucket".to_owned()),
        Some(status @ 300..) => Answer::Refused(status),
        _ => Answer::Nothing(chain(error)),
    }
}

fn changed(account: &Account, change: Change) -> Client {
    let limits = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
    let config = account.s3.config().to_builder().retry_config(RetryConfig::disabled());
    Client::from_conf(config.timeout_config(limits).interceptor(change).build())
}

/// What is done to a request that is ready to be sent.
#[derive(Debug)]
enum Change {
    TakeOffSignature,
    TakeOffTls { was_plain: Arc<AtomicBool> },
}

impl Intercept for Change {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        match self {
            Self::TakeOffSignature => {
                for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
                    request.headers_mut().remove(name);
                }
            }
            Self::TakeOffTls { was_plain } => match request.uri().strip_prefix("https://") {
                Some(rest) => {
                    let plain = format!("http://{rest}");
                    request.set_uri(plain)?;
                }
                None => was_plain.store(true, Ordering::Relaxed),
            },
        }
        Ok(())
    }
}
