//! An explanation for people and for programs.

use std::fmt;

use serde_json::{Value, json};

use super::replay::Replay;
use super::suggest::name_apart;
use super::{Explanation, Found, Outcome};
use crate::s3::{Necessity, Refusal, Scope};

impl Explanation {
    /// Keeps the suggested grants' names apart from those that the configuration has.
    pub fn avoid_names(&mut self, taken: &[&str]) {
        name_apart(&mut self.suggestion, taken);
    }

    /// What the client would be told, if it is refused.
    fn refusal(&self) -> Option<Refusal> {
        match &self.outcome {
            Outcome::Allowed { .. } => None,
            Outcome::Denied(denial) => Some(denial.to_refusal()),
            Outcome::Stopped(breach) => Some(breach.to_refusal()),
            Outcome::Refused(refusal) => Some(refusal.clone()),
        }
    }

    /// The grant or guardrail that decided.
    fn decided_by(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Allowed { grant, .. } => Some(grant.clone()),
            Outcome::Denied(denial) => denial.denied_by.as_ref().map(ToString::to_string),
            Outcome::Stopped(breach) => Some(breach.guardrail.label().to_owned()),
            Outcome::Refused(_) => None,
        }
    }

    fn adds(&self) -> Vec<(String, String)> {
        match &self.outcome {
            Outcome::Allowed { additions, .. } => additions
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            Outcome::Denied(_) | Outcome::Stopped(_) | Outcome::Refused(_) => Vec::new(),
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let accesses = self.accesses.iter().map(|(access, found)| {
            let (key, prefix) = match &access.scope {
                Scope::Object(_, key) => (Some(key.as_str()), None),
                Scope::Prefix(_, prefix) => (None, Some(prefix.as_str())),
                Scope::Service | Scope::Bucket(_) => (None, None),
            };
            let (decision, grant) = match found {
                Found::Allowed(grant) => ("allowed", Some(grant)),
                Found::Denied(grant) => ("denied", Some(grant)),
                Found::NotGranted => ("not_granted", None),
                Found::Tolerated => ("not_denied", None),
            };
            json!({
                "action": access.action.as_str(), "bucket": access.bucket().map(ToString::to_string),
                "key": key, "prefix": prefix, "version": access.version,
                "needed": access.necessity == Necessity::Needed, "decision": decision, "grant": grant,
            })
        });
        let refusal = self.refusal();
        let target = self.target.as_ref();
        json!({
            "identity": self.identity.to_string(),
            "operation": self.operation.map(crate::s3::Operation::as_str),
            "bucket": target.and_then(|target| target.bucket()).map(ToString::to_string),
            "key": target.and_then(|target| target.key()).map(ToString::to_string),
            "accesses": accesses.collect::<Vec<_>>(),
            "decision": if self.is_allowed() { "allowed" } else { "denied" },
            "decided_by": self.decided_by(),
            "status": refusal.as_ref().map(|refusal| refusal.code.status().as_u16()),
            "error_code": refusal.as_ref().map(|refusal| refusal.code.as_str()),
            "message": refusal.as_ref().map(|refusal| refusal.message.as_ref()),
            "adds": self.adds().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "suggested_grants": self.suggestion.iter().map(ToString::to_string).collect::<String>(),
        })
    }
}

/// For people.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "identity   {}", self.identity)?;
        match self.operation {
            Some(operation) => writeln!(f, "operation  {operation}")?,
            None => writeln!(f, "operation  none that is known")?,
        }
        if let Some(bucket) = self.target.as_ref().and_then(|target| target.bucket()) {
            writeln!(f, "bucket     {bucket}")?;
        }
        if let Some(key) = self.target.as_ref().and_then(|target| target.key()) {
            writeln!(f, "key        {}", key.as_str().escape_debug())?;
        }
        for (access, found) in &self.accesses {
            write!(f, "access     {}", access.to_string().escape_debug())?;
            if let Some(version) = &access.version {
                write!(f, " (version {})", version.escape_debug())?;
            }
            writeln!(f, ": {found}")?;
        }
        for (name, value) in self.adds() {
            writeln!(f, "adds       {name}: {value}")?;
        }
        self.decision(f)?;
        if self.suggestion.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nThe smallest grant that would allow it, for the section 'grants':")?;
        self.suggestion.iter().try_for_each(|grant| write!(f, "{grant}"))
    }
}

impl Explanation {
    fn decision(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Allowed { grant, .. } => {
                return writeln!(f, "decision   ALLOWED by the grant '{grant}'");
            }
            Outcome::Denied(denial) => {
                let access = denial.access.to_string();
                match &denial.denied_by {
                    Some(grant) => {
                        writeln!(f, "decision   DENIED by the grant '{grant}', whatever else allows it")?;
                    }
                    None => writeln!(f, "decision   DENIED: no grant allows {}", access.escape_debug())?,
                }
            }
            Outcome::Stopped(breach) => {
                writeln!(
                    f,
                    "decision   DENIED by the guardrail '{}', whatever is granted",
                    breach.guardrail
                )?;
            }
            Outcome::Refused(_) => writeln!(f, "decision   DENIED before any grant is asked")?,
        }
        match self.refusal() {
            Some(refusal) => writeln!(
                f,
                "answer     {} {}: {}",
                refusal.code.status().as_u16(),
                refusal.code.as_str(),
                refusal.message.escape_debug()
            ),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(grant) => write!(f, "allowed by '{grant}'"),
            Self::Denied(grant) => write!(f, "denied by '{grant}'"),
            Self::NotGranted => f.write_str("no grant allows it"),
            Self::Tolerated => f.write_str(
                "not granted, and not denied; S3 asks for it only if there are tags or annotations to copy",
            ),
        }
    }
}

/// For people.
impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for denial in &self.denials {
            let bucket = denial.bucket.as_deref().unwrap_or("-");
            let key = denial.first_key.as_deref().unwrap_or("").escape_debug();
            write!(
                f,
                "denied {:>6}  {} {} {bucket}/{key}: ",
                denial.count, denial.identity, denial.operation
            )?;
            match &denial.denied_by {
                Some(by) => write!(f, "'{by}' denies {}", denial.action)?,
                None => write!(f, "no grant allows {}", denial.action)?,
            }
            writeln!(f, "{}", if denial.was_allowed { " (was allowed)" } else { "" })?;
        }
        writeln!(
            f,
            "{} requests: {} allowed, {} denied; {} that were allowed would be denied, {} that were denied would be \
             allowed; {} lines do not tell enough",
            self.requests, self.allowed, self.denied, self.newly_denied, self.newly_allowed, self.skipped
        )
    }
}
