//! What can go wrong between here and AWS: which call, on what, what AWS said, and the request's ID for its support.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_types::request_id::RequestId;

use crate::telemetry::chain;

/// Why there is no account to work with.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The SDK's client panics where the system trusts nobody.
    #[error("the system trusts no certificate authority; install ca-certificates")]
    NoRoots,
    /// Credentials of somebody else.
    #[error(
        "the credentials are of account {found} and the declaration is for {expected}: choose another profile (AWS_PROFILE) or correct 'account'"
    )]
    OtherAccount {
        /// Whose they are.
        found: String,
        /// Whose they should be.
        expected: String,
    },
    /// Nobody could be asked.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// AWS refused.
    #[error("{call} on {resource}: {code}: {message} (request {request_id})")]
    Refused {
        /// Service and operation, as IAM names it.
        call: &'static str,
        /// What it was about.
        resource: String,
        /// AWS's code, or the HTTP status of an answer without one.
        code: String,
        /// AWS's message.
        message: String,
        /// The ID that AWS gave the request.
        request_id: String,
    },
    /// No answer, after every attempt.
    #[error("{call} on {resource}: {why}")]
    Unanswered {
        /// Service and operation.
        call: &'static str,
        /// What it was about.
        resource: String,
        /// The chain of causes.
        why: String,
    },
    /// What is to be written depends on something that was there and is no more.
    #[error("{resource}: needs an ID or ARN that AWS no longer has: make a new plan")]
    Unknown {
        /// What it was about.
        resource: String,
    },
    /// AWS said yes, and a fresh read says otherwise.
    #[error("{resource}: written and accepted, but read back otherwise: {found}")]
    NotTaken {
        /// What it was about.
        resource: String,
        /// What was read.
        found: String,
    },
}

impl CallError {
    /// AWS's code.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Unanswered { .. } | Self::Unknown { .. } | Self::NotTaken { .. } => "",
        }
    }

    /// AWS's message.
    pub(in crate::bootstrap) fn message(&self) -> &str {
        match self {
            Self::Refused { message, .. } => message,
            Self::Unanswered { .. } | Self::Unknown { .. } | Self::NotTaken { .. } => "",
        }
    }

    /// The ID of the request that was refused.
    pub(in crate::bootstrap) fn request_id(&self) -> &str {
        match self {
            Self::Refused { request_id, .. } => request_id,
            Self::Unanswered { .. } | Self::Unknown { .. } | Self::NotTaken { .. } => "",
        }
    }
}

/// Makes an error of the SDK one of ours.
pub(in crate::bootstrap) fn failed<E>(
    call: &'static str,
    resource: impl Into<String>,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let resource = resource.into();
    move |error| match &error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16().to_string();
            CallError::Refused {
                call,
                resource,
                code: context.err().code().map_or(status, str::to_owned),
                message: context.err().message().unwrap_or("without a message").to_owned(),
                request_id: error.request_id().unwrap_or("without an ID").to_owned(),
            }
        }
        _ => CallError::Unanswered { call, resource, why: chain(&error) },
    }
}

/// A request that lacks what its type requires was never sent.
pub(in crate::bootstrap) fn built(
    call: &'static str,
    resource: &str,
) -> impl FnOnce(BuildError) -> CallError + use<> {
    let resource = resource.to_owned();
    move |error| CallError::Unanswered { call, resource, why: format!("the request is incomplete: {error}") }
}

/// That something is not there is an answer, not an error.
pub(in crate::bootstrap) fn optional<T>(
    result: Result<T, CallError>,
    absent: &[&str],
) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if absent.contains(&error.code()) => Ok(None),
        Err(error) => Err(error),
    }
}
