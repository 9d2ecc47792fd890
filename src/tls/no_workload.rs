//! In place of the SPIFFE Workload API in a build without the feature: there is none, and its configuration is refused
//! before anybody asks.

use super::material::Keys;
use crate::config::SpiffeSocket;
use crate::net::PemError;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[error("this proxy was built without the feature 'spiffe'")]
pub struct WorkloadError;

/// An agent, which cannot be had.
#[derive(Debug)]
pub enum Workload {}

impl Workload {
    /// Fails.
    #[allow(clippy::unused_async, reason = "as where there is an agent")]
    pub async fn connect(_: &SpiffeSocket) -> Result<Self, WorkloadError> {
        Err(WorkloadError)
    }

    /// Cannot be asked.
    pub fn keys(&self) -> Result<Keys, PemError> {
        match *self {}
    }

    /// Cannot be asked.
    #[allow(clippy::unused_async, reason = "as where there is an agent")]
    pub async fn changed(&mut self) {
        match *self {}
    }
}
