//! rustls' verification of a client's chain, and ours of its leaf, both before the handshake ends: a certificate
//! that names nobody gets an alert, not a connection.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use super::leaf::{ClientLeaf, LeafError};

#[derive(Debug)]
pub(super) struct IdentityVerifier {
    chain: Arc<dyn ClientCertVerifier>,
}

impl IdentityVerifier {
    pub(super) fn new(chain: Arc<dyn ClientCertVerifier>) -> Self {
        Self { chain }
    }
}

impl ClientCertVerifier for IdentityVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let leaf = |error: LeafError| {
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
        };
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now).map_err(|error| {
            match (&error, ClientLeaf::parse(end_entity)) {
                // webpki notices a CA too, in an error of its own that rustls has no name for.
                (Error::InvalidCertificate(CertificateError::Other(_)), Err(ours)) => leaf(ours),
                _ => error,
            }
        })?;
        ClientLeaf::parse(end_entity).map_err(leaf)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
