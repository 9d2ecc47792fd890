//! Floor 4: `proxy doctor`, which looks at everything that a proxy needs from where it stands, and says for each thing what
//! was found and how to mend it. It changes nothing.

mod aws;
mod certificate;
mod environment;
mod network;
mod prefix_list;

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::config::Config;
use crate::identity::ClientIdentity;

pub use prefix_list::PrefixList;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but is worth a look; or could not be looked at from here.
    Warning,
    /// Will not work, or not safely.
    Bad,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, found: found.into(), mend: None }
    }

    fn warning(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    fn bad(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Bad, found: found.into(), mend: Some(mend.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Warning => "look",
            Verdict::Bad => "BAD",
        };
        write!(f, "{word:<5}{:<13}{}", self.check, self.found)?;
        match &self.mend {
            Some(mend) => write!(f, " -> {mend}"),
            None => Ok(()),
        }
    }
}

/// What to look at.
#[derive(Debug)]
pub struct Patient {
    /// The proxy's configuration.
    pub config: Config,
    /// The client to look at, where it is not who the proxy's own certificate names.
    pub identity: Option<ClientIdentity>,
    /// Whether it is a gateway, whose own certificate is no client's.
    pub gateway: bool,
    /// S3's addresses in the region.
    pub prefix_list: Option<PrefixList>,
    /// The pod, as `kubectl get pod -o json` shows it.
    pub pod: Option<Value>,
    /// The variables of this process, where it stands in the application's container.
    pub application: Option<Vec<(String, String)>>,
}

/// Looks at everything. No check hides another.
pub async fn examine(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let mut findings = certificate::look(config, patient.gateway);
    if patient.identity.is_some() || !patient.gateway {
        findings.push(certificate::grants(config, patient.identity.as_ref()));
    }
    let (caller, credentials) = aws::caller(config).await;
    findings.push(caller);
    findings.push(network::region(config));
    findings.extend(network::endpoint(config, patient.prefix_list.as_ref()).await);
    findings.push(aws::clock(config).await);
    findings.extend(aws::buckets(config, credentials.as_ref()).await);
    if !patient.gateway {
        findings.extend(environment::application(patient.application.as_deref(), patient.pod.as_ref()));
    }
    findings
}
