//! How buckets are called. Names are global and for ever: a strategy is a choice between a name that people can read and
//! one that nobody can guess or take first.

use sha2::{Digest, Sha256};

use super::partition::{AccountId, Region};
use super::refusal::Refusal;
use super::words::Word;
use crate::s3::BucketName;

/// How a bucket's name comes about. Each has a `base`, by which the rest of the declaration and the grants refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameChoice {
    /// Exactly this.
    Explicit {
        /// What it is called in the declaration.
        base: Word,
        /// What it is called in S3.
        name: BucketName,
    },
    /// `<name>-<base>-<account>-<region>`, or with the account's own namespace `<name>-<base>-<account>-<region>-an`.
    Derived {
        /// The readable part.
        base: Word,
        /// Whether the name lies in the account's regional namespace, where nobody else can take it.
        account_regional: bool,
    },
    /// `<name>-<base>-<16 hexadecimal digits>`, which follow from account, region and salt.
    Generated {
        /// The readable part.
        base: Word,
        /// Changes the digits; whoever does not know it cannot work out the name.
        salt: String,
    },
}

/// A name, settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name in S3.
    pub name: BucketName,
    /// Whether `CreateBucket` has to ask for the account's regional namespace.
    pub account_regional: bool,
}

impl NameChoice {
    /// What the declaration calls the bucket.
    pub fn base(&self) -> &Word {
        match self {
            Self::Explicit { base, .. } | Self::Derived { base, .. } | Self::Generated { base, .. } => base,
        }
    }

    /// The name for a deployment, or why S3 would not take it.
    pub fn settle(
        &self,
        path: &str,
        deployment: &Word,
        account: &AccountId,
        region: &Region,
    ) -> Result<Named, Refusal> {
        let (text, account_regional) = match self {
            Self::Explicit { name, .. } => (name.to_string(), name.as_str().ends_with(NAMESPACE)),
            Self::Derived { base, account_regional } => {
                let end = if *account_regional { NAMESPACE } else { "" };
                (format!("{deployment}-{base}-{account}-{region}{end}"), *account_regional)
            }
            Self::Generated { base, salt } => (
                format!(
                    "{deployment}-{base}-{}",
                    digits(&[deployment.as_str(), base.as_str(), account.as_str(), region.as_str(), salt])
                ),
                false,
            ),
        };
        if account_regional {
            let tail = format!("-{account}-{region}{NAMESPACE}");
            if !text.ends_with(&tail) {
                let message = format!(
                    "a name that ends in {NAMESPACE} lies in the account's regional namespace and has to end in {tail}"
                );
                return Err(Refusal::new(format!("{path}.name"), message));
            }
        }
        let name = text.parse().map_err(|_| {
            let message = format!(
                "'{text}' has {} characters and a bucket's name has at most 63: shorten 'name' or 'base', or use strategy \
                 generated",
                text.len()
            );
            Refusal::new(format!("{path}.name"), message)
        })?;
        Ok(Named { name, account_regional })
    }
}

/// The suffix of names in the account's regional namespace. Source: Amazon S3 user guide, "Namespaces for general
/// purpose buckets"; behind it the prefix has 37 characters in us-east-1 and 32 in ap-southeast-2.
const NAMESPACE: &str = "-an";

fn digits(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..8])
}

/// What a strategy gains and what it costs, for the plan and the documentation.
pub fn trade_off(choice: &NameChoice) -> &'static str {
    match choice {
        NameChoice::Explicit { .. } => {
            "explicit: easy to read and to keep; anybody can guess it, may have taken it, and takes it when the bucket is \
             deleted"
        }
        NameChoice::Derived { account_regional: true, .. } => {
            "derived, in the account's regional namespace: easy to read and to keep, and nobody else can take it; it shows \
             the account and the region, and leaves fewer characters for the rest"
        }
        NameChoice::Derived { account_regional: false, .. } => {
            "derived: easy to read and to keep; it shows the account and the region, and anybody can take it before you or \
             after you delete it"
        }
        NameChoice::Generated { .. } => {
            "generated: nobody can guess it, so nobody takes it first; people have to look it up, and a new salt is a new \
             bucket"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(choice: &NameChoice, region: &str) -> Result<String, String> {
        let account = "123456789012".parse().unwrap();
        let named =
            choice.settle("buckets[0]", &"reports".parse().unwrap(), &account, &region.parse().unwrap());
        named.map(|named| named.name.to_string()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn each_strategy_says_the_same_name_every_time() {
        let base: Word = "archive".parse().unwrap();
        let derived = |account_regional| NameChoice::Derived { base: base.clone(), account_regional };
        assert_eq!(settle(&derived(false), "eu-west-1").unwrap(), "reports-archive-123456789012-eu-west-1");
        assert_eq!(settle(&derived(true), "eu-west-1").unwrap(), "reports-archive-123456789012-eu-west-1-an");
        let generated = |salt: &str| NameChoice::Generated { base: base.clone(), salt: salt.to_owned() };
        let one = settle(&generated("s"), "eu-west-1").unwrap();
        assert_eq!(one, settle(&generated("s"), "eu-west-1").unwrap());
        assert_ne!(one, settle(&generated("t"), "eu-west-1").unwrap());
        assert_ne!(one, settle(&generated("s"), "eu-west-2").unwrap());
        assert_eq!(one.len(), "reports-archive-".len() + 16);
        let explicit = |name: &str| NameChoice::Explicit { base: base.clone(), name: name.parse().unwrap() };
        assert_eq!(settle(&explicit("my.bucket"), "eu-west-1").unwrap(), "my.bucket");
        assert!(settle(&explicit("mine-an"), "eu-west-1").unwrap_err().contains("regional namespace"));
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_with_its_length() {
        let base: Word = "a-base-of-thirty-two-characters0".parse().unwrap();
        let choice = NameChoice::Derived { base, account_regional: true };
        let refusal = settle(&choice, "ap-southeast-2").unwrap_err();
        assert!(refusal.contains("buckets[0].name") && refusal.contains("at most 63"), "{refusal}");
    }

    #[test]
    fn the_account_regional_prefix_has_the_documented_lengths() {
        for (region, longest) in [("us-east-1", 37), ("ap-southeast-2", 32)] {
            let tail = format!("-123456789012-{region}{NAMESPACE}");
            assert_eq!(63 - tail.len(), longest, "{region}");
        }
    }
}
