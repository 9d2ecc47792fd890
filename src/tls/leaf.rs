//! A client's leaf certificate, read for what it says about its holder and for nothing else.
//!
//! The chain is rustls' business. Here are the rules that it does not know: SPIFFE X.509-SVID sections 2, 4 and 5
//! (one URI SAN, no CA, usable for digital signatures), and that a certificate has to be made for clients at all.

use std::time::{Duration, SystemTime};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_X509_EXT_BASIC_CONSTRAINTS;
use x509_parser::prelude::FromDer;

use crate::identity::{ClientIdentity, IdentityError};

/// What is known of a connected client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLeaf {
    /// Who it is.
    pub identity: ClientIdentity,
    /// Until when the certificate says so.
    pub not_after: SystemTime,
}

/// Why a leaf certificate is refused, although its chain may be good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// No X.509 certificate, or one with damaged or doubled extensions.
    #[error("the certificate cannot be read")]
    Damaged,
    /// A CA must not act as a client.
    #[error("the certificate is a CA's, not a client's")]
    Ca,
    /// Not made for clients.
    #[error("the certificate's extended key usage does not include client authentication")]
    NotForClients,
    /// Not made for signing handshakes.
    #[error("the certificate's key usage does not include digital signatures")]
    NotForSignatures,
    /// Made for signing certificates or revocation lists (X.509-SVID section 4.3).
    #[error("the certificate's key usage includes signing certificates or revocation lists")]
    ForAuthorities,
    /// The roots of a trust domain speak for its members alone (SPIFFE Trust Domain and Bundle, section 4).
    #[error("the certificate has no SPIFFE ID of the roots' trust domain")]
    ForeignDomain,
    /// Its names are no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl ClientLeaf {
    /// Reads a DER certificate.
    pub fn parse(der: &[u8]) -> Result<Self, LeafError> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| LeafError::Damaged)?;
        if !rest.is_empty() {
            return Err(LeafError::Damaged);
        }
        refuse_ca(&certificate)?;
        let usage = certificate.extended_key_usage().map_err(|_| LeafError::Damaged)?;
        if !usage.is_some_and(|usage| usage.value.client_auth) {
            return Err(LeafError::NotForClients);
        }
        let usage = certificate.key_usage().map_err(|_| LeafError::Damaged)?;
        if usage.as_ref().is_some_and(|usage| !usage.value.digital_signature()) {
            return Err(LeafError::NotForSignatures);
        }
        if usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign()) {
            return Err(LeafError::ForAuthorities);
        }
        let not_after = certificate.validity().not_after.timestamp();
        let not_after =
            SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(not_after).unwrap_or_default());
        Ok(Self { identity: identity(&certificate)?, not_after })
    }
}

fn refuse_ca(certificate: &X509Certificate<'_>) -> Result<(), LeafError> {
    let constraints = certificate.get_extension_unique(&OID_X509_EXT_BASIC_CONSTRAINTS);
    match constraints
        .map_err(|_| LeafError::Damaged)?
        .map(x509_parser::extensions::X509Extension::parsed_extension)
    {
        None => Ok(()),
        Some(ParsedExtension::BasicConstraints(constraints)) if !constraints.ca => Ok(()),
        Some(ParsedExtension::BasicConstraints(_)) => Err(LeafError::Ca),
        Some(_) => Err(LeafError::Damaged),
    }
}

fn identity(certificate: &X509Certificate<'_>) -> Result<ClientIdentity, LeafError> {
    let (mut uris, mut dns) = (Vec::new(), Vec::new());
    let names = certificate.subject_alternative_name().map_err(|_| LeafError::Damaged)?;
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::DNSName(name) => dns.push(*name),
            GeneralName::Invalid(..) => return Err(LeafError::Damaged),
            _ => {}
        }
    }
    let mut common_names = certificate.subject().iter_common_name();
    let common_name = match (common_names.next(), common_names.next()) {
        (Some(only), None) => only.as_str().ok(),
        // Two readers could pick different ones.
        _ => None,
    };
    Ok(ClientIdentity::new(&uris, &dns, common_name)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
        SanType,
    };

    fn leaf(change: impl FnOnce(&mut CertificateParams)) -> Result<ClientLeaf, LeafError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        ClientLeaf::parse(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(text.try_into().unwrap())
    }

    #[test]
    fn the_names_of_a_proper_leaf_are_read() {
        let read = leaf(|params| {
            params.subject_alt_names = vec![dns("a.b"), uri("spiffe://td/w")];
            params.distinguished_name.push(DnType::CommonName, "w");
        })
        .unwrap();
        assert_eq!(read.identity.to_string(), "spiffe://td/w");
        assert_eq!(read.identity.dns()[0].as_str(), "a.b");
        assert_eq!(read.identity.common_name(), Some("w"));
        assert!(read.not_after > SystemTime::now());
    }

    #[test]
    fn what_is_no_clients_certificate_is_refused() {
        let named = |params: &mut CertificateParams| params.subject_alt_names = vec![uri("spiffe://td/w")];
        assert!(leaf(named).is_ok());
        let refused = [
            (
                LeafError::Ca,
                leaf(|p| {
                    named(p);
                    p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                }),
            ),
            (
                LeafError::NotForClients,
                leaf(|p| {
                    named(p);
                    p.extended_key_usages.clear();
                }),
            ),
            (
                LeafError::NotForClients,
                leaf(|p| {
                    named(p);
                    p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                }),
            ),
            (
                LeafError::NotForSignatures,
                leaf(|p| {
                    named(p);
                    p.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
                }),
            ),
            (
                LeafError::ForAuthorities,
                leaf(|p| {
                    named(p);
                    p.key_usages.push(KeyUsagePurpose::CrlSign);
                }),
            ),
            (
                IdentityError::SeveralUris(2).into(),
                leaf(|p| p.subject_alt_names = vec![uri("spiffe://td/a"), uri("spiffe://td/b")]),
            ),
            (
                IdentityError::NotSpiffe("it does not start with spiffe://").into(),
                leaf(|p| p.subject_alt_names = vec![uri("https://x/")]),
            ),
            (IdentityError::Nobody.into(), leaf(|_| {})),
            (LeafError::Damaged, ClientLeaf::parse(b"no certificate")),
        ];
        for (expected, got) in refused {
            assert_eq!(got.unwrap_err(), expected);
        }
    }
}
