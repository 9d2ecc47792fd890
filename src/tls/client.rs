//! The other side of mTLS, for programs of ours that are clients of a proxy: their certificate and whom they trust.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;

use super::material::not_after;
use crate::net::{PemError, crypto, read_certificates, read_private_key, read_roots};

/// Where a client's certificate comes from, all PEM.
#[derive(Debug, Clone)]
pub struct ClientFiles {
    /// The client's chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The roots that the proxy's certificate chains to. Nothing else is trusted, the system's roots neither.
    pub ca: PathBuf,
}

impl ClientFiles {
    /// All of them, to be watched.
    pub fn all(&self) -> Vec<PathBuf> {
        vec![self.certificate.clone(), self.private_key.clone(), self.ca.clone()]
    }
}

/// A client configuration, and how long its certificate lasts.
#[derive(Debug, Clone)]
pub struct ClientTls {
    /// What new connections are made with.
    pub config: Arc<ClientConfig>,
    /// When the client's certificate expires.
    pub not_after: SystemTime,
}

impl ClientTls {
    /// Reads and checks all files; nothing is half loaded.
    pub fn load(files: &ClientFiles) -> Result<Self, PemError> {
        let chain = read_certificates(&files.certificate)?;
        let key = read_private_key(&files.private_key)?;
        let unusable = |why: &dyn ToString| PemError::unusable(&files.certificate, &why.to_string());
        let not_after = not_after(&chain[0]).ok_or_else(|| unusable(&"no certificate"))?;
        let provider = crypto();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable(&e))?
            .with_root_certificates(read_roots(&files.ca)?)
            .with_client_auth_cert(chain, key)
            .map_err(|e| unusable(&format!("does not fit the private key: {e}")))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), not_after })
    }
}
