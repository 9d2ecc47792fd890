//! Certificates, keys, roots and revocation lists, from PEM files to a rustls configuration.
//!
//! PEM is read by `rustls-pki-types`: `rustls-pemfile` was archived in its favour (RUSTSEC-2025-0134).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::verifier::IdentityVerifier;
use crate::config::{MinTlsVersion, Tls};

/// Files that do not make a working server. Names the file, never its contents.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// Not there, or not PEM.
    #[error("{file}: cannot be read as PEM: {source}")]
    Pem {
        /// The file.
        file: PathBuf,
        /// What the parser says.
        source: pem::Error,
    },
    /// PEM, but without what is needed.
    #[error("{file}: there is no {what} in it")]
    Empty {
        /// The file.
        file: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// What rustls refuses: a key that does not belong to the certificate, an unusable root.
    #[error("{file}: {why}")]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

/// A server configuration and how long its certificate lasts.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// What new connections are accepted with.
    pub config: Arc<ServerConfig>,
    /// When the server's own certificate expires.
    pub not_after: SystemTime,
}

impl ServerTls {
    /// Reads and checks all files; nothing is half loaded.
    pub fn load(tls: &Tls) -> Result<Self, MaterialError> {
        let chain = certificates(&tls.certificate)?;
        let key =
            PrivateKeyDer::from_pem_file(&tls.private_key).map_err(|e| pem_error(&tls.private_key, e))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Arc::new(read_roots(&tls.client_ca)?);
        let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        if let Some(file) = &tls.client_crl {
            // A list that has expired says nothing about today: its issuer's certificates are refused.
            verifier = verifier.with_crls(revocation_lists(file)?).enforce_revocation_expiration();
        }
        let ca = || tls.client_crl.clone().unwrap_or_else(|| tls.client_ca.clone());
        let verifier = verifier.build().map_err(|e| unusable(ca(), &e))?;
        let not_after =
            not_after(&chain[0]).ok_or_else(|| unusable(tls.certificate.clone(), &"no certificate"))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(tls.min_version))
            .map_err(|e| unusable(tls.certificate.clone(), &e))?
            .with_client_cert_verifier(Arc::new(IdentityVerifier::new(verifier)))
            .with_single_cert(chain, key)
            .map_err(|e| unusable(tls.certificate.clone(), &format!("does not fit the private key: {e}")))?;
        // A resumed session would not be verified again: neither against a revocation list that has expired since, nor
        // against an intermediate's date. A handshake costs less than a doubt.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), not_after })
    }

    /// Every file that the configuration depends on.
    pub fn files(tls: &Tls) -> Vec<PathBuf> {
        let mut files = vec![tls.certificate.clone(), tls.private_key.clone(), tls.client_ca.clone()];
        files.extend(tls.client_crl.clone());
        files
    }
}

static TLS13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
static TLS13_AND_12: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

fn versions(lowest: MinTlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match lowest {
        MinTlsVersion::Tls12 => &TLS13_AND_12,
        MinTlsVersion::Tls13 => &TLS13,
    }
}

/// Reads trust roots, of which there may be several.
pub fn read_roots(file: &Path) -> Result<RootCertStore, MaterialError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|e| unusable(file.to_owned(), &e))?;
    }
    Ok(roots)
}

/// At least one certificate.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| pem_error(file, e))?;
    if certificates.is_empty() {
        return Err(MaterialError::Empty { file: file.to_owned(), what: "certificate" });
    }
    Ok(certificates)
}

fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, MaterialError> {
    let lists = CertificateRevocationListDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| pem_error(file, e))?;
    if lists.is_empty() {
        return Err(MaterialError::Empty { file: file.to_owned(), what: "revocation list" });
    }
    Ok(lists)
}

fn not_after(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn pem_error(file: &Path, source: pem::Error) -> MaterialError {
    MaterialError::Pem { file: file.to_owned(), source }
}

fn unusable(file: PathBuf, why: &impl ToString) -> MaterialError {
    MaterialError::Unusable { file, why: why.to_string() }
}
