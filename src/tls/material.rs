//! Certificates, keys, roots and revocation lists, wherever they come from, to a rustls configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::revocation::RevocationLists;
use super::tickets::{Tickets, TrustDigest};
use super::verifier::IdentityVerifier;
use crate::config::{Files, Material, MinTlsVersion, Tls};
use crate::net::{PemError, crypto, read_certificates, read_private_key, roots_of};

/// What the proxy shows to clients, and whom it asks about theirs.
#[derive(Debug)]
pub struct Keys {
    /// The server's chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
    /// The roots of client certificates.
    pub roots: Vec<CertificateDer<'static>>,
    /// The only SPIFFE trust domain that clients may be of; `None` for any, and for other names too.
    pub trust_domain: Option<String>,
    /// Where the chain and the key are from, for messages.
    pub chain_from: PathBuf,
    /// Where the roots are from.
    pub roots_from: PathBuf,
}

impl Keys {
    /// Reads the files; nothing is half loaded.
    pub fn read(files: &Files) -> Result<Self, PemError> {
        Ok(Self {
            chain: read_certificates(&files.certificate)?,
            key: read_private_key(&files.private_key)?,
            roots: read_certificates(&files.client_ca)?,
            trust_domain: None,
            chain_from: files.certificate.clone(),
            roots_from: files.client_ca.clone(),
        })
    }
}

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
    tickets: Arc<Tickets>,
}

impl ServerTls {
    /// Checks all of it, with the revocation lists that the configuration names. Sessions of `before` can be resumed
    /// if roots, lists and the server's certificates are the same.
    pub fn new(tls: &Tls, keys: Keys, before: Option<&Self>) -> Result<Self, PemError> {
        let Keys { chain, key, roots, trust_domain, chain_from, roots_from } = keys;
        let lists = RevocationLists::read(&tls.client_crl)?;
        let provider = crypto();
        let trust = trust_digest(&roots, &lists, &chain, trust_domain.as_deref());
        let roots = Arc::new(roots_of(&roots_from, roots)?);
        let judge = Judge { roots, provider: provider.clone() };
        let verifier = judge.of_clients(&lists, trust_domain, &roots_from)?;
        let lists_until = lists.until();
        let unusable = |why: &dyn ToString| PemError::unusable(&chain_from, &why.to_string());
        let leaf = chain.first().ok_or_else(|| unusable(&"no certificate"))?;
        let not_after = not_after(leaf).ok_or_else(|| unusable(&"the certificate cannot be read"))?;
        let tickets = match before.filter(|before| before.tickets.are_for(&trust)) {
            Some(before) => before.tickets.clone(),
            None => Arc::new(Tickets::new(trust, lists_until).map_err(|e| unusable(&e))?),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(tls.min_version))
            .map_err(|e| unusable(&e))?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain, key)
            .map_err(|e| unusable(&format!("does not fit the private key: {e}")))?;
        config.ignore_client_order = true;
        // The client keeps its session, sealed; nothing is kept here for clients that may never come back.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = tickets.clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), not_after, lists_until, verifier, tickets })
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
        let mut files = match &tls.material {
            Material::Files(Files { certificate, private_key, client_ca }) => {
                vec![certificate.clone(), private_key.clone(), client_ca.clone()]
            }
            Material::Spiffe(_) => Vec::new(),
        };
        files.extend(tls.client_crl.clone());
        files
    }
}

/// Who judges clients.
struct Judge {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl Judge {
    fn of_clients(
        &self,
        lists: &RevocationLists,
        trust_domain: Option<String>,
        roots_from: &Path,
    ) -> Result<Arc<dyn ClientCertVerifier>, PemError> {
        let mut sets = lists.sets();
        let first = if sets.is_empty() { Vec::new() } else { sets.remove(0) };
        let first = self.by(first).map_err(|error| self.at_fault(lists, roots_from, &error))?;
        let others: Result<Vec<_>, _> = sets.into_iter().map(|set| self.by(set)).collect();
        let others = others.map_err(|error| self.at_fault(lists, roots_from, &error))?;
        Ok(Arc::new(IdentityVerifier::new(first, others, trust_domain)))
    }

    /// With lists, every certificate of a chain has to be spoken of by a list of its issuer, and a list that has
    /// expired says nothing about today.
    fn by(
        &self,
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
        WebPkiClientVerifier::builder_with_provider(self.roots.clone(), self.provider.clone())
            .with_crls(lists)
            .enforce_revocation_expiration()
            .build()
    }

    /// Names the file whose list is refused by itself, else that of the roots.
    fn at_fault(&self, lists: &RevocationLists, roots_from: &Path, error: &VerifierBuilderError) -> PemError {
        let mut alone = lists.with_files();
        let bad = alone.find_map(|(file, list)| self.by(vec![list]).err().map(|error| (file, error)));
        match bad {
            Some((file, error)) if !self.roots.is_empty() => PemError::unusable(file, &error),
            _ => PemError::unusable(roots_from, error),
        }
    }
}

/// Of all that a handshake is judged by, so that a change of any of it is seen.
fn trust_digest(
    roots: &[CertificateDer<'_>],
    lists: &RevocationLists,
    chain: &[CertificateDer<'_>],
    trust_domain: Option<&str>,
) -> TrustDigest {
    let mut digest = Sha256::new();
    for root in roots {
        digest.update(Sha256::digest(root));
    }
    digest.update(b"lists");
    for list in lists.ders() {
        digest.update(Sha256::digest(list));
    }
    digest.update(b"chain");
    for certificate in chain {
        digest.update(Sha256::digest(certificate));
    }
    digest.update(b"domain");
    digest.update(Sha256::digest(trust_domain.unwrap_or_default()));
    digest.finalize().into()
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

pub(super) fn system_time(time: ASN1Time) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.timestamp()).ok()?))
}
