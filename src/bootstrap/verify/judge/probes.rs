//! What the answers to the probes say. Only a refusal that can have no other reason is a pass.

use super::Case;
use crate::bootstrap::verify::{Answer, Ground};
use crate::spec::DesiredBucket;

const LEFT_OUT: &str = "probes were left out on request";

impl Case<'_, '_> {
    pub(super) fn anonymous(&self, bucket: &DesiredBucket) -> Result<Vec<Ground>, Ground> {
        let (what, source) = (format!("bucket {}: HEAD without a signature", bucket.name), "probe");
        let probed = self.probes.buckets.get(&bucket.name);
        let probed = probed.ok_or_else(|| Ground::unseen(what.as_str(), source, LEFT_OUT))?;
        Ok(vec![match &probed.anonymous {
            Answer::NotAsked(why) => return Err(Ground::unseen(what, source, why)),
            Answer::Refused(status @ (401 | 403)) => {
                Ground::holds(what, source, format!("refused with {status}"))
            }
            Answer::Refused(status) => Ground::unseen(what, source, format!("answered {status}")),
            Answer::Allowed => Ground::fails(what, source, "answered: anybody may list it"),
            Answer::Nothing(why) => Ground::unseen(what, source, why),
        }])
    }

    /// A refusal says something only where the same question is answered with TLS.
    pub(super) fn plain(&self, bucket: &DesiredBucket) -> Result<Vec<Ground>, Ground> {
        let what = format!("bucket {}: GetBucketLocation without TLS", bucket.name);
        let source = "probe";
        let probed = self.probes.buckets.get(&bucket.name);
        let probed = probed.ok_or_else(|| Ground::unseen(what.as_str(), source, LEFT_OUT))?;
        let with_tls = self.seen.surroundings.regions.get(&bucket.name);
        Ok(vec![match &probed.plain {
            Answer::NotAsked(why) => return Err(Ground::unseen(what, source, why)),
            Answer::Allowed => Ground::fails(what, source, "answered: TLS is not required"),
            Answer::Refused(_) if !matches!(with_tls, Some(Ok(_))) => {
                Ground::unseen(what, source, "refused, but it is refused with TLS too")
            }
            Answer::Refused(403) => Ground::holds(what, source, "refused with 403, and answered with TLS"),
            Answer::Refused(status) => Ground::unseen(what, source, format!("answered {status}")),
            Answer::Nothing(why) => Ground::unseen(what, source, why),
        }])
    }
}
