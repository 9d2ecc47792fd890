//! The `credentials` section: one source, which never falls through to another, and whose session signs.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

use super::effective::quoted;
use super::reader::Section;
use crate::policy::{Policy, RoleArn, RolePattern};

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

/// Names of sources, as the configuration writes them.
const SOURCES: [(&str, Kind); 5] = [
    ("web_identity", Kind::WebIdentity),
    ("pod_identity", Kind::PodIdentity),
    ("static_file", Kind::StaticFile),
    ("environment", Kind::Environment),
    ("default_chain", Kind::DefaultChain),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    WebIdentity,
    PodIdentity,
    StaticFile,
    Environment,
    DefaultChain,
}

/// A kilobyte or two each, and one call to STS an hour.
const MAX_SESSIONS: usize = 4096;

pub(super) fn read(section: &Section<'_>, environment: &[(String, String)]) -> Option<Credentials> {
    let keys = Keys::read(section);
    let expect_role = section.optional("expect_role");
    let sts_endpoint = sts_endpoint(section);
    let kind = section.one_of("source", &SOURCES);
    if section.optional::<String>("source").is_none() {
        let names = SOURCES.map(|(name, _)| name).join(", ");
        section.problem("source", format!("missing: one of {names}"));
    }
    let inherited = Inherited { section, environment };
    let per_identity = section.one_of("sessions", &[("shared", false), ("per_identity", true)]);
    let role_arn = match kind {
        Some(Kind::WebIdentity) => {
            keys.role_arn.clone().or_else(|| inherited.value("AWS_ROLE_ARN", "role_arn"))
        }
        _ => keys.role_arn.clone(),
    };
    let kind = kind?;
    keys.check(section, kind, per_identity == Some(true));
    let sessions = sessions(section, kind, per_identity == Some(true), role_arn.clone());
    let source = source(&inherited, kind, keys, role_arn);
    Some(Credentials { source: source?, expect_role, sessions: sessions?, sts_endpoint })
}

/// What belongs to single sources.
struct Keys {
    role_arn: Option<RoleArn>,
    token_file: Option<PathBuf>,
    session_name: Option<SessionName>,
    agent_uri: Option<AgentUri>,
    file: Option<PathBuf>,
    profile: Option<String>,
}

impl Keys {
    fn read(section: &Section<'_>) -> Self {
        Self {
            role_arn: section.optional("role_arn"),
            token_file: section.optional("token_file"),
            session_name: section.optional("session_name"),
            agent_uri: section.optional("agent_uri"),
            file: section.optional("file"),
            profile: section.optional("profile"),
        }
    }

    /// A key that the source does not read was meant for another one.
    fn check(&self, section: &Section<'_>, kind: Kind, per_identity: bool) {
        use Kind::{PodIdentity, StaticFile, WebIdentity};
        let (web, pod, file) = (kind == WebIdentity, kind == PodIdentity, kind == StaticFile);
        let owners = [
            (
                "role_arn",
                self.role_arn.is_some(),
                web || per_identity,
                "web_identity, or to sessions: per_identity",
            ),
            ("token_file", self.token_file.is_some(), web || pod, "web_identity and pod_identity"),
            ("session_name", self.session_name.is_some(), web, "web_identity"),
            ("agent_uri", self.agent_uri.is_some(), pod, "pod_identity"),
            ("file", self.file.is_some(), file, "static_file"),
            ("profile", self.profile.is_some(), file, "static_file"),
        ];
        for (key, given, read, owner) in owners {
            if given && !read {
                section.problem(key, format!("'{key}' belongs to the source {owner}"));
            }
        }
    }
}

fn source(
    inherited: &Inherited<'_>,
    kind: Kind,
    keys: Keys,
    role_arn: Option<RoleArn>,
) -> Option<CredentialSource> {
    let section = inherited.section;
    match kind {
        Kind::Environment => Some(CredentialSource::Environment),
        Kind::DefaultChain => Some(CredentialSource::DefaultChain),
        Kind::WebIdentity => {
            let token_file =
                keys.token_file.or_else(|| inherited.value("AWS_WEB_IDENTITY_TOKEN_FILE", "token_file"));
            let session_name =
                keys.session_name.or_else(|| inherited.value("AWS_ROLE_SESSION_NAME", "session_name"));
            missing(
                section,
                "role_arn",
                role_arn.is_none(),
                "the role to assume (AWS_ROLE_ARN would serve too)",
            );
            missing(
                section,
                "token_file",
                token_file.is_none(),
                "the projected token's file (AWS_WEB_IDENTITY_TOKEN_FILE would serve too)",
            );
            Some(CredentialSource::WebIdentity {
                role_arn: role_arn?,
                token_file: token_file?,
                session_name: session_name.unwrap_or_default(),
            })
        }
        Kind::PodIdentity => {
            let agent_uri =
                keys.agent_uri.or_else(|| inherited.value("AWS_CONTAINER_CREDENTIALS_FULL_URI", "agent_uri"));
            let token_file = keys
                .token_file
                .or_else(|| inherited.value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token_file"));
            missing(
                section,
                "agent_uri",
                agent_uri.is_none(),
                "the agent's address (AWS_CONTAINER_CREDENTIALS_FULL_URI would serve too)",
            );
            missing(
                section,
                "token_file",
                token_file.is_none(),
                "the token's file (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE would serve too)",
            );
            Some(CredentialSource::PodIdentity { agent_uri: agent_uri?, token_file: token_file? })
        }
        Kind::StaticFile => {
            missing(
                section,
                "file",
                keys.file.is_none(),
                "a shared credentials file ([profile] with aws_access_key_id = …)",
            );
            Some(CredentialSource::StaticFile {
                file: keys.file?,
                profile: keys.profile.unwrap_or_else(|| "default".to_owned()),
            })
        }
    }
}

/// Reports a key that neither file nor environment gives, unless what they give was reported already.
fn missing(section: &Section<'_>, key: &'static str, missing: bool, what: &str) {
    if missing && !section.has(key) {
        section.problem(key, format!("missing: {what}"));
    }
}

fn sessions(
    section: &Section<'_>,
    kind: Kind,
    per_identity: bool,
    role_arn: Option<RoleArn>,
) -> Option<Sessions> {
    let max_sessions: Option<usize> = section.optional("max_sessions");
    let source_identity: Option<bool> = section.optional("source_identity");
    let session_tags: Option<bool> = section.optional("session_tags");
    if max_sessions == Some(0) {
        section.problem("max_sessions", "must be at least 1");
    }
    for (key, on) in [("source_identity", source_identity), ("session_tags", session_tags)] {
        if on == Some(true) && kind == Kind::WebIdentity {
            section.problem(
                key,
                "AssumeRoleWithWebIdentity takes it from the token's claims, not from the proxy",
            );
        }
    }
    if !per_identity {
        for (key, given) in [
            ("max_sessions", max_sessions.is_some()),
            ("source_identity", source_identity.is_some()),
            ("session_tags", session_tags.is_some()),
        ] {
            if given {
                section.problem(key, "belongs to sessions: per_identity");
            }
        }
        return Some(Sessions::Shared);
    }
    if kind != Kind::WebIdentity {
        missing(section, "role_arn", role_arn.is_none(), "the role that sessions: per_identity assumes");
    }
    Some(Sessions::PerIdentity(PerIdentity {
        role_arn: role_arn?,
        max_sessions: max_sessions.unwrap_or(MAX_SESSIONS),
        source_identity: source_identity.unwrap_or(false),
        session_tags: session_tags.unwrap_or(false),
    }))
}

fn sts_endpoint(section: &Section<'_>) -> Option<Uri> {
    let given: Option<super::sections::Endpoint> = section.optional("sts_endpoint");
    let allow_plaintext = section.or("allow_plaintext", false);
    let uri = given?.0;
    if uri.scheme() == Some(&Scheme::HTTP) && !allow_plaintext {
        section.problem(
            "sts_endpoint",
            "http:// sends the token unencrypted; use https:// (allow_plaintext is for development)",
        );
    }
    Some(uri)
}

/// What the EKS webhooks put into a pod's environment.
struct Inherited<'a> {
    section: &'a Section<'a>,
    environment: &'a [(String, String)],
}

impl Inherited<'_> {
    /// A variable's value; one that is there and not valid is a problem of the key that it stands in for.
    fn value<T: FromStr<Err: fmt::Display>>(&self, variable: &str, key: &'static str) -> Option<T> {
        let (_, text) = self.environment.iter().find(|(name, text)| name == variable && !text.is_empty())?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.section.problem(key, format!("{variable} is '{text}': {error}"));
                None
            }
        }
    }
}

/// What only makes sense together with the grants.
pub(super) fn check_grants(root: &Section<'_>, credentials: &Credentials, policy: &Policy) {
    if credentials.sessions == Sessions::Shared {
        for grant in policy.grants().iter().filter(|grant| grant.role.is_some()) {
            let message =
                format!("grant '{}': 'role_arn' needs credentials.sessions: per_identity", grant.name);
            root.problem("grants", message);
        }
        return;
    }
    for problem in policy.session_problems() {
        root.problem("grants", problem);
    }
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
