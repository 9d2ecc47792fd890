//! The webhook's own certificate authority: made once, shared by all replicas in a Secret, followed by another before it
//! ends. No IO and no clock here.
//!
//! Roots of the past stay in the bundle until they expire, so that at no moment a replica shows a certificate that the
//! API server does not trust.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// How long an authority lasts; it is followed when a third of that is left.
const AUTHORITY: Duration = Duration::days(365);
/// How long a certificate lasts; it is followed when a third of that is left.
const LEAF: Duration = Duration::days(7);
/// Clocks of nodes differ.
const BEFORE: Duration = Duration::minutes(10);

/// Keys of the Secret.
const CERTIFICATES: &str = "ca.crt";
const KEY: &str = "ca.key";

/// What the Secret holds is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Made, but not in a way that the library takes.
    #[error("a certificate cannot be made: {0}")]
    Unmade(#[from] rcgen::Error),
    /// Not what was written.
    #[error("{0} is missing or damaged")]
    Damaged(&'static str),
}

/// The newest authority, and the certificates of those before it.
pub struct Authority {
    /// PEM, the newest first.
    certificates: Vec<String>,
    key: String,
    not_after: OffsetDateTime,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// A certificate for the server.
pub struct Leaf {
    /// Leaf and authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
    /// When it expires.
    pub not_after: OffsetDateTime,
    /// The authority's certificate, PEM.
    issuer: String,
}

impl Authority {
    /// A first one.
    pub fn new(now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let name = format!("s3-access-proxy webhook {}", now.unix_timestamp());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        (params.not_before, params.not_after) = (now - BEFORE, now + AUTHORITY);
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificates: vec![certificate], key: key.serialize_pem(), not_after: now + AUTHORITY })
    }

    /// Another one, beside the certificates of this one and of those before it that are still in date.
    pub fn follow(&self, now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let mut next = Self::new(now)?;
        let in_date = |pem: &&String| expiry(pem).is_some_and(|at| at > now);
        next.certificates.extend(self.certificates.iter().filter(in_date).cloned());
        Ok(next)
    }

    /// Of a Secret's `data`; `None` while nothing is in it.
    pub fn read(data: Option<&Value>) -> Result<Option<Self>, AuthorityError> {
        let Some(data) = data.and_then(Value::as_object).filter(|data| data.contains_key(CERTIFICATES))
        else {
            return Ok(None);
        };
        let text = |name: &'static str| {
            let decoded = data.get(name).and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
            decoded.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(AuthorityError::Damaged(name))
        };
        let (certificates, key) = (split(&text(CERTIFICATES)?), text(KEY)?);
        let not_after = certificates.first().and_then(|pem| expiry(pem));
        let not_after = not_after.ok_or(AuthorityError::Damaged(CERTIFICATES))?;
        let authority = Self { certificates, key, not_after };
        authority.issuer()?;
        Ok(Some(authority))
    }

    /// For a Secret's `data`.
    pub fn write(&self) -> Value {
        let data = BTreeMap::from([(CERTIFICATES, self.bundle()), (KEY, self.key.clone())]);
        let encode = |(name, text): (&str, String)| (name.to_owned(), Value::from(STANDARD.encode(text)));
        Value::Object(data.into_iter().map(encode).collect::<Map<_, _>>())
    }

    /// What the API server has to trust, PEM.
    pub fn bundle(&self) -> String {
        self.certificates.concat()
    }

    /// Whether it is time for another.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.not_after - now < AUTHORITY / 3
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
        let key = KeyPair::from_pem(&self.key).map_err(|_| AuthorityError::Damaged(KEY))?;
        Issuer::from_ca_cert_pem(&self.certificates[0], key)
            .map_err(|_| AuthorityError::Damaged(CERTIFICATES))
    }

    /// A certificate for these names.
    pub fn issue(&self, names: &[String], now: OffsetDateTime) -> Result<Leaf, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from(rand::random::<u64>() >> 1));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let not_after = (now + LEAF).min(self.not_after);
        (params.not_before, params.not_after) = (now - BEFORE, not_after);
        let certificate = params.signed_by(&key, &self.issuer()?)?;
        let key =
            PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| AuthorityError::Damaged("a new key"))?;
        Ok(Leaf {
            chain: vec![certificate.der().clone()],
            key,
            not_after,
            issuer: self.certificates[0].clone(),
        })
    }

    /// Whether a certificate may go on being shown: from the newest authority, and not near its end.
    pub fn still_stands_by(&self, leaf: &Leaf, now: OffsetDateTime) -> bool {
        leaf.issuer == self.certificates[0] && leaf.not_after - now > LEAF / 3
    }
}

impl Leaf {
    /// Whether it is in date at all.
    pub fn is_in_date(&self, now: OffsetDateTime) -> bool {
        self.not_after > now
    }
}

fn split(bundle: &str) -> Vec<String> {
    bundle
        .split_inclusive("-----END CERTIFICATE-----")
        .map(str::trim)
        .filter(|pem| !pem.is_empty())
        .map(|pem| format!("{pem}\n"))
        .collect()
}

fn expiry(pem: &str) -> Option<OffsetDateTime> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()
}
