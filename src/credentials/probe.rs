//! One look at the configured credentials, for whoever wants to know whether they are the right ones.

use super::clock::Clock;
use super::source::Source;
use super::sts::Sts;
use crate::config::Config;
use crate::sigv4::SigningCredentials;
use crate::telemetry::Metrics;

/// Loads credentials once from the configured source and asks STS whose they are. The error is for people.
pub async fn probe(config: &Config) -> Result<(SigningCredentials, String), String> {
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let sts = Sts::new(config, Clock::new(metrics));
    let mut source = Source::new(config, sts.clone());
    let credentials = source.load().await.map_err(|error| error.to_string())?;
    let caller = sts.caller(&credentials).await.map_err(|error| error.to_string())?;
    Ok((credentials, caller))
}
