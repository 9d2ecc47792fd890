//! The guardrail on encryption at rest: which kind and key every new object must have.

use std::fmt;

use http::{HeaderMap, HeaderName};

use super::guardrails::{Additions, Breach, Guardrail, Stance};
use crate::s3::{Action, ActionSet, Operation};

/// Server-side encryption, as `x-amz-server-side-encryption` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SSE-S3.
    Aes256,
    /// SSE-KMS.
    Kms,
    /// DSSE-KMS.
    KmsDsse,
}

impl Algorithm {
    /// Every one, with its name.
    pub const ALL: [(&'static str, Self); 3] =
        [("AES256", Self::Aes256), ("aws:kms", Self::Kms), ("aws:kms:dsse", Self::KmsDsse)];

    /// The header's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "aws:kms",
            Self::KmsDsse => "aws:kms:dsse",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What every new object must be encrypted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredEncryption {
    /// The kind.
    pub algorithm: Algorithm,
    /// The ARN of the KMS key; `None` takes any.
    pub key: Option<String>,
    /// Whether the proxy adds the headers that a client leaves out, rather than refuse.
    pub add_if_missing: bool,
}

/// The guardrail.
#[derive(Debug, Clone, Default)]
pub struct Encryption {
    /// What is required, if anything.
    pub require: Option<RequiredEncryption>,
    /// Whether objects may be written with the client's own keys (SSE-C); never where something is required.
    pub customer_keys: Stance,
}

const ALGORITHM: &str = "x-amz-server-side-encryption";
const KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
static CUSTOMER: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm");
static CUSTOMER_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-customer-key");

/// What would weaken the requirement behind its back: another default of the bucket, another key of an object.
const WEAKENING: ActionSet =
    ActionSet::of(&[Action::PutEncryptionConfiguration, Action::UpdateObjectEncryption]);

impl Encryption {
    pub(super) fn refused_actions(&self) -> ActionSet {
        if self.require.is_some() { WEAKENING } else { ActionSet::default() }
    }

    pub(super) fn check(
        &self,
        operation: Operation,
        headers: &HeaderMap,
        additions: &mut Additions,
    ) -> Result<(), Breach> {
        let breach = |message: String| Err(Breach::new(Guardrail::Encryption, message));
        let customer = headers.contains_key(&CUSTOMER) || headers.contains_key(&CUSTOMER_KEY);
        if customer && writes(operation) && (self.customer_keys == Stance::Deny || self.require.is_some()) {
            return breach("objects are not written with keys of the client's own (SSE-C)".to_owned());
        }
        match &self.require {
            Some(required) if operation.creates_object() => required.check(headers, additions),
            _ => Ok(()),
        }
    }
}

/// The operations that take SSE-C headers to write; others only read what was written so.
fn writes(operation: Operation) -> bool {
    operation.creates_object()
        || matches!(
            operation,
            Operation::UploadPart | Operation::UploadPartCopy | Operation::CompleteMultipartUpload
        )
}

impl RequiredEncryption {
    fn check(&self, headers: &HeaderMap, additions: &mut Additions) -> Result<(), Breach> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let want = |what: String| Err(Breach::new(Guardrail::Encryption, format!("send {what}")));
        match text(ALGORITHM) {
            Some(given) if given == self.algorithm.as_str() => {}
            None if self.add_if_missing => {
                additions.push(Guardrail::Encryption, ALGORITHM, self.algorithm.as_str())?;
            }
            _ => return want(format!("{ALGORITHM}: {}", self.algorithm)),
        }
        let Some(key) = &self.key else { return Ok(()) };
        match text(KEY) {
            Some(given) if given == key => Ok(()),
            // The bare ID of the same key: sent as the ARN, so that no other account's key can be meant.
            Some(given) if key.rsplit('/').next() == Some(given) => {
                additions.push(Guardrail::Encryption, KEY, key)
            }
            None if self.add_if_missing => additions.push(Guardrail::Encryption, KEY, key),
            // Not which: the ARN names an account, and this is said before any grant is asked.
            _ => want(format!("the required KMS key in {KEY}; an administrator of this proxy knows which")),
        }
    }
}
