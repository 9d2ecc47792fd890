//! Object Lock's retention, as an upload's headers or the body of PutObjectRetention state it.

use std::fmt;

use http::{HeaderMap, HeaderName};
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;

use super::error::{ErrorCode, Refusal};

static MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
static RETAIN_UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");

/// How firmly a version is kept. Ordered: `Compliance` is the stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Whoever has `s3:BypassGovernanceRetention` may end it.
    Governance,
    /// Nobody may end it, the account's root included.
    Compliance,
}

impl LockMode {
    /// As S3 writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.as_str() == text)
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stated retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How firmly.
    pub mode: LockMode,
    /// Until when.
    pub until: OffsetDateTime,
}

impl Retention {
    pub(super) fn parse(mode: &str, until: &str) -> Result<Self, Refusal> {
        let invalid = |message| Refusal::new(ErrorCode::InvalidArgument, message);
        let mode = LockMode::parse(mode).ok_or_else(|| invalid("Unknown wormMode directive."))?;
        let until = OffsetDateTime::parse(until, &Iso8601::PARSING);
        let until =
            until.map_err(|_| invalid("The retain until date must be provided in ISO 8601 format."))?;
        Ok(Self { mode, until })
    }

    /// What the headers of an upload state.
    pub(super) fn of_headers(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        match (text(&MODE), text(&RETAIN_UNTIL)) {
            (None, None) => Ok(None),
            (Some(mode), Some(until)) => Self::parse(mode, until).map(Some),
            _ => Err(Refusal::new(
                ErrorCode::InvalidArgument,
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_date_come_together() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
        };
        let mode = ("x-amz-object-lock-mode", "COMPLIANCE");
        let until = ("x-amz-object-lock-retain-until-date", "2027-01-01T00:00:00.000Z");
        assert_eq!(Retention::of_headers(&headers(&[])).unwrap(), None);
        assert_eq!(
            Retention::of_headers(&headers(&[mode, until])).unwrap().unwrap().mode,
            LockMode::Compliance
        );
        for bad in [&[mode][..], &[until], &[("x-amz-object-lock-mode", "compliance"), until]] {
            assert_eq!(Retention::of_headers(&headers(bad)).unwrap_err().code, ErrorCode::InvalidArgument);
        }
        assert!(Retention::parse("GOVERNANCE", "tomorrow").is_err());
        assert!(LockMode::Compliance > LockMode::Governance);
    }
}
