//! Where credentials come from: one configured source, which never falls through to another.

use std::path::Path;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};

use crate::config;
use crate::sigv4::SigningCredentials;

/// A configured source of credentials.
#[derive(Debug)]
pub struct Source {
    configured: config::Credentials,
    region: String,
    chain: Option<SharedCredentialsProvider>,
}

impl Source {
    /// For a region, whose STS endpoint the default chain may have to ask.
    pub fn new(configured: config::Credentials, region: &str) -> Self {
        Self { configured, region: region.to_owned(), chain: None }
    }

    /// Asks the source.
    pub async fn load(&mut self) -> Result<SigningCredentials, CredentialsError> {
        let credentials = match &self.configured {
            config::Credentials::Environment => {
                EnvironmentVariableCredentialsProvider::new().provide_credentials().await?
            }
            config::Credentials::StaticFile { file, profile } => static_keys(file, profile).await?,
            config::Credentials::DefaultChain => self.chain().await?.provide_credentials().await?,
        };
        Ok(credentials.into())
    }

    /// How often credentials that do not expire are looked at again; `None` for those that cannot change.
    pub fn reread_every(&self) -> Option<Duration> {
        match self.configured {
            config::Credentials::Environment => None,
            config::Credentials::StaticFile { .. } | config::Credentials::DefaultChain => {
                Some(Duration::from_secs(30))
            }
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

/// The keys that stand in a profile, and nothing else: the SDK's own provider for such files would also follow roles,
/// single sign-on and the instance's metadata.
async fn static_keys(file: &Path, profile: &str) -> Result<Credentials, CredentialsError> {
    let files = EnvConfigFiles::builder().with_file(EnvConfigFileKind::Credentials, file).build();
    let selected = Some(profile.to_owned().into());
    let profiles = profile::load(&Fs::real(), &Env::from_slice(&[]), &files, selected).await;
    let profiles = profiles.map_err(CredentialsError::provider_error)?;
    let missing = |what: &str| {
        CredentialsError::invalid_configuration(format!(
            "{}: the profile '{profile}' has no {what}",
            file.display()
        ))
    };
    let section = profiles.get_profile(profile).ok_or_else(|| missing("section"))?;
    let key_id = section.get("aws_access_key_id").ok_or_else(|| missing("aws_access_key_id"))?;
    let secret = section.get("aws_secret_access_key").ok_or_else(|| missing("aws_secret_access_key"))?;
    let token = section.get("aws_session_token").map(str::to_owned);
    Ok(Credentials::new(key_id, secret, token, None, "static_file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn load(text: &str) -> Result<SigningCredentials, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        std::fs::write(&file, text).unwrap();
        let configured = config::Credentials::StaticFile { file, profile: "default".into() };
        Source::new(configured, "us-east-1").load().await
    }

    #[tokio::test]
    async fn only_keys_in_the_file_itself_count() {
        let good = load("[default]\naws_access_key_id = AKID\naws_secret_access_key = s\n").await.unwrap();
        assert_eq!(good.access_key_id(), "AKID");
        for bad in [
            "",
            "[other]\naws_access_key_id = AKID\naws_secret_access_key = s\n",
            "[default]\naws_access_key_id = AKID\n",
            "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\ncredential_source = Ec2InstanceMetadata\n",
            "[default]\ncredential_process = /bin/echo\n",
        ] {
            assert!(load(bad).await.is_err(), "{bad}");
        }
    }
}
