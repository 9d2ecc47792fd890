//! What the buckets imply for the proxy's guardrails, which are the same for every bucket: only where all agree.

use serde_json::{Value, json};

use super::frame::Frame;
use crate::spec::declared::Spec;
use crate::spec::desired::{Encryption, KeyRef};
use crate::spec::profile::Profile;
use crate::spec::words::RetentionChoice;

/// Parts of the `guardrails` of the proxy's configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImpliedGuardrails {
    /// The `encryption` part.
    pub encryption: Option<Value>,
    /// The `object_lock` part.
    pub object_lock: Option<Value>,
}

/// What holds for every bucket that workloads write to.
pub fn guardrails(spec: &Spec) -> ImpliedGuardrails {
    let written = || spec.buckets.iter().filter(|bucket| bucket.profile != Profile::LogSink);
    let mut encryptions: Vec<Encryption> = written().map(Frame::encryption).collect();
    encryptions.dedup();
    let mut locks: Vec<Option<RetentionChoice>> = written().map(|bucket| bucket.object_lock).collect();
    locks.dedup();
    ImpliedGuardrails {
        encryption: match &encryptions[..] {
            [Encryption::SseS3] => Some(json!({ "require": "AES256", "add_if_missing": "true" })),
            [Encryption::SseKms(KeyRef::Given(key))] => {
                Some(json!({ "require": "aws:kms", "key": key, "add_if_missing": "true" }))
            }
            // The key's ARN is given out when it is made, and `aws:kms` without a key would mean AWS's own. The bucket's
            // default chooses the key, and its policy refuses others.
            _ => None,
        },
        // Without a required retention: the bucket's default gives it, and its policy refuses a shorter one.
        object_lock: match locks[..] {
            [Some(_)] => Some(json!({ "deny_governance_bypass": "true", "deny_version_delete": "true" })),
            _ => None,
        },
    }
}
