//! AWS roles as the configuration names them: the one to act as, and the pattern of those that are acceptable.
//!
//! STS names a caller by `assumed-role/<name>/<session>`, without the role's path, so a pattern is compared by
//! partition, account and name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::pattern::glob;

/// Text that is no role's ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Not of the form.
    #[error("a role is written arn:aws:iam::123456789012:role/name")]
    Form,
    /// STS would not tell such a role from another.
    #[error(
        "STS names a caller without the role's path: a role below a path is named in full, or by role/* for all of them"
    )]
    Path,
}

/// The ARN of one role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(Arc<str>);

impl RoleArn {
    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub fn partition(&self) -> &str {
        Parts::of(&self.0, "iam", "role/").map_or("aws", |parts| parts.partition)
    }
}

/// IAM quotas: a path of 512 characters and a name of 64, behind a short head.
const MAX_ARN: usize = 640;

impl FromStr for RoleArn {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let parts = Parts::of(text, "iam", "role/").ok_or(RoleError::Form)?;
        let partition = parts.partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let account = parts.account.len() == 12 && parts.account.bytes().all(|b| b.is_ascii_digit());
        let printable = parts.rest.bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'?');
        let named = parts.rest.rsplit('/').next().is_some_and(|name| (1..=64).contains(&name.len()));
        if partition && account && printable && named && text.len() <= MAX_ARN {
            Ok(Self(text.into()))
        } else {
            Err(RoleError::Form)
        }
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which role the proxy must find itself in: a role's ARN in which `*` is any run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePattern(String);

impl RolePattern {
    /// Whether a caller, as GetCallerIdentity names it, is in such a role. A user never is.
    pub fn matches(&self, caller: &str) -> bool {
        let (Some(expected), Some(caller)) =
            (Parts::of(&self.0, "iam", "role/"), Parts::of(caller, "sts", "assumed-role/"))
        else {
            return false;
        };
        let fits = |pattern: &str, text: &str| glob(pattern.as_bytes(), text.as_bytes(), None);
        let role = caller.rest.split('/').next().unwrap_or_default();
        fits(expected.partition, caller.partition)
            && fits(expected.account, caller.account)
            && fits(expected.rest.rsplit('/').next().unwrap_or_default(), role)
    }
}

impl FromStr for RolePattern {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let parts = Parts::of(text, "iam", "role/").ok_or(RoleError::Form)?;
        let filled = [parts.partition, parts.account, parts.rest].iter().all(|part| !part.is_empty());
        let graphic = text.bytes().all(|b| b.is_ascii_graphic());
        if !filled || !graphic || text.len() > MAX_ARN || parts.rest.ends_with('/') {
            return Err(RoleError::Form);
        }
        if parts.rest.contains('/') && parts.rest.contains('*') {
            return Err(RoleError::Path);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RolePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `arn:<partition>:<service>::<account>:<kind><rest>`; roles and their sessions have no region.
struct Parts<'a> {
    partition: &'a str,
    account: &'a str,
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str, service: &str, kind: &str) -> Option<Self> {
        let mut fields = text.splitn(6, ':');
        let mut next = || fields.next();
        let (head, partition, named) = (next()?, next()?, next()?);
        let (region, account, resource) = (next()?, next()?, next()?);
        let rest = resource.strip_prefix(kind)?;
        (head == "arn" && named == service && region.is_empty()).then_some(Self { partition, account, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "arn:aws:sts::123456789012:assumed-role/s3-proxy/session";

    fn matches(pattern: &str, caller: &str) -> bool {
        pattern.parse::<RolePattern>().unwrap().matches(caller)
    }

    #[test]
    fn a_caller_is_compared_by_partition_account_and_name() {
        for good in [
            "arn:aws:iam::123456789012:role/s3-proxy",
            "arn:aws:iam::123456789012:role/team/s3-proxy",
            "arn:aws:iam::123456789012:role/s3-*",
            "arn:aws:iam::*:role/s3-proxy",
            "arn:aws*:iam::123456789012:role/*",
        ] {
            assert!(matches(good, PROXY), "{good}");
        }
        for bad in [
            "arn:aws:iam::123456789013:role/s3-proxy",
            "arn:aws-cn:iam::123456789012:role/s3-proxy",
            "arn:aws:iam::123456789012:role/s3",
            "arn:aws:iam::123456789012:role/session",
        ] {
            assert!(!matches(bad, PROXY), "{bad}");
        }
        for nobody in [
            "arn:aws:iam::123456789012:user/s3-proxy",
            "arn:aws:iam::123456789012:root",
            "arn:aws:sts::123456789012:federated-user/s3-proxy",
            "",
        ] {
            assert!(!matches("arn:aws:iam::*:role/*", nobody), "{nobody}");
        }
    }

    #[test]
    fn what_is_no_role_is_refused() {
        assert!("arn:aws:iam::123456789012:role/path/name".parse::<RoleArn>().is_ok());
        for bad in [
            "",
            "role",
            "arn:aws:iam::123456789012:user/u",
            "arn:aws:iam:eu-west-1:123456789012:role/r",
            "arn:aws:iam::12345:role/r",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/r*",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert_eq!(bad.parse::<RoleArn>(), Err(RoleError::Form), "{bad}");
        }
        assert_eq!("arn:aws:iam::1:role/p/*".parse::<RolePattern>(), Err(RoleError::Path));
        assert_eq!("arn:aws:iam::1:role/".parse::<RolePattern>(), Err(RoleError::Form));
    }
}
