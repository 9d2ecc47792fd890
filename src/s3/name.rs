//! Bucket names, object keys and key prefixes as types: text is judged once, at the door.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name that S3 would not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// See the rules at [`BucketName`].
    #[error("not a bucket name: 3 to 63 of a-z 0-9 . - that start and end with a letter or digit")]
    Bucket,
    /// An empty key.
    #[error("the object key is empty")]
    EmptyKey,
    /// Longer than S3's limit.
    #[error("the object key is longer than 1024 bytes")]
    KeyTooLong,
}

/// A general-purpose bucket's name.
///
/// Access points have aliases that S3 takes in place of a bucket's name. They are refused: a grant that denies the
/// bucket would say nothing of its aliases.
///
/// Source: Amazon S3 user guide, "General purpose bucket naming rules".
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

/// Suffixes that S3 keeps for access points, Object Lambda, directory buckets, multi-Region access points and tables.
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", "--x-s3", ".mrap", "--table-s3"];

impl BucketName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a wildcard TLS certificate cannot cover the virtual-hosted name, so that the path has to carry it.
    pub fn is_dotted(&self) -> bool {
        self.0.contains('.')
    }
}

impl FromStr for BucketName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let bytes = name.as_bytes();
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let well_formed = (3..=63).contains(&bytes.len())
            && bytes.iter().all(|&b| alphanumeric(b) || b == b'.' || b == b'-')
            && alphanumeric(bytes[0])
            && alphanumeric(bytes[bytes.len() - 1])
            && !name.contains("..")
            && !RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            && name.parse::<std::net::Ipv4Addr>().is_err();
        if well_formed { Ok(Self(name.into())) } else { Err(NameError::Bucket) }
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object's key: 1 to 1,024 bytes of UTF-8, taken literally. `.`, `..` and `//` mean nothing special.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(Arc<str>);

/// Amazon S3 user guide, "Naming Amazon S3 objects".
const MAX_KEY_BYTES: usize = 1024;

impl ObjectKey {
    /// The key, decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = NameError;

    fn from_str(key: &str) -> Result<Self, NameError> {
        match key.len() {
            0 => Err(NameError::EmptyKey),
            1..=MAX_KEY_BYTES => Ok(Self(key.into())),
            _ => Err(NameError::KeyTooLong),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The literal start of some keys; empty stands for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyPrefix(Arc<str>);

impl KeyPrefix {
    /// Takes any text: S3 sets no rule for a prefix.
    pub fn new(prefix: &str) -> Self {
        Self(prefix.into())
    }

    /// The prefix, decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key, byte for byte, starts with this prefix.
    pub fn covers_key(&self, key: &ObjectKey) -> bool {
        key.as_str().starts_with(self.as_str())
    }

    /// Whether every key below `other` also lies below this prefix.
    pub fn covers_prefix(&self, other: &KeyPrefix) -> bool {
        other.as_str().starts_with(self.as_str())
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_user_guide() {
        for good in ["abc", "a.b-c", "0ab", "my-bucket-123456789012-eu-west-1-an", &"a".repeat(63)] {
            assert!(good.parse::<BucketName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "a..b",
            "a/b",
            "1.2.3.4",
            "a-s3alias",
            "a b",
            &"a".repeat(64),
        ] {
            assert_eq!(bad.parse::<BucketName>(), Err(NameError::Bucket), "{bad}");
        }
    }

    #[test]
    fn keys_are_bounded_in_bytes_not_characters() {
        assert!("ä".repeat(512).parse::<ObjectKey>().is_ok());
        assert_eq!("ä".repeat(513).parse::<ObjectKey>(), Err(NameError::KeyTooLong));
        assert_eq!("".parse::<ObjectKey>(), Err(NameError::EmptyKey));
    }
}
