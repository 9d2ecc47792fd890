//! The patterns of a grant: identities, buckets, actions. Parsed when the configuration is read.

use std::fmt;
use std::str::FromStr;

use crate::identity::{ClientIdentity, SpiffeId};
use crate::s3::{Action, ActionSet, BucketName};

/// A pattern that cannot be what its author meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// An identity without one of the three forms.
    #[error("an identity is written spiffe://<trust domain>/<path>, dns:<name> or cn:<common name>")]
    IdentityForm,
    /// A form with nothing, or something impossible, behind it.
    #[error("the identity pattern can match no certificate: {0}")]
    IdentityBody(&'static str),
    /// No bucket's name can match.
    #[error("the bucket pattern can match no bucket: names are made of a-z 0-9 . - and are 3 to 63 long")]
    Bucket,
    /// A typing error, most likely.
    #[error("no S3 action matches; actions are written as in IAM, for example s3:GetObject or s3:Get*")]
    Action,
}

/// `*` matches a run without the separator, `**` any run. `None` as separator makes both alike.
pub(super) fn glob(pattern: &[u8], text: &[u8], separator: Option<u8>) -> bool {
    fits(pattern, text, |byte| Some(byte) == separator)
}

/// `*` in the text of a pattern that is compared with another one.
const ANY_RUN: u8 = 1;
/// `**` likewise.
const ANY_RUN_AT_ALL: u8 = 2;

/// Whether everything that `inner` matches is matched by `outer` too. May say no where it is so, never the reverse.
fn covers(outer: &[u8], inner: &[u8], separator: Option<u8>) -> bool {
    // A wildcard of the inner pattern becomes a byte that only a wildcard as wide can take.
    let mut text = Vec::with_capacity(inner.len());
    for run in inner.chunk_by(|a, b| *a == b'*' && *b == b'*') {
        match run {
            [b'*'] => text.push(ANY_RUN),
            [b'*', ..] => text.push(ANY_RUN_AT_ALL),
            other => text.extend(other),
        }
    }
    fits(outer, &text, |byte| separator.is_some() && (Some(byte) == separator || byte == ANY_RUN_AT_ALL))
}

/// Takes time in proportion to pattern times text, however many wildcards there are: a client picks the text.
fn fits(pattern: &[u8], text: &[u8], stops: impl Fn(u8) -> bool) -> bool {
    // What stands before the first wildcard settles most questions.
    let literal = pattern.iter().position(|&byte| byte == b'*').unwrap_or(pattern.len());
    if !text.starts_with(&pattern[..literal]) {
        return false;
    }
    let (pattern, text) = (&pattern[literal..], &text[literal..]);
    if pattern.is_empty() {
        return text.is_empty();
    }
    // reached[i]: the pattern so far matches the first i bytes of the text.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for run in pattern.chunk_by(|a, b| *a == b'*' && *b == b'*') {
        if run[0] == b'*' {
            let narrow = run.len() == 1;
            for i in 1..reached.len() {
                reached[i] |= reached[i - 1] && !(narrow && stops(text[i - 1]));
            }
        } else {
            for i in (1..reached.len()).rev() {
                reached[i] = reached[i - 1] && text[i - 1] == run[0];
            }
            reached[0] = false;
        }
    }
    reached[text.len()]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Spiffe,
    Dns,
    CommonName,
}

impl Form {
    fn separator(self) -> Option<u8> {
        match self {
            Self::Spiffe => Some(b'/'),
            Self::Dns => Some(b'.'),
            Self::CommonName => None,
        }
    }
}

/// Which clients a grant is for: `spiffe://…`, `dns:…` or `cn:…`, with `*` and `**`.
///
/// `*` is any run without `/` in a SPIFFE ID and without `.` in a DNS name; in a common name it is any run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityPattern {
    form: Form,
    body: String,
}

impl IdentityPattern {
    /// Whether one of the certificate's names of the pattern's form matches.
    pub fn matches(&self, identity: &ClientIdentity) -> bool {
        match self.form {
            Form::Spiffe => identity.spiffe().is_some_and(|id| self.fits(id.as_str())),
            Form::Dns => identity.dns().iter().any(|name| self.fits(name.as_str())),
            Form::CommonName => identity.common_name().is_some_and(|cn| self.fits(cn)),
        }
    }

    /// Whether this is a DNS pattern that matches the name.
    pub(super) fn matches_dns(&self, name: &str) -> bool {
        self.is_dns() && self.fits(name)
    }

    pub(super) fn is_dns(&self) -> bool {
        self.form == Form::Dns
    }

    fn fits(&self, text: &str) -> bool {
        glob(self.body.as_bytes(), text.as_bytes(), self.form.separator())
    }

    /// Whether every identity that the other pattern matches is matched by this one; may miss some such pairs.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let (outer, inner) = (self.body.as_bytes(), other.body.as_bytes());
        self.form == other.form && covers(outer, inner, self.form.separator())
    }

    /// The one name that matches, in the notation of configuration and logs, where the pattern has no wildcard.
    pub(super) fn literal(&self) -> Option<String> {
        (!self.body.contains('*')).then(|| self.to_string())
    }

    /// The one SPIFFE ID that matches, where the pattern has no wildcard.
    pub(super) fn literal_spiffe(&self) -> Option<SpiffeId> {
        let literal = self.form == Form::Spiffe && !self.body.contains('*');
        literal.then(|| self.body.parse().ok()).flatten()
    }
}

/// More wildcards than this make matching slow and no pattern clearer.
const MAX_WILDCARDS: usize = 8;

impl FromStr for IdentityPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (form, body) = if let Some(name) = text.strip_prefix("dns:") {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_*".contains(&b)) {
                return Err(PatternError::IdentityBody("DNS names are made of a-z 0-9 . - _"));
            }
            (Form::Dns, name)
        } else if let Some(cn) = text.strip_prefix("cn:") {
            (Form::CommonName, cn.to_owned())
        } else if let Some(rest) = text.strip_prefix("spiffe://") {
            let in_grammar = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.-_*".contains(&b));
            if !in_grammar || rest.starts_with('/') || rest.ends_with('/') || rest.contains("//") {
                return Err(PatternError::IdentityBody(
                    "a SPIFFE ID is spiffe://<trust domain>/<path> of a-z A-Z 0-9 . - _",
                ));
            }
            if !rest.contains('/') && !rest.contains("**") {
                return Err(PatternError::IdentityBody("there is no path behind the trust domain"));
            }
            (Form::Spiffe, text.to_owned())
        } else {
            return Err(PatternError::IdentityForm);
        };
        if body.is_empty() {
            return Err(PatternError::IdentityBody("it is empty"));
        }
        let runs = body.as_bytes().chunk_by(|a, b| a == b).filter(|run| run[0] == b'*').count();
        if runs > MAX_WILDCARDS {
            return Err(PatternError::IdentityBody("it has more than eight wildcards"));
        }
        Ok(Self { form, body })
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Spiffe => "",
            Form::Dns => "dns:",
            Form::CommonName => "cn:",
        };
        write!(f, "{form}{}", self.body)
    }
}

/// A bucket's name, in which `*` matches any run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPattern(String);

impl BucketPattern {
    /// Whether the bucket's name matches.
    pub fn matches(&self, bucket: &BucketName) -> bool {
        glob(self.0.as_bytes(), bucket.as_str().as_bytes(), None)
    }

    /// The one bucket that matches, where the pattern has no wildcard.
    pub(super) fn literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(self.0.as_str())
    }

    /// Whether every bucket that the other pattern matches is matched by this one; may miss some such pairs.
    pub(super) fn covers(&self, other: &Self) -> bool {
        covers(self.0.as_bytes(), other.0.as_bytes(), None)
    }

    /// Whether every bucket matches.
    pub fn is_any(&self) -> bool {
        self.0.bytes().all(|b| b == b'*')
    }
}

impl FromStr for BucketPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let in_alphabet =
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-*".contains(&b));
        let literal = !text.contains('*');
        let runs = text.as_bytes().chunk_by(|a, b| a == b).filter(|run| run[0] == b'*').count();
        if text.is_empty() || text.len() > 63 || !in_alphabet || runs > MAX_WILDCARDS {
            return Err(PatternError::Bucket);
        }
        if literal && text.parse::<BucketName>().is_err() {
            return Err(PatternError::Bucket);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for BucketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An IAM action with `*`, resolved to the actions that it matches. Case does not matter, as in IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern {
    text: String,
    set: ActionSet,
}

impl ActionPattern {
    /// The actions that match; never empty.
    pub fn set(&self) -> ActionSet {
        self.set
    }
}

impl FromStr for ActionPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let lower = text.to_ascii_lowercase();
        let runs = lower.as_bytes().chunk_by(|a, b| a == b).filter(|run| run[0] == b'*').count();
        if runs > MAX_WILDCARDS {
            return Err(PatternError::Action);
        }
        let matches =
            |action: Action| glob(lower.as_bytes(), action.as_str().to_ascii_lowercase().as_bytes(), None);
        let set = ActionSet::filter(matches);
        if set.is_empty() { Err(PatternError::Action) } else { Ok(Self { text: text.to_owned(), set }) }
    }
}

impl fmt::Display for ActionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, identity: &str) -> bool {
        pattern.parse::<IdentityPattern>().unwrap().matches(&identity.parse().unwrap())
    }

    #[test]
    fn one_star_stops_at_the_separator_and_two_do_not() {
        assert!(matches("spiffe://td/ns/a/sa/*", "spiffe://td/ns/a/sa/x"));
        assert!(!matches("spiffe://td/ns/a/sa/*", "spiffe://td/ns/a/sa/x/y"));
        assert!(matches("spiffe://td/ns/**", "spiffe://td/ns/a/sa/x"));
        assert!(matches("spiffe://*/ns/a/sa/x", "spiffe://td/ns/a/sa/x"));
        assert!(!matches("spiffe://t*/sa/x", "spiffe://td/ns/a/sa/x"));
        assert!(matches("dns:*.Example.com", "dns:a.example.com"));
        assert!(!matches("dns:*.example.com", "dns:a.b.example.com"));
        assert!(matches("dns:**.example.com", "dns:a.b.example.com"));
        assert!(matches("cn:legacy-*", "cn:legacy-a/b.c"));
    }

    #[test]
    fn a_pattern_covers_what_is_narrower() {
        let covers = |outer: &str, inner: &str| {
            outer.parse::<IdentityPattern>().unwrap().covers(&inner.parse().unwrap())
        };
        assert!(covers("spiffe://td/**", "spiffe://td/ns/*/sa/x"));
        assert!(covers("spiffe://td/ns/*/sa/*", "spiffe://td/ns/a/sa/*"));
        assert!(covers("spiffe://td/a", "spiffe://td/a"));
        assert!(covers("cn:*", "cn:a**b"));
        for (outer, inner) in [
            ("spiffe://td/*", "spiffe://td/**"),
            ("spiffe://td/*", "spiffe://td/a/b"),
            ("spiffe://td/ns/a/*", "spiffe://td/ns/*/b"),
            ("spiffe://td/a*/*b", "spiffe://td/a**b"),
            ("cn:*", "dns:a"),
        ] {
            assert!(!covers(outer, inner), "{outer} {inner}");
        }
    }

    #[test]
    fn many_wildcards_stay_cheap() {
        let pattern: BucketPattern = "*a*a*a*a*a*a*a*b".parse().unwrap();
        assert!(!pattern.matches(&"a".repeat(63).parse().unwrap()));
        assert!(pattern.matches(&format!("{}b", "a".repeat(62)).parse().unwrap()));
    }

    #[test]
    fn a_form_matches_only_itself() {
        assert!(!matches("cn:*", "dns:a"));
        assert!(!matches("dns:**", "cn:a"));
        assert!(!matches("spiffe://**", "cn:spiffe://td/x"));
    }

    #[test]
    fn patterns_that_can_match_nothing_are_refused() {
        for bad in [
            "",
            "x",
            "spiffe://",
            "spiffe://td",
            "spiffe://td/",
            "spiffe://td/a b",
            "dns:",
            "dns:a b",
            "cn:",
            "*",
        ] {
            assert!(bad.parse::<IdentityPattern>().is_err(), "{bad}");
        }
        for bad in ["", "A*", "a_b", "ab", "a..b", "x/y"] {
            assert!(bad.parse::<BucketPattern>().is_err(), "{bad}");
        }
        for bad in ["", "s3:GetObjekt", "GetObject", "ec2:*", "s3:"] {
            assert!(bad.parse::<ActionPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn actions_are_matched_without_case() {
        let set = "S3:getobject*".parse::<ActionPattern>().unwrap().set();
        assert!(set.contains(Action::GetObject) && set.contains(Action::GetObjectVersion));
        assert!(!set.contains(Action::PutObject));
        assert!("*".parse::<ActionPattern>().unwrap().set().contains(Action::DeleteBucket));
    }
}
