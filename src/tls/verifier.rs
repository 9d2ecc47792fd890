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
use super::material::not_after;
use super::tickets::note_good_until;

#[derive(Debug)]
pub(super) struct IdentityVerifier {
    first: Arc<dyn ClientCertVerifier>,
    /// With further sets of revocation lists.
    others: Vec<Arc<dyn ClientCertVerifier>>,
    /// Whose members alone are clients, where a Workload API names it.
    trust_domain: Option<String>,
}

impl IdentityVerifier {
    pub(super) fn new(
        first: Arc<dyn ClientCertVerifier>,
        others: Vec<Arc<dyn ClientCertVerifier>>,
        trust_domain: Option<String>,
    ) -> Self {
        Self { first, others, trust_domain }
    }

    /// By one of the sets of revocation lists. That it is revoked says most about why not.
    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut result = self.first.verify_client_cert(end_entity, intermediates, now);
        for other in &self.others {
            if !matches!(&result, Err(error) if *error != REVOKED) {
                break;
            }
            match other.verify_client_cert(end_entity, intermediates, now) {
                Err(error) if error != REVOKED => {}
                better => result = better,
            }
        }
        result
    }

    fn verify_leaf(&self, end_entity: &CertificateDer<'_>) -> Result<ClientLeaf, LeafError> {
        let leaf = ClientLeaf::parse(end_entity)?;
        let own = |domain: &String| leaf.identity.spiffe().is_some_and(|id| id.trust_domain() == domain);
        if self.trust_domain.as_ref().is_none_or(own) { Ok(leaf) } else { Err(LeafError::ForeignDomain) }
    }
}

const REVOKED: Error = Error::InvalidCertificate(CertificateError::Revoked);

impl ClientCertVerifier for IdentityVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.first.root_hint_subjects()
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
        let verified = self.verify_chain(end_entity, intermediates, now).map_err(|error| {
            match (&error, ClientLeaf::parse(end_entity)) {
                // webpki notices a CA too, in an error of its own that rustls has no name for.
                (Error::InvalidCertificate(CertificateError::Other(_)), Err(ours)) => leaf(ours),
                _ => error,
            }
        })?;
        let client = self.verify_leaf(end_entity).map_err(leaf)?;
        let until = intermediates.iter().filter_map(not_after).fold(client.not_after, std::cmp::min);
        note_good_until(until);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.first.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.first.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.first.supported_verify_schemes()
    }
}
