//! Words of AWS and of Kubernetes as the declaration writes them, judged before they become part of an ARN or a policy.

use std::str::FromStr;

use time::Date;
use time::macros::format_description;

use crate::identity::SpiffeId;

/// Text with a rule; the rule's words are the error.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $fits:expr) => {
        $(#[$doc])*
        pub(super) struct $name(pub(super) String);

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) { Ok(Self(text.to_owned())) } else { Err($rule) }
            }
        }
    };
}

/// `<prefix><letters, digits, dashes>`, of at most 64 characters.
fn id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (1..=64).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

/// The six fields of an ARN, of a service.
fn arn<'a>(text: &'a str, service: &str) -> Option<[&'a str; 6]> {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let fields: [&str; 6] = fields.try_into().ok()?;
    let graphic = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains("{{");
    (fields[0] == "arn" && fields[2] == service && graphic && text.len() <= 640).then_some(fields)
}

fn account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

word!(
    /// Source: EKS API reference, `CreateCluster`.
    ClusterName, "a cluster's name has 1 to 100 of a-z A-Z 0-9 - _ and starts with a letter or digit",
    |text| (1..=100).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
);
word!(VpcId, "a VPC is written vpc-0123456789abcdef0", |text| id(text, "vpc-"));
word!(RouteTableId, "a route table is written rtb-0123456789abcdef0", |text| id(text, "rtb-"));
word!(
    /// Ours (`auto`), or somebody's.
    EndpointId, "auto, or an endpoint as vpce-0123456789abcdef0",
    |text| text == "auto" || id(text, "vpce-")
);
word!(
    /// A role, a user or the root of an account; `*` in it is for conditions only.
    PrincipalArn, "a principal is written arn:aws:iam::123456789012:role/name",
    |text| arn(text, "iam").is_some_and(|[_, _, _, _, owner, rest]| {
        account(owner) && (rest == "root" || rest.starts_with("role/") || rest.starts_with("user/"))
    })
);
word!(KeyArn, "must be the key's ARN, arn:aws:kms:<region>:<account>:key/<id>", |text| arn(text, "kms")
    .is_some_and(|[_, _, _, region, owner, rest]| {
        !region.is_empty() && account(owner) && id(rest, "key/")
    }));
word!(TopicArn, "a topic is written arn:aws:sns:<region>:<account>:<name>", |text| arn(text, "sns")
    .is_some_and(|[_, _, _, region, owner, rest]| {
        !region.is_empty() && account(owner) && !rest.is_empty()
    }));
word!(Email, "an address is written somebody@example.com", |text| text
    .split_once('@')
    .is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
    && text.bytes().all(|b| b.is_ascii_graphic()));
word!(
    /// Source: Kubernetes, "Object Names and IDs", RFC 1123 labels; a service account may have dots.
    KubernetesName, "a name of Kubernetes has 1 to 63 of a-z 0-9 - . and starts and ends with a letter or digit",
    |text| (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
);
word!(TrustDomain, "a trust domain is written like cluster.local", |text| format!(
    "spiffe://{text}/ns/a/sa/b"
)
.parse::<SpiffeId>()
.is_ok()
    && !text.contains('/'));
word!(
    /// A key prefix, or empty for every key.
    Prefix, "a prefix is literal, has at most 1024 bytes, and '{{' in it is kept for values that AWS gives out",
    |text| text.len() <= 1024 && !text.contains("{{") && !text.contains('*') && text.chars().all(|c| !c.is_control())
);
word!(Reason, "a reason in words, of 8 to 500 characters", |text| {
    (8..=500).contains(&text.trim().len()) && text.chars().all(|c| !c.is_control())
});
word!(
    /// As IAM's resources name buckets.
    BucketPattern, "a bucket's name, in which * is any run",
    |text| (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-*".contains(&b))
);
word!(LogGroup, "a log group has 1 to 512 of a-z A-Z 0-9 . - _ / #", |text| (1..=512).contains(&text.len())
    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/.#".contains(&b)));
word!(
    /// Between 16 and 28 bits of network, as VPCs have.
    Cidr, "an IPv4 range of a VPC is written 10.20.0.0/16, with 16 to 20 bits of network",
    |text| cidr(text).is_some_and(|bits| (16..=20).contains(&bits))
);
word!(
    /// Whence an API endpoint is reached.
    SourceCidr, "an IPv4 range is written 203.0.113.0/24; 0.0.0.0/0 is everybody and not taken",
    |text| cidr(text).is_some_and(|bits| bits > 0)
);
word!(KubernetesVersion, "a version of Kubernetes is written like 1.34", |text| text
    .split_once('.')
    .is_some_and(|(a, b)| a == "1" && b.parse::<u8>().is_ok()));
word!(InstanceType, "an instance type is written like m7i.large", |text| text
    .split_once('.')
    .is_some_and(|(family, size)| !family.is_empty() && !size.is_empty())
    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)));
word!(Salt, "a salt has 1 to 64 printable characters", |text| (1..=64).contains(&text.len())
    && text.bytes().all(|b| b.is_ascii_graphic()));

fn cidr(text: &str) -> Option<u8> {
    let (address, bits) = text.split_once('/')?;
    let bits: u8 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    let address = u32::from(address.parse::<std::net::Ipv4Addr>().ok()?);
    let host = u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
    (address & host == 0).then_some(bits)
}

/// An OIDC issuer; `https://` is left out.
pub(super) struct Issuer(pub(super) String);

impl FromStr for Issuer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix("https://").unwrap_or(text);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        let host = bare.split('/').next().unwrap_or_default();
        if host.contains('.') && bare.bytes().all(allowed) && !bare.ends_with('/') {
            Ok(Self(bare.to_owned()))
        } else {
            Err("an issuer is written https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF")
        }
    }
}

/// A day, `2027-06-30`.
pub(super) struct Day(pub(super) Date);

impl FromStr for Day {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let format = format_description!("[year]-[month]-[day]");
        Date::parse(text, format).map(Self).map_err(|_| "a day is written 2027-06-30")
    }
}
