//! Which bucket and key a request names, in path style or virtual-hosted style.

use http::request::Parts;

use super::encoding::decode_path;
use super::error::{ErrorCode, Refusal};
use super::name::{BucketName, NameError, ObjectKey};

/// What a request is addressed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The service root: the list of buckets.
    Service,
    /// A bucket.
    Bucket(BucketName),
    /// An object.
    Object(BucketName, ObjectKey),
}

impl Target {
    /// The bucket, unless the service itself is meant.
    pub fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }

    /// The object's key, if an object is meant.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Object(_, key) => Some(key),
            Self::Service | Self::Bucket(_) => None,
        }
    }
}

/// The suffixes below which a host name carries the bucket, for example `s3.internal`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domains(Vec<String>);

impl Domains {
    /// Takes host names; case and a trailing dot do not matter. The longest match wins.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> =
            names.into_iter().map(|n| n.trim_end_matches('.').to_ascii_lowercase()).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self(names)
    }

    /// The label in front of one of the suffixes, or `None` for path style.
    fn bucket_label<'h>(&self, host: &'h str) -> Option<&'h str> {
        // A host that is one of the domains itself is path style, even where it lies below a shorter one.
        if self.0.iter().any(|domain| domain == host) {
            return None;
        }
        self.0.iter().find_map(|domain| host.strip_suffix(domain.as_str())?.strip_suffix('.'))
    }
}

/// Reads bucket and key out of host and path.
pub(super) fn target(head: &Parts, domains: &Domains) -> Result<Target, Refusal> {
    let host = host(head)?;
    let path = head.uri.path();
    let Some(path) = path.strip_prefix('/') else {
        return Err(Refusal::new(ErrorCode::InvalidURI, "The request target is not an absolute path."));
    };
    match domains.bucket_label(&host) {
        Some(label) => below_bucket(bucket(label)?, path),
        None if path.is_empty() => Ok(Target::Service),
        None => {
            let (name, key) = path.split_once('/').unwrap_or((path, ""));
            below_bucket(bucket(&decode_path(name).map_err(damaged)?)?, key)
        }
    }
}

fn below_bucket(bucket: BucketName, raw_key: &str) -> Result<Target, Refusal> {
    if raw_key.is_empty() {
        return Ok(Target::Bucket(bucket));
    }
    let key = decode_path(raw_key).map_err(damaged)?.parse().map_err(|e: NameError| {
        Refusal::new(ErrorCode::KeyTooLongError, format!("Your key is not usable: {e}."))
    })?;
    Ok(Target::Object(bucket, key))
}

fn bucket(name: &str) -> Result<BucketName, Refusal> {
    name.parse().map_err(|e: NameError| {
        Refusal::new(ErrorCode::InvalidBucketName, format!("The specified bucket is not valid: {e}."))
    })
}

fn damaged(error: super::encoding::DecodeError) -> Refusal {
    Refusal::new(ErrorCode::InvalidURI, format!("Couldn't parse the specified URI: {error}."))
}

/// The host in lower case without its port, from `:authority` (HTTP/2) or `Host`. Two that differ are refused:
/// whoever reads the other one would reach another bucket.
fn host(head: &Parts) -> Result<String, Refusal> {
    let ambiguous =
        || Refusal::new(ErrorCode::InvalidRequest, "The request names no host, or more than one.");
    let mut headers = head.headers.get_all(http::header::HOST).iter();
    let header = headers.next().map(|value| value.to_str().map_err(|_| ambiguous())).transpose()?;
    if headers.next().is_some() {
        return Err(ambiguous());
    }
    let authority = match (head.uri.authority().map(http::uri::Authority::as_str), header) {
        (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b) => return Err(ambiguous()),
        (Some(a), _) | (None, Some(a)) => a,
        (None, None) => return Err(ambiguous()),
    };
    let authority: http::uri::Authority = authority.parse().map_err(|_| ambiguous())?;
    if authority.as_str().contains('@') {
        return Err(ambiguous());
    }
    Ok(authority.host().trim_end_matches('.').to_ascii_lowercase())
}
