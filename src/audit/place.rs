//! Where something to read lies: a path on this machine, or `s3://bucket/key`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A file or a folder. A key is a folder's when it is empty or ends in `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Local(PathBuf),
    /// In S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key, or the start of keys.
        key: String,
    },
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return if text.is_empty() { Err("an empty path".into()) } else { Ok(Self::Local(text.into())) };
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("write s3://BUCKET/KEY".into());
        }
        Ok(Self::S3 { bucket: bucket.into(), key: key.into() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

impl Place {
    /// What lies in this folder under a name.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.join(name)),
            Self::S3 { bucket, key } => {
                let slash = if key.is_empty() || key.ends_with('/') { "" } else { "/" };
                Self::S3 { bucket: bucket.clone(), key: format!("{key}{slash}{name}") }
            }
        }
    }

    /// The folder that it lies in.
    #[must_use]
    pub fn folder(&self) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.parent().unwrap_or(Path::new("")).to_owned()),
            Self::S3 { bucket, key } => {
                let key = key.trim_end_matches('/');
                let folder = key.rfind('/').map_or("", |at| &key[..=at]);
                Self::S3 { bucket: bucket.clone(), key: folder.into() }
            }
        }
    }

    /// The last part of its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Local(path) => path.file_name().and_then(|name| name.to_str()).unwrap_or(""),
            Self::S3 { key, .. } => {
                let key = key.trim_end_matches('/');
                key.rsplit('/').next().unwrap_or(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart_and_joined() {
        let place: Place = "s3://logs/a/b/manifest.json".parse().unwrap();
        assert_eq!(place.name(), "manifest.json");
        assert_eq!(place.folder().to_string(), "s3://logs/a/b/");
        assert_eq!(place.folder().folder().join("x").to_string(), "s3://logs/a/x");
        assert_eq!("s3://logs".parse::<Place>().unwrap().join("x").to_string(), "s3://logs/x");
        assert_eq!("a/b".parse::<Place>().unwrap().folder().to_string(), "a");
        assert!("s3:///x".parse::<Place>().is_err() && "".parse::<Place>().is_err());
    }
}
