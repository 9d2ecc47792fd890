//! PEM files: certificates, keys, trust roots, revocation lists; the last in DER too, as authorities publish them
//! (RFC 5280 section 4.2.1.13).
//!
//! Read by `rustls-pki-types`: `rustls-pemfile` was archived in its favour (RUSTSEC-2025-0134).

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// A file that does not hold what it should. Names the file, never its contents.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
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

impl PemError {
    /// A file whose contents rustls refuses.
    pub fn unusable(file: &Path, why: &impl ToString) -> Self {
        Self::Unusable { file: file.to_owned(), why: why.to_string() }
    }

    fn pem(file: &Path, source: pem::Error) -> Self {
        Self::Pem { file: file.to_owned(), source }
    }
}

/// Reads trust roots, of which there may be several.
pub fn read_roots(file: &Path) -> Result<RootCertStore, PemError> {
    roots_of(file, read_certificates(file)?)
}

/// Trust roots that were read from a file, or came from elsewhere in its place.
pub fn roots_of(file: &Path, certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|e| PemError::unusable(file, &e))?;
    }
    Ok(roots)
}

/// Reads at least one certificate.
pub fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    read_all(file, "certificate")
}

/// Reads at least one revocation list: any number in PEM, or one in DER.
pub fn read_revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, PemError> {
    let contents = std::fs::read(file).map_err(|e| PemError::pem(file, pem::Error::Io(e)))?;
    if contents.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![contents.into()]);
    }
    all_of(file, &contents, "revocation list")
}

/// The tag that every certificate and list in DER starts with; no PEM text does, which is ASCII at least up to its
/// first line of dashes.
const DER_SEQUENCE: u8 = 0x30;

/// Reads a private key.
pub fn read_private_key(file: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(file).map_err(|e| PemError::pem(file, e))
}

fn read_all<T: PemObject>(file: &Path, what: &'static str) -> Result<Vec<T>, PemError> {
    let contents = std::fs::read(file).map_err(|e| PemError::pem(file, pem::Error::Io(e)))?;
    all_of(file, &contents, what)
}

fn all_of<T: PemObject>(file: &Path, contents: &[u8], what: &'static str) -> Result<Vec<T>, PemError> {
    let all = T::pem_slice_iter(contents).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|e| PemError::pem(file, e))?;
    if all.is_empty() { Err(PemError::Empty { file: file.to_owned(), what }) } else { Ok(all) }
}
