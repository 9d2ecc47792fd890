//! Why credentials could not be had. The texts are for the log and hold neither tokens nor keys.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;

/// A load that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The token that proves who the proxy is.
    #[error("{file}: the token cannot be read: {source}")]
    Token {
        /// Its file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file without a token in it.
    #[error("{0}: there is no token in it")]
    NoToken(PathBuf),
    /// An answer that says no.
    #[error("{who} answers {code}: {message}")]
    Refused {
        /// Who was asked.
        who: &'static str,
        /// Its code for the error.
        code: String,
        /// What it says, without the token.
        message: String,
    },
    /// An answer that is none.
    #[error("{who} answers something else: {why}")]
    Garbage {
        /// Who was asked.
        who: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No connection, or one that broke.
    #[error("{who} cannot be reached: {why}")]
    Unreachable {
        /// Who was asked.
        who: &'static str,
        /// What the system says.
        why: String,
    },
    /// Nobody's certificate could be judged.
    #[error("the system has no trusted root certificates; install them (ca-certificates)")]
    NoRoots,
    /// A question without an answer.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// Credentials, but somebody else's.
    #[error("the credentials are of {found}, and expect_role is {expected}")]
    WrongRole {
        /// Whose they are.
        found: String,
        /// Whose they should be.
        expected: String,
    },
    /// Grants that do not fit into a session policy.
    #[error(
        "the session policy of these grants does not fit: STS takes 2,048 characters, and less when packed; name fewer \
         buckets and actions, or give some of the grants a 'role_arn' of their own"
    )]
    PolicyTooLarge,
    /// Without credentials of its own the proxy can make no sessions.
    #[error("the proxy's own credentials are not valid")]
    Base,
    /// What the SDK's provider says.
    #[error(transparent)]
    Provider(#[from] CredentialsError),
}

/// Throttling has several names. Source: `aws-runtime`, `THROTTLING_ERRORS`, those that STS uses.
const THROTTLED: [&str; 4] =
    ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"];
/// Codes of STS that will not change by themselves. Source: STS API reference, errors of AssumeRole and common errors.
const LASTING: [&str; 5] = [
    "AccessDenied",
    "AccessDeniedException",
    "ValidationError",
    "RegionDisabledException",
    "MalformedPolicyDocument",
];

impl LoadError {
    /// As metrics name it.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Token { .. } | Self::NoToken(_) => "token",
            Self::Refused { code, .. } if THROTTLED.contains(&&**code) => "throttled",
            Self::Refused { .. } => "refused",
            Self::Garbage { .. } => "garbage",
            Self::Unreachable { .. } | Self::NoRoots => "unreachable",
            Self::TimedOut(_) => "timeout",
            Self::WrongRole { .. } => "wrong_role",
            Self::PolicyTooLarge => "policy_too_large",
            Self::Base | Self::Provider(_) => "error",
        }
    }

    /// Whether the next attempt is bound to end alike, so that nobody should wait for it.
    pub(super) fn lasts(&self) -> bool {
        match self {
            Self::Refused { code, .. } => LASTING.contains(&&**code),
            Self::PolicyTooLarge | Self::WrongRole { .. } => true,
            _ => false,
        }
    }

    /// Whether a shorter policy might be taken.
    pub(super) fn is_about_policy(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "PackedPolicyTooLarge" || code == "MalformedPolicyDocument")
    }
}

/// Longer texts are cut: a message is for one line of the log.
const MAX_MESSAGE: usize = 400;

/// What somebody else said, fit for the log: one line, and without the secret that they were told.
pub(super) fn presentable(text: &str, secret: &str) -> String {
    let text = if secret.is_empty() { text.to_owned() } else { text.replace(secret, "[token]") };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_made_presentable() {
        assert_eq!(presentable("a\n token-1 b", "token-1"), "a  [token] b");
        assert_eq!(presentable("a", ""), "a");
        assert_eq!(presentable(&"x".repeat(1000), "t").len(), MAX_MESSAGE);
    }
}
