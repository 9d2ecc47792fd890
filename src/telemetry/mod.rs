//! Floor 2: what operators see. Metrics, one access-log line a request, and the process's own log.

mod access_log;
mod access_writer;
mod accesses;
mod bridge_metrics;
mod counted;
mod escape;
mod identities;
mod labels;
mod log;
mod logged;
mod metrics;
mod process_metrics;
mod registration;
#[cfg(feature = "otlp")]
mod traces;
#[cfg(not(feature = "otlp"))]
#[path = "no_traces.rs"]
mod traces;
mod webhook_metrics;

pub use access_log::{AccessLine, AccessLog, AccessLogWriter, Place, Stuckness, Unrecordable};
pub use accesses::Accesses;
pub use bridge_metrics::BridgeMetrics;
pub use counted::Counted;
pub use identities::IdentityMetrics;
pub use labels::{BadRequest, UpstreamFault};
pub(crate) use log::chain;
pub use log::{LogFormat, start as start_log};
pub use logged::{LoggedRequest, Seen};
pub use metrics::{Exposition, Metrics};
pub use traces::{Times, Trace, Traces};
pub use webhook_metrics::WebhookMetrics;
