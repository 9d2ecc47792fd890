//! Floor 4: the journey of a request, from the client's connection to S3 and back.

mod answer;
mod at_rest;
mod body;
mod client;
mod client_body;
mod connection;
mod ending;
mod journey;
mod late_error;
mod pace;
mod rate;
mod record;
mod respond;
mod rewrite;
mod rulebook;
mod share;

pub use crate::net::Stop;
pub use connection::{Listener, serve, sockets};
pub use journey::Proxy;
