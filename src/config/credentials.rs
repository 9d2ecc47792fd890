//! The `credentials` section: one source, which never falls through to another, and whose session signs.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

use super::effective::quoted;
use crate::policy::{RoleArn, RolePattern};

mod read;

pub(super) use read::{check_grants, read};

/// Where the proxy's own credentials come from, and what they must turn out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The one source.
    pub source: CredentialSource,
    /// The role that STS must say the credentials are of.
    pub expect_role: Option<RolePattern>,
    /// Whose session signs.
    pub sessions: Sessions,
    /// Where STS is, if not at its regional endpoint.
    pub sts_endpoint: Option<Uri>,
}

/// A source of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// IAM roles for service accounts: a projected token that STS exchanges.
    WebIdentity {
        /// The role.
        role_arn: RoleArn,
        /// Where the kubelet writes the token.
        token_file: PathBuf,
        /// How CloudTrail names the proxy's own session.
        session_name: SessionName,
    },
    /// The agent of EKS Pod Identity on the node.
    PodIdentity {
        /// The agent's address on this node.
        agent_uri: AgentUri,
        /// Where the kubelet writes the token for it.
        token_file: PathBuf,
    },
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    Environment,
    /// A profile of a shared credentials file.
    StaticFile {
        /// The file.
        file: PathBuf,
        /// The profile in it.
        profile: String,
    },
    /// The AWS SDK's default provider chain, which does reach for the instance role: for development.
    DefaultChain,
}

/// Whose STS session signs a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sessions {
    /// The proxy's own, for every client.
    Shared,
    /// One for each client identity, confined to its grants.
    PerIdentity(PerIdentity),
}

/// What sessions of client identities are made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerIdentity {
    /// The role of grants that name none of their own.
    pub role_arn: RoleArn,
    /// Sessions at a time; the one that rested longest makes room.
    pub max_sessions: usize,
    /// Whether sessions carry a source identity, which the role's trust policy has to allow.
    pub source_identity: bool,
    /// Whether sessions carry tags, which the role's trust policy has to allow.
    pub session_tags: bool,
}

/// A session's name in CloudTrail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionName(String);

impl SessionName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SessionName {
    fn default() -> Self {
        Self("s3-access-proxy".to_owned())
    }
}

impl FromStr for SessionName {
    type Err = &'static str;

    /// STS API reference, `RoleSessionName`: 2 to 64 of `[\w+=,.@-]`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
        if (2..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a session's name has 2 to 64 of a-z A-Z 0-9 _ + = , . @ -")
        }
    }
}

/// The address of the node's agent. It is asked in plain HTTP, so it has to be one that does not leave the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentUri(Uri);

/// EKS Pod Identity in IPv4 and IPv6. Source: EKS user guide, "EKS Pod Identity agent".
const AGENTS: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(std::net::Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

impl AgentUri {
    /// The whole address.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for AgentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AgentUri {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| "not a URL")?;
        let host: Option<IpAddr> = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        let on_node = host.is_some_and(|ip| ip.is_loopback() || AGENTS.contains(&ip));
        let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if uri.scheme() == Some(&Scheme::HTTP) && on_node && !user {
            Ok(Self(uri))
        } else {
            Err(
                "the agent is at http://169.254.170.23, http://[fd00:ec2::23] or a loopback address, so that the \
                 token stays on the node",
            )
        }
    }
}

/// As the section's YAML.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "credentials:")?;
        match &self.source {
            CredentialSource::Environment => writeln!(f, "  source: environment")?,
            CredentialSource::DefaultChain => writeln!(f, "  source: default_chain")?,
            CredentialSource::StaticFile { file, profile } => {
                writeln!(f, "  source: static_file\n  file: {}", quoted(file.display()))?;
                writeln!(f, "  profile: {}", quoted(profile))?;
            }
            CredentialSource::WebIdentity { role_arn, token_file, session_name } => {
                writeln!(f, "  source: web_identity\n  role_arn: {}", quoted(role_arn))?;
                writeln!(f, "  token_file: {}", quoted(token_file.display()))?;
                writeln!(f, "  session_name: {}", quoted(session_name.as_str()))?;
            }
            CredentialSource::PodIdentity { agent_uri, token_file } => {
                writeln!(f, "  source: pod_identity\n  agent_uri: {}", quoted(agent_uri))?;
                writeln!(f, "  token_file: {}", quoted(token_file.display()))?;
            }
        }
        if let Some(pattern) = &self.expect_role {
            writeln!(f, "  expect_role: {}", quoted(pattern))?;
        }
        if let Some(endpoint) = &self.sts_endpoint {
            writeln!(f, "  sts_endpoint: {}", quoted(endpoint.to_string().trim_end_matches('/')))?;
            writeln!(f, "  allow_plaintext: {}", endpoint.scheme() == Some(&Scheme::HTTP))?;
        }
        match &self.sessions {
            Sessions::Shared => writeln!(f, "  sessions: shared"),
            Sessions::PerIdentity(sessions) => self.write_sessions(f, sessions),
        }
    }
}

impl Credentials {
    fn write_sessions(&self, f: &mut fmt::Formatter<'_>, sessions: &PerIdentity) -> fmt::Result {
        writeln!(f, "  sessions: per_identity\n  max_sessions: {}", sessions.max_sessions)?;
        if matches!(self.source, CredentialSource::WebIdentity { .. }) {
            return Ok(());
        }
        writeln!(f, "  role_arn: {}", quoted(&sessions.role_arn))?;
        writeln!(f, "  source_identity: {}", sessions.source_identity)?;
        writeln!(f, "  session_tags: {}", sessions.session_tags)
    }
}

#[cfg(test)]
mod tests;
