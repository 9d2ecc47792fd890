//! Where credentials come from: one configured source, which never falls through to another.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::config::Credentials;
use crate::sigv4::SigningCredentials;

/// A configured source of credentials.
#[derive(Debug)]
pub struct Source {
    configured: Credentials,
    region: String,
    chain: Option<SharedCredentialsProvider>,
}

impl Source {
    /// For a region, whose STS endpoint the default chain may have to ask.
    pub fn new(configured: Credentials, region: &str) -> Self {
        Self { configured, region: region.to_owned(), chain: None }
    }

    /// Asks the source.
    pub async fn load(&mut self) -> Result<SigningCredentials, CredentialsError> {
        let credentials = match &self.configured {
            Credentials::Environment => {
                EnvironmentVariableCredentialsProvider::new().provide_credentials().await?
            }
            Credentials::StaticFile { file, profile } => {
                let files = EnvConfigFiles::builder().with_file(EnvConfigFileKind::Credentials, file).build();
                // Built anew each time: the provider keeps what it once read.
                let provider = ProfileFileCredentialsProvider::builder()
                    .profile_files(files)
                    .profile_name(profile)
                    .build();
                provider.provide_credentials().await?
            }
            Credentials::DefaultChain => self.chain().await?.provide_credentials().await?,
        };
        Ok(credentials.into())
    }

    /// How often credentials that do not expire are looked at again; `None` for those that cannot change.
    pub fn reread_every(&self) -> Option<Duration> {
        match self.configured {
            Credentials::Environment => None,
            Credentials::StaticFile { .. } | Credentials::DefaultChain => Some(Duration::from_secs(30)),
        }
    }

    async fn chain(&mut self) -> Result<&SharedCredentialsProvider, CredentialsError> {
        if self.chain.is_none() {
            let region = Region::new(self.region.clone());
            let config = aws_config::defaults(BehaviorVersion::latest()).region(region).load().await;
            self.chain = config.credentials_provider();
        }
        self.chain.as_ref().ok_or_else(|| CredentialsError::not_loaded("the default chain has no provider"))
    }
}
