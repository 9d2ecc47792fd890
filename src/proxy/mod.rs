//! Floor 4: the journey of a request, from the client's connection to S3 and back.

mod answer;
mod body;
mod connection;
mod inbound;
mod journey;
mod record;
mod respond;
mod rewrite;

pub use crate::net::Stop;
pub use connection::{Listener, serve};
pub use journey::Proxy;
