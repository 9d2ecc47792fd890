//! In place of what sends spans in a build without the feature: the configuration has none.

use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::config::Config;
use crate::telemetry::{Metrics, Traces};

/// Cannot be had.
pub(super) enum Exporting {}

/// Nothing.
#[allow(clippy::unnecessary_wraps, reason = "as where there are traces")]
pub(super) fn prepare(_: &Config, _: &Metrics) -> Result<Option<(Traces, Exporting)>, StartError> {
    Ok(None)
}

impl Exporting {
    /// Cannot be asked.
    #[allow(clippy::unused_async, reason = "as where there are traces")]
    pub(super) async fn run(self, _: CancellationToken) {
        match self {}
    }
}
