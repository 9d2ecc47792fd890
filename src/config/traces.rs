//! The section `traces`: where spans of requests go and how many of them, read and shown.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

use super::effective::quoted;
use super::reader::Section;

/// The `traces` section.
#[derive(Debug, Clone)]
pub struct TracesSettings {
    /// Where a collector takes OTLP over HTTP, path included.
    pub endpoint: Uri,
    /// Of the requests that are not part of a client's trace, the part that is sampled: from 0 to 1.
    pub sample: f64,
    /// A further trust root for the collector's certificate.
    pub ca: Option<PathBuf>,
}

/// Enough to see what is usual, at a price that nobody notices.
const SAMPLE: f64 = 0.1;

pub(super) fn read(section: &Section<'_>) -> Option<TracesSettings> {
    if section.says_nothing() {
        return None;
    }
    let endpoint = section.required::<Collector>(
        "endpoint",
        "where a collector takes OTLP, such as http://otel-collector:4318",
    );
    let sample = section.or("sample", Part(SAMPLE)).0;
    let ca = section.optional("ca");
    if !cfg!(feature = "otlp") {
        section.problem("endpoint", "this proxy was built without the feature 'otlp'");
    }
    Some(TracesSettings { endpoint: endpoint?.0, sample, ca })
}

impl fmt::Display for TracesSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "traces:\n  endpoint: {}\n  sample: {}", quoted(&self.endpoint), self.sample)?;
        self.ca.iter().try_for_each(|ca| writeln!(f, "  ca: {}", quoted(ca.display())))
    }
}

/// Where OTLP over HTTP goes below a collector's address (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

struct Collector(Uri);

impl FromStr for Collector {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| "not a URL")?;
        let (Some("https" | "http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("must start with https:// or http:// and a host");
        };
        if authority.as_str().contains('@') {
            return Err(
                "must name no user; the variable OTEL_EXPORTER_OTLP_HEADERS holds what proves who asks",
            );
        }
        if uri.path() == "/" {
            return format!("{}{PATH}", text.trim_end_matches('/'))
                .parse()
                .map(Self)
                .map_err(|_| "not a URL");
        }
        Ok(Self(uri))
    }
}

struct Part(f64);

impl FromStr for Part {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = text.parse().ok().filter(|part| (0.0..=1.0).contains(part));
        part.map(Self).ok_or("must be a number from 0 to 1")
    }
}
