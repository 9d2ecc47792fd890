//! The `limits` section: what clients can make the proxy hold or do, read and shown.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

use super::effective::{exact, quoted};
use super::reader::Section;

/// Bounds on what clients can make the proxy do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; further ones are closed at once.
    pub max_connections: usize,
    /// The same for each source address, those in the middle of their handshake included; `None` for no such bound.
    pub max_connections_per_peer: Option<usize>,
    /// How long a connection takes requests, give or take a tenth; `None` for ever.
    pub max_connection_age: Option<Duration>,
    /// Requests that may be open at once, over all connections.
    pub max_requests: usize,
    /// From accepted to TLS established.
    pub handshake_timeout: Duration,
    /// From the first byte of a request head to its last.
    pub header_timeout: Duration,
    /// Without a byte in either direction. There is no total time limit.
    pub idle_timeout: Duration,
    /// From name look-up to TLS established, upstream.
    pub connect_timeout: Duration,
    /// For requests in flight after SIGTERM.
    pub drain_timeout: Duration,
    /// Bytes of an object in one request.
    pub max_object_size: u64,
    /// What one identity may do, over all of its connections.
    pub per_identity: IdentityLimits,
}

/// Bounds on one identity; `None` is no bound beside the general ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdentityLimits {
    /// Requests begun in a second, in the long run; as many may begin at once.
    pub requests_per_second: Option<NonZeroU32>,
    /// Requests open at a time.
    pub concurrent_requests: Option<NonZeroU32>,
}

/// Requests for each connection that may be open at once: over HTTP/1.1 it has one, over HTTP/2 more.
const REQUESTS_A_CONNECTION: usize = 4;
/// Eight HTTP/2 connections full of streams, however few connections there may be.
const LEAST_REQUESTS: usize = 1024;
/// Against memory: a request that waits takes some 20 KiB with its buffers.
const MOST_REQUESTS: usize = 256 * 1024;

pub(super) fn read(section: &Section<'_>) -> Limits {
    let seconds = |key, default| section.or(key, Span(Duration::from_secs(default))).0;
    let count = |key| {
        let count: Option<usize> = section.optional(key);
        if count == Some(0) {
            section.problem(key, "must be at least 1");
        }
        count
    };
    let max_connections = count("max_connections").unwrap_or(4096);
    let requests = max_connections.saturating_mul(REQUESTS_A_CONNECTION);
    let max_requests = count("max_requests").unwrap_or(requests.clamp(LEAST_REQUESTS, MOST_REQUESTS));
    if max_requests > MOST_REQUESTS {
        section.problem("max_requests", format!("must be at most {MOST_REQUESTS}: each takes memory"));
    }
    let identity = section.section("per_identity");
    Limits {
        max_connections,
        max_connections_per_peer: count("max_connections_per_peer"),
        max_connection_age: section.optional("max_connection_age").map(|Span(age)| age),
        max_requests,
        handshake_timeout: seconds("handshake_timeout", 10),
        header_timeout: seconds("header_timeout", 15),
        idle_timeout: seconds("idle_timeout", 60),
        connect_timeout: seconds("connect_timeout", 5),
        drain_timeout: seconds("drain_timeout", 30),
        max_object_size: section.or("max_object_size", ByteSize::tib(5)).as_u64(),
        per_identity: IdentityLimits {
            requests_per_second: identity.nullable("requests_per_second"),
            concurrent_requests: identity.nullable("concurrent_requests"),
        },
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "limits:\n  max_connections: {}", self.max_connections)?;
        if let Some(most) = self.max_connections_per_peer {
            writeln!(f, "  max_connections_per_peer: {most}")?;
        }
        if let Some(age) = self.max_connection_age {
            writeln!(f, "  max_connection_age: {}", quoted(humantime::format_duration(age)))?;
        }
        writeln!(f, "  max_requests: {}", self.max_requests)?;
        for (name, span) in [
            ("handshake_timeout", self.handshake_timeout),
            ("header_timeout", self.header_timeout),
            ("idle_timeout", self.idle_timeout),
            ("connect_timeout", self.connect_timeout),
            ("drain_timeout", self.drain_timeout),
        ] {
            writeln!(f, "  {name}: {}", quoted(humantime::format_duration(span)))?;
        }
        writeln!(f, "  max_object_size: {}", quoted(exact(self.max_object_size)))?;
        let IdentityLimits { requests_per_second, concurrent_requests } = self.per_identity;
        let shown = |most: Option<NonZeroU32>| most.map_or("null".to_owned(), |most| most.to_string());
        writeln!(f, "  per_identity:\n    requests_per_second: {}", shown(requests_per_second))?;
        writeln!(f, "    concurrent_requests: {}", shown(concurrent_requests))
    }
}

/// A time span above zero, such as `10s` or `1m 30s`.
pub(super) struct Span(pub(super) Duration);

/// Clocks must not overflow when it is added; nobody means more.
const LONGEST: Duration = Duration::from_hours(365 * 24);

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        match humantime::parse_duration(text) {
            Ok(span) if !span.is_zero() && span <= LONGEST => Ok(Self(span)),
            _ => Err(SpanError),
        }
    }
}

pub(super) struct SpanError;

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time span above zero and up to 365 days is written like 10s, 500ms or 1m 30s")
    }
}
