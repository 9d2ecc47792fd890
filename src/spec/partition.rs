//! Where in AWS: account, region, and the partition that decides how ARNs and service names are written.

use std::fmt;
use std::str::FromStr;

/// Twelve digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        if digits { Ok(Self(text.to_owned())) } else { Err("an account has twelve digits") }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of regions with accounts, ARNs and host names of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// The commercial regions.
    Aws,
    /// Beijing and Ningxia.
    China,
    /// The two GovCloud regions.
    GovCloud,
}

/// A service that calls on behalf of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Delivers S3 server access logs.
    S3Logging,
    /// Delivers inventory reports, replicates.
    S3,
    /// Delivers trails.
    CloudTrail,
    /// Sends what rules match.
    Events,
    /// Sends alarms.
    CloudWatch,
    /// Lets virtual machines assume a role.
    Ec2,
    /// Runs clusters.
    Eks,
    /// EKS Pod Identity.
    EksPods,
}

impl Partition {
    /// As ARNs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
        }
    }

    /// The suffix of host names. Source: AWS SDK `partitions.json`.
    pub const fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::GovCloud => "amazonaws.com",
            Self::China => "amazonaws.com.cn",
        }
    }

    /// The service name of the S3 gateway endpoint: the same pattern in every partition, China's included.
    pub fn endpoint_service(region: &Region) -> String {
        format!("com.amazonaws.{region}.s3")
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Service {
    /// As a policy's `Principal` names it. In China only EC2 has a suffix of its own.
    ///
    /// Source: AWS China user guide, "Service principals".
    pub fn principal(self, partition: Partition) -> String {
        let name = match self {
            Self::S3Logging => "logging.s3",
            Self::S3 => "s3",
            Self::CloudTrail => "cloudtrail",
            Self::Events => "events",
            Self::CloudWatch => "cloudwatch",
            Self::Ec2 => "ec2",
            Self::Eks => "eks",
            Self::EksPods => "pods.eks",
        };
        let suffix = match (self, partition) {
            (Self::Ec2, Partition::China) => partition.dns_suffix(),
            _ => "amazonaws.com",
        };
        format!("{name}.{suffix}")
    }
}

/// A region, such as `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// The region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that it lies in.
    pub fn partition(&self) -> Partition {
        if self.0.starts_with("cn-") {
            Partition::China
        } else if self.0.starts_with("us-gov-") {
            Partition::GovCloud
        } else {
            Partition::Aws
        }
    }
}

impl FromStr for Region {
    type Err = &'static str;

    /// `<area>-<place>-<number>`. Regions of the sovereign and isolated partitions are refused: their services differ.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('-').collect();
        let places = |parts: &[&str]| {
            parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
        };
        let well_formed = match &parts[..] {
            [area, place, number] => places(&[area, place]) && number.parse::<u8>().is_ok(),
            ["us", "gov", place, number] => places(&[place]) && number.parse::<u8>().is_ok(),
            _ => false,
        };
        if well_formed && !text.starts_with("eusc-") {
            Ok(Self(text.to_owned()))
        } else {
            Err("a region of the partitions aws, aws-cn and aws-us-gov is written like eu-west-1")
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
