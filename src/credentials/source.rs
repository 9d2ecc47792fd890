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

use super::error::LoadError;
use super::sts::{Sts, Wanted, require_roots};
use super::{agent, token};
use crate::config::{Config, CredentialSource};
use crate::policy::RolePattern;
use crate::process::FileWatch;
use crate::sigv4::SigningCredentials;

/// A configured source of credentials.
#[derive(Debug)]
pub(super) struct Source {
    configured: CredentialSource,
    expect_role: Option<RolePattern>,
    region: String,
    sts: Sts,
    chain: Option<SharedCredentialsProvider>,
    /// The access key that was last found to be of the expected role.
    verified: Option<String>,
    watch: Option<FileWatch>,
}

/// How often a file of keys is looked at. The kubelet itself takes up to a minute to update one.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// How often a chain is asked again whose credentials do not say when they expire.
const REREAD_EVERY: Duration = Duration::from_secs(30);

impl Source {
    /// Of the configuration.
    pub(super) fn new(config: &Config, sts: Sts) -> Self {
        let configured = config.credentials.source.clone();
        let watch = match &configured {
            CredentialSource::StaticFile { file, .. } => Some(FileWatch::new(vec![file.clone()])),
            _ => None,
        };
        let expect_role = config.credentials.expect_role.clone();
        let region = config.upstream.region.clone();
        Self { configured, expect_role, region, sts, chain: None, verified: None, watch }
    }

    /// Asks the source, and STS whether they are of the role that is expected.
    pub(super) async fn load(&mut self) -> Result<SigningCredentials, LoadError> {
        let credentials = self.ask().await?;
        if let Some(expected) = &self.expect_role
            && self.verified.as_deref() != Some(credentials.access_key_id())
        {
            let found = self.sts.caller(&credentials).await?;
            if !expected.matches(&found) {
                return Err(LoadError::WrongRole { found, expected: expected.to_string() });
            }
            tracing::info!(caller = found, "the credentials are of the expected role");
            self.verified = Some(credentials.access_key_id().to_owned());
        }
        Ok(credentials)
    }

    async fn ask(&mut self) -> Result<SigningCredentials, LoadError> {
        let credentials = match &self.configured {
            CredentialSource::WebIdentity { role_arn, token_file, session_name } => {
                let token = token::read(token_file).await?;
                let wanted = Wanted { role: role_arn, name: session_name.as_str(), policy: None };
                return self.sts.assume_with_token(wanted, &token).await;
            }
            CredentialSource::PodIdentity { agent_uri, token_file } => {
                let token = token::read(token_file).await?;
                return agent::ask(agent_uri, &token).await;
            }
            CredentialSource::Environment => {
                EnvironmentVariableCredentialsProvider::new().provide_credentials().await?
            }
            CredentialSource::StaticFile { file, profile } => static_keys(file, profile).await?,
            CredentialSource::DefaultChain => self.chain().await?.provide_credentials().await?,
        };
        Ok(credentials.into())
    }

    /// How often credentials that do not expire are looked at again; `None` for those that cannot change or are watched.
    pub(super) fn reread_every(&self) -> Option<Duration> {
        matches!(self.configured, CredentialSource::DefaultChain).then_some(REREAD_EVERY)
    }

    /// Waits until there is something else to be loaded; for ever, where nobody can see it.
    pub(super) async fn changed(&mut self) {
        let Some(watch) = &mut self.watch else { return std::future::pending().await };
        while !watch.changed() {
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }

    async fn chain(&mut self) -> Result<&SharedCredentialsProvider, LoadError> {
        if self.chain.is_none() {
            require_roots()?;
            let region = Region::new(self.region.clone());
            let config = aws_config::defaults(BehaviorVersion::latest()).region(region).load().await;
            self.chain = config.credentials_provider();
        }
        let none = || CredentialsError::not_loaded("the default chain has no provider").into();
        self.chain.as_ref().ok_or_else(none)
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

    async fn load(text: &str) -> Result<Credentials, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        std::fs::write(&file, text).unwrap();
        static_keys(&file, "default").await
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
