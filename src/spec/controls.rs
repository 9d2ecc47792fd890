//! The closed table of controls: what has to hold, which requirement it serves, how Security Hub calls it, how to mend it.
//! Steps of a plan, rows of `verify` and waivers all name a control of this table.

/// One of the 25 things that the product was asked for, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement(u8);

impl Requirement {
    /// Every one, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=25).map(Self)
    }

    /// 1 to 25.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What was asked for, in a few words.
    pub fn title(self) -> &'static str {
        REQUIREMENTS[usize::from(self.0) - 1]
    }
}

const REQUIREMENTS: [&str; 25] = [
    "permissions boundary",
    "encryption in transit",
    "block public access",
    "ACLs disabled",
    "bucket policies per use case",
    "least privilege",
    "encryption at rest",
    "Object Lock",
    "versioning only if required",
    "bucket naming",
    "mTLS access",
    "storage lifecycle",
    "inventory",
    "replication sparingly",
    "access from required VPCs",
    "CloudWatch metrics where necessary",
    "alerts on critical operations",
    "S3 access logs",
    "gateway endpoint",
    "role per service account",
    "network layout",
    "one region",
    "sidecar",
    "gateway",
    "bootstrap",
];

/// What a control is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Each bucket.
    Bucket,
    /// Each workload's role.
    Role,
    /// The deployment once.
    Deployment,
}

/// One thing that has to hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Control {
    /// Our name for it, which waivers use.
    pub id: &'static str,
    /// Which requirement it serves.
    pub requirement: Requirement,
    /// What it is judged for.
    pub subject: Subject,
    /// What has to hold.
    pub title: &'static str,
    /// Security Hub's controls that ask for the same or the contrary; waivers may use these names too.
    pub security_hub: &'static [&'static str],
    /// What to do where it does not hold.
    pub mend: &'static str,
}

macro_rules! controls {
    ($($name:ident: $requirement:literal, $subject:ident, $id:literal, [$($hub:literal),*], $title:literal, $mend:literal;)+) => {
        $(
            #[doc = $title]
            pub const $name: Control = Control {
                id: $id,
                requirement: Requirement($requirement),
                subject: Subject::$subject,
                title: $title,
                security_hub: &[$($hub),*],
                mend: $mend,
            };
        )+

        /// Every control, by requirement.
        pub static ALL: &[Control] = &[$($name),+];
    };
}

controls! {
    BOUNDARY: 1, Role, "role-boundary", [],
        "the role carries the permissions boundary, and the boundary's document is the declared one",
        "run apply: it writes the policy and puts it on the role";
    BOUNDARY_SELF: 1, Role, "role-cannot-widen-itself", ["IAM.1"],
        "neither the role's policies nor its boundary let it change roles or policies",
        "remove what was added to the role by hand; apply detaches it";
    TLS_ONLY: 2, Bucket, "tls-only", ["S3.5"],
        "the bucket policy denies requests without TLS",
        "run apply: it writes the bucket policy";
    TLS_VERSION: 2, Bucket, "tls-version", [],
        "the bucket policy denies TLS below 1.2",
        "run apply: it writes the bucket policy";
    BUCKET_PUBLIC_ACCESS: 3, Bucket, "bucket-public-access", ["S3.2", "S3.3", "S3.8"],
        "all four settings of the bucket's public-access block are on",
        "run apply: it puts the block";
    ACCOUNT_PUBLIC_ACCESS: 3, Deployment, "account-public-access", ["S3.1"],
        "all four settings of the account's public-access block are on",
        "set account_wide.public_access_block to manage and run apply, or ask whoever owns the account";
    ACLS_OFF: 4, Bucket, "acls-off", ["S3.12"],
        "ACLs are disabled: BucketOwnerEnforced",
        "run apply: it puts the ownership controls";
    BUCKET_POLICY: 5, Bucket, "bucket-policy", ["S3.6"],
        "the bucket policy is what the profile and the declaration come to",
        "run apply: it writes the bucket policy";
    LEAST_PRIVILEGE: 6, Role, "role-policy", ["IAM.21"],
        "the role's policies are what its grants come to, and nothing else is attached",
        "run apply: it writes the policies and detaches others";
    ENCRYPTION: 7, Bucket, "encryption", ["S3.17"],
        "default encryption is as declared, with a bucket key where it is KMS",
        "run apply: it puts the encryption; objects written before keep theirs";
    CUSTOMER_KEYS: 7, Bucket, "customer-keys-blocked", [],
        "SSE-C is blocked",
        "run apply: it puts the encryption with SSE-C blocked";
    KEY_ROTATION: 7, Deployment, "key-rotation", ["KMS.4"],
        "the deployment's KMS key is enabled, rotates, and has the declared policy",
        "run apply: it turns rotation on and writes the policy; cancel a scheduled deletion by hand";
    OBJECT_LOCK: 8, Bucket, "object-lock", ["S3.15"],
        "Object Lock and the default retention are as declared",
        "run apply with --confirm-irreversible; a bucket that was made without the lock may need AWS support or a new one";
    VERSIONING: 9, Bucket, "versioning", ["S3.14"],
        "versions are kept only where something requires it",
        "declare why they are kept (versioning.reason), or suspend them by hand: noncurrent versions stay";
    NAMING: 10, Bucket, "naming", [],
        "the bucket is called as its naming strategy says and carries the ownership tag",
        "adopt it under its own name with strategy explicit";
    LIFECYCLE: 12, Bucket, "lifecycle", ["S3.10", "S3.13"],
        "the declared lifecycle rules are there and enabled, incomplete uploads are aborted",
        "run apply: it puts its own rules and keeps others";
    INVENTORY: 13, Bucket, "inventory", [],
        "the declared inventory is there and enabled, and its target lets S3 deliver",
        "run apply: it puts the inventory and the target's policy";
    REPLICATION: 14, Bucket, "replication", ["S3.7"],
        "there is replication exactly where it is declared",
        "declare it with a reason, or remove it by hand";
    VPC_ONLY: 15, Bucket, "vpc-only", [],
        "the bucket policy denies data actions from outside of the named endpoints, but not to AWS services and the break-glass role",
        "run apply: it writes the bucket policy";
    METRICS: 16, Bucket, "metrics", [],
        "there are request metrics exactly where they are declared",
        "declare them with a reason, or remove them by hand: each costs by the metric";
    ALERT_RULES: 17, Deployment, "alert-rules", [],
        "rules send changes of buckets, roles and keys to the topic, and are enabled",
        "run apply: it puts the rules and their target";
    ALERT_TOPIC: 17, Deployment, "alert-topic", ["SNS.1"],
        "the topic is there, lets the rules publish, and somebody has confirmed a subscription",
        "run apply, then confirm the mail that SNS has sent";
    ALERT_ALARMS: 17, Deployment, "alert-alarms", ["CloudWatch.8"],
        "metric filters and alarms on the trail's log group are there, where the trail has one",
        "run apply: it puts the filters and alarms";
    TRAIL: 17, Deployment, "trail", ["CloudTrail.1", "CloudTrail.2", "CloudTrail.4", "CloudTrail.5"],
        "a trail of all regions is logging management events, with validation",
        "set account_wide.trail to manage and run apply, or ask whoever owns the trail";
    OBJECT_EVENTS: 17, Bucket, "object-events", ["S3.22", "S3.23"],
        "deletions of objects that are declared as critical are recorded by a trail",
        "set account_wide.trail to manage and run apply, or add the bucket to the existing trail's data events";
    ACCESS_LOGS: 18, Bucket, "access-logs", ["S3.9"],
        "server access logs go where the declaration says, and the target lets S3 deliver",
        "run apply: it puts the logging and the target's policy";
    ENDPOINT: 19, Deployment, "gateway-endpoint", [],
        "the S3 gateway endpoint is there and tied to the route tables of the private subnets",
        "run apply: it makes the endpoint or ties it to further route tables";
    ENDPOINT_POLICY: 15, Deployment, "endpoint-policy", [],
        "the endpoint's policy admits the declared buckets and those that AWS itself needs, and no other",
        "run apply: it writes the endpoint policy";
    ROLE_TRUST: 20, Role, "role-trust", [],
        "only the exact namespace and service account can assume the role, for the exact audience",
        "run apply: it writes the trust policy";
    OIDC_PROVIDER: 20, Deployment, "oidc-provider", [],
        "IAM knows the cluster's OIDC issuer, with the audience sts.amazonaws.com",
        "set account_wide.oidc_provider to manage and run apply, or make it with eksctl";
    POD_IDENTITY: 20, Role, "pod-identity", [],
        "EKS gives the service account this role",
        "run apply: it makes the association";
    NETWORK_LAYOUT: 21, Deployment, "network-layout", ["EKS.1"],
        "the cluster's nodes are in private subnets, with a NAT gateway for what is not S3, and scale",
        "deploy the template that render writes for network: create and cluster: create, or move the nodes";
    ONE_REGION: 22, Deployment, "one-region", [],
        "cluster, endpoint and every bucket are in one region",
        "make the bucket in the cluster's region: from another one every byte is paid for, and the gateway endpoint does not lead there";
    ANONYMOUS_REFUSED: 3, Bucket, "probe-anonymous", [],
        "an anonymous read is refused",
        "look at the public-access block and at the bucket policy";
    PLAIN_HTTP_REFUSED: 2, Bucket, "probe-plain-http", [],
        "a plain-HTTP request is refused",
        "look at the bucket policy's DenyInsecureTransport";
}

/// The controls that a waiver's word names: by our ID, or by Security Hub's.
pub fn named(word: &str) -> Vec<&'static Control> {
    ALL.iter().filter(|control| control.id == word || control.security_hub.contains(&word)).collect()
}

/// Whether a word is of the form of Security Hub's control IDs, such as `S3.20`: those that are not judged here can be
/// waived all the same, so that the reason stands in one place.
pub fn is_security_hub(word: &str) -> bool {
    word.split_once('.').is_some_and(|(service, number)| {
        !service.is_empty()
            && service.bytes().all(|b| b.is_ascii_alphanumeric())
            && number.parse::<u16>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_have_names_of_their_own_and_are_found_by_them() {
        for control in ALL {
            assert_eq!(ALL.iter().filter(|other| other.id == control.id).count(), 1, "{}", control.id);
            assert_eq!(named(control.id), [control]);
        }
        assert_eq!(named("S3.7")[0].id, "replication");
        assert!(named("S3.99").is_empty());
    }

    #[test]
    fn the_documentation_has_every_control_as_it_is() {
        let page = include_str!("../../docs/bootstrap.md");
        let (_, table) = page.split_once("<!-- controls -->\n").unwrap();
        let (table, _) = table.split_once("<!-- end -->").unwrap();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(rows.len(), ALL.len());
        for (row, control) in rows.iter().zip(ALL) {
            let subject = format!("{:?}", control.subject).to_lowercase();
            let (number, hub) = (control.requirement.number(), control.security_hub.join(", "));
            let Control { id, title, mend, .. } = control;
            assert_eq!(*row, format!("| `{id}` | {number} | {subject} | {hub} | {title} | {mend} |"));
        }
    }
}
