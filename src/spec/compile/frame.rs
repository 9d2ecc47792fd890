//! What every part of the compilation looks up: settled names, and ARNs that follow from them.

use sha2::{Digest, Sha256};

use crate::spec::declared::{
    Bucket, Duty, EncryptionChoice, KeyChoice, LogsChoice, Spec, TopicChoice, Workload,
};
use crate::spec::desired::{Encryption, KeyRef};
use crate::spec::fact::Fact;
use crate::spec::naming::Named;
use crate::spec::partition::{Partition, Service};
use crate::spec::profile::Profile;
use crate::spec::refusal::Refusal;
use crate::spec::words::Word;

/// IAM quotas: characters of a role's name.
const MAX_ROLE_NAME: usize = 64;

/// The declaration with its buckets' names.
pub(super) struct Frame<'a> {
    pub(super) spec: &'a Spec,
    pub(super) partition: Partition,
    named: Vec<Named>,
}

impl<'a> Frame<'a> {
    pub(super) fn new(spec: &'a Spec) -> Result<Self, Vec<Refusal>> {
        let (mut named, mut refusals) = (Vec::new(), Vec::new());
        for (at, bucket) in spec.buckets.iter().enumerate() {
            let path = format!("buckets[{at}]");
            match bucket.name.settle(&path, &spec.name, &spec.account, &spec.region) {
                Ok(name) => named.push(name),
                Err(refusal) => refusals.push(refusal),
            }
        }
        let partition = spec.region.partition();
        if refusals.is_empty() { Ok(Self { spec, partition, named }) } else { Err(refusals) }
    }

    /// Each bucket with its key path and its name.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (String, &'a Bucket, &Named)> {
        let pairs = self.spec.buckets.iter().zip(&self.named).enumerate();
        pairs.map(|(at, (bucket, named))| (format!("buckets[{at}]"), bucket, named))
    }

    pub(super) fn bucket(&self, base: &Word) -> Option<(&'a Bucket, &Named)> {
        self.buckets()
            .find(|(_, bucket, _)| bucket.name.base() == base)
            .map(|(_, bucket, named)| (bucket, named))
    }

    /// The log sink of a base, or the only one.
    pub(super) fn sink(&self, base: Option<&Word>) -> Option<(&'a Bucket, &Named)> {
        if let Some(base) = base {
            return self.bucket(base);
        }
        let mut sinks = self.buckets().filter(|(_, bucket, _)| bucket.profile == Profile::LogSink);
        let (_, bucket, named) = sinks.next()?;
        sinks.next().is_none().then_some((bucket, named))
    }

    /// Where a bucket's access logs go, by name in S3.
    pub(super) fn log_bucket(&self, bucket: &Bucket) -> Option<String> {
        match bucket.access_logs.as_ref()? {
            LogsChoice::Auto => self.sink(None).map(|(_, named)| named.name.to_string()),
            LogsChoice::Base(base) => self.sink(Some(base)).map(|(_, named)| named.name.to_string()),
            LogsChoice::Other(name) => Some(name.clone()),
        }
    }

    pub(super) fn encryption(bucket: &Bucket) -> Encryption {
        match (&bucket.encryption, bucket.profile) {
            // S3's log delivery cannot use a KMS key of ours.
            (None, Profile::LogSink) | (Some(EncryptionChoice::SseS3), _) => Encryption::SseS3,
            (None | Some(EncryptionChoice::SseKms(KeyChoice::Create)), _) => Encryption::SseKms(KeyRef::Own),
            (Some(EncryptionChoice::SseKms(KeyChoice::Given(arn))), _) => {
                Encryption::SseKms(KeyRef::Given(arn.clone()))
            }
        }
    }

    /// The ARN of a bucket's KMS key, or the mark that stands for it.
    pub(super) fn key_arn(bucket: &Bucket) -> Option<String> {
        match Self::encryption(bucket) {
            Encryption::SseS3 => None,
            Encryption::SseKms(KeyRef::Own) => Some(Fact::KeyArn.to_string()),
            Encryption::SseKms(KeyRef::Given(arn)) => Some(arn),
        }
    }

    /// Whether anything is encrypted with the deployment's own key: a bucket, or the topic.
    pub(super) fn uses_own_key(&self) -> bool {
        let by_bucket = self
            .spec
            .buckets
            .iter()
            .any(|bucket| Self::encryption(bucket) == Encryption::SseKms(KeyRef::Own));
        by_bucket || self.spec.alerts.topic == TopicChoice::Create || self.has_trail()
    }

    pub(super) fn has_trail(&self) -> bool {
        self.spec.account_wide.trail == Duty::Manage
    }

    pub(super) fn service(&self, service: Service) -> String {
        service.principal(self.partition)
    }

    /// An ARN of this region and account.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let Spec { region, account, .. } = self.spec;
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition)
    }

    pub(super) fn iam(&self, resource: &str) -> String {
        self.spec.iam(resource)
    }

    pub(super) fn s3(&self, resource: &str) -> String {
        format!("arn:{}:s3:::{resource}", self.partition)
    }

    pub(super) fn boundary_name(&self) -> String {
        format!("{}-boundary", self.spec.name)
    }

    pub(super) fn topic_name(&self) -> String {
        format!("{}-alerts", self.spec.name)
    }

    pub(super) fn topic_arn(&self) -> String {
        match &self.spec.alerts.topic {
            TopicChoice::Given(arn) => arn.clone(),
            TopicChoice::Create | TopicChoice::Off => self.arn("sns", &self.topic_name()),
        }
    }

    pub(super) fn trail_name(&self) -> String {
        format!("{}-trail", self.spec.name)
    }

    pub(super) fn trail_arn(&self) -> String {
        self.arn("cloudtrail", &format!("trail/{}", self.trail_name()))
    }

    pub(super) fn replication_role(&self, base: &Word) -> String {
        self.iam(&format!("role/{}", bounded(&format!("{}-replicate-{base}", self.spec.name))))
    }

    pub(super) fn trail_role(&self) -> String {
        self.iam(&format!("role/{}-trail-logs", self.spec.name))
    }

    /// The issuer, or the mark that stands for it.
    pub(super) fn issuer(&self) -> String {
        self.spec.cluster.issuer.clone().unwrap_or_else(|| Fact::OidcIssuer.to_string())
    }

    pub(super) fn oidc_arn(&self) -> String {
        self.iam(&format!("oidc-provider/{}", self.issuer()))
    }
}

impl Spec {
    fn iam(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.region.partition(), self.account)
    }

    /// The name of a workload's role: `<name>-<namespace>-<service account>`, cut with a digest where that is too long.
    pub fn role_name(&self, workload: &Workload) -> String {
        bounded(&format!("{}-{}-{}", self.name, workload.namespace, workload.service_account))
    }

    /// The ARN of a workload's role.
    pub fn role_arn(&self, workload: &Workload) -> String {
        self.iam(&format!("role/{}", self.role_name(workload)))
    }
}

/// A workload's SPIFFE ID.
pub fn spiffe_id(workload: &Workload) -> String {
    let Workload { trust_domain, namespace, service_account, .. } = workload;
    format!("spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}")
}

/// A name that fits into a role's; two that are cut at the same place stay two.
fn bounded(name: &str) -> String {
    if name.len() <= MAX_ROLE_NAME {
        return name.to_owned();
    }
    let digest = hex::encode(&Sha256::digest(name)[..4]);
    format!("{}-{digest}", &name[..MAX_ROLE_NAME - 9])
}
