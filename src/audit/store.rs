//! Reads what lies at a place: local files as they are, objects of S3 through the AWS SDK into a temporary file that
//! nobody else sees. Blocks; threads that are none of the runtime's call it.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use tokio::runtime::Handle;

use super::error::{AuditError, Spot};
use super::place::Place;
use crate::telemetry::chain;

/// Manifests and checksums: a manifest of a billion objects has some thousand files.
const SMALL: u64 = 64 * 1024 * 1024;

/// How S3 is reached; everything that is not said comes from the environment, as for the AWS CLI.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The region of the buckets.
    pub region: Option<String>,
    /// Another endpoint than AWS's, spoken to in path style.
    pub endpoint: Option<String>,
}

/// Opens places.
#[derive(Debug)]
pub struct Store {
    /// Made only where some place is in S3: finding credentials may take seconds.
    s3: Option<(Client, Handle)>,
}

impl Store {
    /// A store for these places.
    pub async fn reaching(reach: &Reach, places: impl IntoIterator<Item = &Place>) -> Self {
        if !places.into_iter().any(|place| matches!(place, Place::S3 { .. })) {
            return Self { s3: None };
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &reach.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &reach.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        let elsewhere = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let client = Client::from_conf(Builder::from(&config).force_path_style(elsewhere).build());
        Self { s3: Some((client, Handle::current())) }
    }

    fn s3(&self, place: &Place) -> Result<(&Client, &Handle), AuditError> {
        let no_client = || AuditError::Usage(format!("{place}: nothing in S3 was asked for"));
        self.s3.as_ref().map(|(client, handle)| (client, handle)).ok_or_else(no_client)
    }

    /// A file to be read from its start.
    pub(super) fn open(&self, place: &Place) -> Result<File, AuditError> {
        match place {
            Place::Local(path) => File::open(path).map_err(|error| unreadable(place, &error)),
            Place::S3 { bucket, key } => self.download(place, bucket, key),
        }
    }

    /// A small file as a whole.
    pub(super) fn small(&self, place: &Place) -> Result<Vec<u8>, AuditError> {
        let mut bytes = Vec::new();
        let read = self.open(place)?.take(SMALL + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(place, &error))?;
        if bytes.len() as u64 > SMALL {
            return Err(AuditError::damaged(
                Spot::file(place),
                format!("more than {SMALL} bytes are not expected"),
            ));
        }
        Ok(bytes)
    }

    fn download(&self, place: &Place, bucket: &str, key: &str) -> Result<File, AuditError> {
        let (client, handle) = self.s3(place)?;
        handle.block_on(async {
            let answer = client.get_object().bucket(bucket).key(key).send().await;
            let mut answer = answer.map_err(|error| refused(place, &error))?;
            let mut file = tempfile::tempfile().map_err(AuditError::Spill)?;
            let mut length = 0_u64;
            while let Some(bytes) = answer.body.next().await {
                let bytes = bytes.map_err(|error| broken(place, &error))?;
                length += bytes.len() as u64;
                file.write_all(&bytes).map_err(AuditError::Spill)?;
            }
            if answer.content_length.and_then(|length| u64::try_from(length).ok()) != Some(length) {
                return Err(broken(place, &"it broke off"));
            }
            file.rewind().map_err(AuditError::Spill)?;
            Ok(file)
        })
    }

    /// The names of the folders in a folder.
    pub(super) fn folders(&self, place: &Place) -> Result<Vec<String>, AuditError> {
        match place {
            Place::Local(path) => {
                let entries = entries(place, path)?;
                let folders = entries.into_iter().filter(|path| path.is_dir());
                Ok(folders.map(|path| Place::Local(path).name().to_owned()).collect())
            }
            Place::S3 { bucket, key } => {
                let (_, folders) = self.list(place, bucket, &as_folder(key), Some("/"))?;
                Ok(folders
                    .into_iter()
                    .map(|key| Place::S3 { bucket: bucket.clone(), key }.name().to_owned())
                    .collect())
            }
        }
    }

    /// Every file at or below a place, in the order of their names.
    pub(super) fn files(&self, place: &Place) -> Result<Vec<Place>, AuditError> {
        match place {
            Place::Local(path) if path.is_dir() => {
                let mut files = Vec::new();
                for path in entries(place, path)? {
                    files.extend(self.files(&Place::Local(path))?);
                }
                Ok(files)
            }
            Place::S3 { bucket, key } if key.is_empty() || key.ends_with('/') => {
                let (keys, _) = self.list(place, bucket, key, None)?;
                let files = keys.into_iter().filter(|key| !key.ends_with('/'));
                Ok(files.map(|key| Place::S3 { bucket: bucket.clone(), key }).collect())
            }
            Place::Local(_) | Place::S3 { .. } => Ok(vec![place.clone()]),
        }
    }

    /// Whether a file is there.
    pub(super) fn has(&self, place: &Place) -> Result<bool, AuditError> {
        match place {
            Place::Local(path) => Ok(path.is_file()),
            Place::S3 { bucket, key } => {
                let (keys, _) = self.list(place, bucket, key, Some("/"))?;
                Ok(keys.contains(key))
            }
        }
    }

    /// Keys, and what they have in common up to a delimiter.
    fn list(
        &self,
        place: &Place,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
    ) -> Result<(Vec<String>, Vec<String>), AuditError> {
        let (client, handle) = self.s3(place)?;
        let request = client.list_objects_v2().bucket(bucket).prefix(prefix);
        let mut pages = request.set_delimiter(delimiter.map(str::to_owned)).into_paginator().send();
        let (mut keys, mut folders) = (Vec::new(), Vec::new());
        handle.block_on(async {
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| refused(place, &error))?;
                keys.extend(page.contents.into_iter().flatten().filter_map(|object| object.key));
                folders.extend(page.common_prefixes.into_iter().flatten().filter_map(|common| common.prefix));
            }
            Ok((keys, folders))
        })
    }
}

fn as_folder(key: &str) -> String {
    if key.is_empty() || key.ends_with('/') { key.to_owned() } else { format!("{key}/") }
}

fn entries(place: &Place, path: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let read = std::fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()
    });
    let mut paths = read.map_err(|error| unreadable(place, &error))?;
    paths.sort();
    Ok(paths)
}

fn unreadable(place: &Place, error: &std::io::Error) -> AuditError {
    AuditError::damaged(Spot::file(place), format!("cannot be read: {error}"))
}

fn broken(place: &Place, why: &dyn std::fmt::Display) -> AuditError {
    AuditError::Store { place: place.to_string(), why: why.to_string() }
}

/// An object that a manifest names and that is not there makes a damaged report; anything else is S3's.
fn refused<E>(place: &Place, error: &SdkError<E>) -> AuditError
where
    SdkError<E>: ProvideErrorMetadata + std::error::Error + 'static,
{
    if error.code() == Some("NoSuchKey") {
        return AuditError::damaged(Spot::file(place), "there is no such object");
    }
    match (error.code(), error.message()) {
        (Some(code), message) => broken(place, &format!("{code}: {}", message.unwrap_or("no message"))),
        (None, _) => broken(place, &chain(error)),
    }
}
