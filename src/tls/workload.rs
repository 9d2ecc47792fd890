//! The SPIFFE Workload API: the server's certificate and the roots of its trust domain, streamed by an agent on the
//! node, which renews them.
//!
//! The crate `spiffe` speaks the protocol and connects again when the agent restarts; what it holds stays good
//! meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use spiffe::X509Source;
use spiffe::x509_source::{X509SourceError, X509SourceUpdates};

use super::material::Keys;
use crate::config::SpiffeSocket;
use crate::net::PemError;

/// Why there is nothing from the agent, and will not be by waiting.
#[derive(Debug, thiserror::Error)]
#[error("the SPIFFE Workload API at {socket} cannot be used: {source}")]
pub struct WorkloadError {
    socket: String,
    source: X509SourceError,
}

/// Pauses between attempts to reach the agent.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// An agent that has given us an identity.
#[derive(Debug)]
pub struct Workload {
    source: X509Source,
    updates: X509SourceUpdates,
    socket: PathBuf,
}

impl Workload {
    /// Waits for an agent that listens and gives us an identity, however long that takes.
    pub async fn connect(socket: &SpiffeSocket) -> Result<Self, WorkloadError> {
        let builder = X509Source::builder().endpoint(socket.as_str());
        let source = builder.reconnect_backoff(PAUSES.0, PAUSES.1).build().await;
        let source = source.map_err(|source| WorkloadError { socket: socket.as_str().to_owned(), source })?;
        let updates = source.updated();
        Ok(Self { source, updates, socket: socket.as_str().into() })
    }

    /// What the agent said last.
    pub fn keys(&self) -> Result<Keys, PemError> {
        let unusable = |why: &dyn ToString| PemError::unusable(&self.socket, &why.to_string());
        let svid = self.source.svid().map_err(|e| unusable(&e))?;
        let domain = svid.spiffe_id().trust_domain();
        let bundle = self.source.try_bundle_for_trust_domain(domain);
        let bundle = bundle.ok_or_else(|| unusable(&"there is no bundle of its own trust domain"))?;
        let ders = |certificates: &[spiffe::cert::Certificate]| {
            certificates.iter().map(|one| CertificateDer::from(one.as_bytes().to_vec())).collect()
        };
        Ok(Keys {
            chain: ders(svid.cert_chain()),
            key: PrivatePkcs8KeyDer::from(svid.private_key().as_bytes().to_vec()).into(),
            roots: ders(bundle.authorities()),
            trust_domain: Some(domain.to_string()),
            chain_from: self.socket.clone(),
            roots_from: self.socket.clone(),
        })
    }

    /// Waits until the agent says something else.
    pub async fn changed(&mut self) {
        if self.updates.changed().await.is_err() {
            tracing::error!(
                "the SPIFFE Workload API is not listened to any more; the last certificate stays"
            );
            std::future::pending::<()>().await;
        }
    }
}
