//! Revocation lists, from files to the lists that are asked.
//!
//! webpki asks the first list that bears the name of a certificate's issuer, and no other. So of an issuer's lists only
//! the latest is kept; and where authorities of one name have keys of their own, as after the renewal of a root, their
//! lists go into different sets, and a chain is good if one set vouches for all of it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::pki_types::CertificateRevocationListDer;
use x509_parser::extensions::ParsedExtension;
use x509_parser::num_bigint::BigUint;
use x509_parser::oid_registry::{
    OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_ISSUER_DISTRIBUTION_POINT,
};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::material::system_time;
use crate::net::{PemError, read_revocation_lists};

/// A list, with what decides whether it is asked.
#[derive(Debug, Clone)]
struct List {
    der: CertificateRevocationListDer<'static>,
    file: PathBuf,
    /// Issuer and distribution point: for what webpki takes one list.
    speaks_for: (Vec<u8>, Option<Vec<u8>>),
    /// The issuer's key, where the list names it.
    key: Option<Vec<u8>>,
    /// When, and with what number: two may be of the same second.
    issued: (i64, Option<BigUint>),
    until: Option<SystemTime>,
}

/// The lists in force.
#[derive(Debug, Default)]
pub(super) struct RevocationLists(Vec<List>);

impl RevocationLists {
    /// Reads every list of every file.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, PemError> {
        let mut lists = Vec::new();
        for file in files {
            for der in read_revocation_lists(file)? {
                lists.push(List::parse(file, der).map_err(|why| PemError::unusable(file, &why))?);
            }
        }
        Ok(Self(latest(lists)))
    }

    /// When the first of them expires, and with it the trust in whoever it speaks of.
    pub(super) fn until(&self) -> Option<SystemTime> {
        self.0.iter().filter_map(|list| list.until).min()
    }

    /// All of them, for a digest.
    pub(super) fn ders(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|list| list.der.as_ref())
    }

    /// Each with its file, to find out which is at fault.
    pub(super) fn with_files(&self) -> impl Iterator<Item = (&Path, CertificateRevocationListDer<'static>)> {
        self.0.iter().map(|list| (list.file.as_path(), list.der.clone()))
    }

    /// As many sets as there are keys behind one name, mostly one; in none do two lists speak for the same.
    pub(super) fn sets(&self) -> Vec<Vec<CertificateRevocationListDer<'static>>> {
        let rank =
            |at: usize| self.0[..at].iter().filter(|other| other.speaks_for == self.0[at].speaks_for).count();
        let ranks: Vec<usize> = (0..self.0.len()).map(rank).collect();
        let sets = ranks.iter().max().map_or(0, |most| most + 1);
        let of = |set| {
            // A list of which there is no second one is in every set.
            let belongs = |at: &usize| {
                let only = |list: &List| list.speaks_for == self.0[*at].speaks_for;
                ranks[*at] == set || self.0.iter().filter(|list| only(list)).count() == 1
            };
            (0..self.0.len()).filter(belongs).map(|at| self.0[at].der.clone()).collect()
        };
        (0..sets).map(of).collect()
    }
}

impl List {
    fn parse(file: &Path, der: CertificateRevocationListDer<'static>) -> Result<Self, &'static str> {
        let (rest, list) = CertificateRevocationList::from_der(&der)
            .map_err(|_| "a revocation list in it cannot be read")?;
        if !rest.is_empty() {
            return Err("there is something behind a revocation list");
        }
        let extension = |oid| list.extensions().iter().find(move |extension| extension.oid == oid);
        let key = extension(OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER).and_then(|found| {
            match found.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.as_ref(),
                _ => None,
            }
        });
        let point = extension(OID_X509_EXT_ISSUER_DISTRIBUTION_POINT).map(|found| found.value.to_vec());
        let speaks_for = (list.issuer().as_raw().to_vec(), point);
        let key = key.map(|key| key.0.to_vec());
        let issued = (list.last_update().timestamp(), list.crl_number().cloned());
        let until = list.next_update().and_then(system_time);
        Ok(Self { speaks_for, key, issued, until, file: file.to_owned(), der })
    }

    /// Whether the two may be of one key: where a list does not say whose it is, it may be anybody's.
    fn may_replace(&self, older: &Self) -> bool {
        let one_key = self.key.is_none() || older.key.is_none() || self.key == older.key;
        self.speaks_for == older.speaks_for && one_key
    }
}

/// Without those that a later one replaces: what they do not say yet would pass for an all-clear.
fn latest(mut lists: Vec<List>) -> Vec<List> {
    lists.sort_by(|one, other| other.issued.cmp(&one.issued));
    let mut kept: Vec<List> = Vec::new();
    for list in lists {
        if !kept.iter().any(|newer| newer.may_replace(&list)) {
            kept.push(list);
        }
    }
    kept
}
