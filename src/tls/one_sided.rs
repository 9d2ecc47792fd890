//! A server's side of TLS where the client shows nothing: for the cluster's API server, which has no certificate for
//! webhooks.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::material::not_after;
use crate::net::{PemError, read_certificates, read_private_key};

/// A server configuration, and how long its certificate lasts.
#[derive(Debug, Clone)]
pub struct OneSidedTls {
    /// What new connections are accepted with.
    pub config: Arc<ServerConfig>,
    /// When the certificate expires.
    pub not_after: SystemTime,
}

impl OneSidedTls {
    /// Of PEM files.
    pub fn load(certificate: &Path, private_key: &Path) -> Result<Self, PemError> {
        let unusable = |why: &dyn ToString| PemError::unusable(certificate, &why.to_string());
        let chain = read_certificates(certificate)?;
        Self::new(chain, read_private_key(private_key)?).map_err(|error| unusable(&error))
    }

    /// Of a chain, leaf first, and its private key.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let missing = || rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
        let not_after = chain.first().and_then(not_after).ok_or_else(missing)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), not_after })
    }
}
