//! In place of traces in a build without the feature: there are none, and their configuration is refused before anybody
//! asks.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::access_log::AccessLine;

/// Cannot be had.
#[derive(Debug, Clone)]
pub enum Traces {}

impl Traces {
    /// Cannot be asked.
    pub fn begin(&self, _: &HeaderMap) -> Trace {
        match *self {}
    }
}

/// Cannot be had.
#[derive(Debug)]
pub enum Trace {}

/// When what happened.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// When the head had come.
    pub began: SystemTime,
    /// Until the last byte.
    pub took: Duration,
    /// When the request went to S3, after it had begun, and how long until S3 answered with a head.
    pub upstream: Option<(Duration, Duration)>,
}

impl Trace {
    /// Cannot be asked.
    pub fn end(self, _: &AccessLine<'_>, _: &Times) {
        match self {}
    }
}
