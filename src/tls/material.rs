//! Certificates, keys, roots and revocation lists, from files to a rustls configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::verifier::IdentityVerifier;
use crate::config::{MinTlsVersion, Tls};
use crate::net::{PemError, read_certificates, read_private_key, read_revocation_lists, read_roots};

/// A server configuration, the judge of clients in it, and how long its own certificate lasts.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// What new connections are accepted with.
    pub config: Arc<ServerConfig>,
    /// When the server's own certificate expires.
    pub not_after: SystemTime,
    /// When the first of the revocation lists expires, and with it the trust in whoever it speaks of.
    pub lists_until: Option<SystemTime>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ServerTls {
    /// Reads and checks all files; nothing is half loaded.
    pub fn load(tls: &Tls) -> Result<Self, PemError> {
        let chain = read_certificates(&tls.certificate)?;
        let key = read_private_key(&tls.private_key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Arc::new(read_roots(&tls.client_ca)?);
        let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let mut lists_until = None;
        if let Some(file) = &tls.client_crl {
            let lists = read_revocation_lists(file)?;
            lists_until = lists.iter().filter_map(next_update).min();
            // A list that has expired says nothing about today: its issuer's certificates are refused.
            verifier = verifier.with_crls(lists).enforce_revocation_expiration();
        }
        let ca = tls.client_crl.as_ref().unwrap_or(&tls.client_ca);
        let verifier = verifier.build().map_err(|e| PemError::unusable(ca, &e))?;
        let verifier: Arc<dyn ClientCertVerifier> = Arc::new(IdentityVerifier::new(verifier));
        let unusable = |why: &dyn ToString| PemError::unusable(&tls.certificate, &why.to_string());
        let not_after = not_after(&chain[0]).ok_or_else(|| unusable(&"no certificate"))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(tls.min_version))
            .map_err(|e| unusable(&e))?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain, key)
            .map_err(|e| unusable(&format!("does not fit the private key: {e}")))?;
        // A resumed session would not be verified again: neither against a revocation list that has expired since, nor
        // against an intermediate's date. A handshake costs less than a doubt.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), not_after, lists_until, verifier })
    }

    /// Whether a client that connected earlier would still be let in.
    pub fn still_trusts(&self, chain: &[CertificateDer<'_>]) -> bool {
        let verified = chain.split_first().map(|(leaf, intermediates)| {
            self.verifier.verify_client_cert(leaf, intermediates, UnixTime::now())
        });
        verified.is_some_and(|result| result.is_ok())
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

pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    system_time(certificate.validity().not_after)
}

fn next_update(list: &CertificateRevocationListDer<'_>) -> Option<SystemTime> {
    let (_, list) = CertificateRevocationList::from_der(list).ok()?;
    list.next_update().and_then(system_time)
}

fn system_time(time: ASN1Time) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).ok()?))
}
