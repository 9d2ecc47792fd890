//! The section's keys: each belongs to some sources, and what a pod's environment says stands in for some.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

use super::{AgentUri, CredentialSource, Credentials, PerIdentity, SessionName, Sessions};
use crate::config::reader::Section;
use crate::config::sections::Endpoint;
use crate::policy::{Policy, RoleArn};

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

pub(in crate::config) fn read(
    section: &Section<'_>,
    environment: &[(String, String)],
) -> Option<Credentials> {
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
    let given: Option<Endpoint> = section.optional("sts_endpoint");
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
pub(in crate::config) fn check_grants(root: &Section<'_>, credentials: &Credentials, policy: &Policy) {
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
