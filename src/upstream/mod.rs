//! Floor 3: the way to S3, or to a proxy that leads there. Where a request goes, the connections that carry it, and what
//! can go wrong below HTTP.

mod client;
mod connector;
mod endpoint;
mod line;
mod pool;
mod resolver;

pub use client::{Upstream, UpstreamError};
pub use connector::{Link, TrustError, most_connections};
pub use endpoint::Endpoint;
pub use line::ReplyBody;
