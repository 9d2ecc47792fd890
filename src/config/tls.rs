//! The `tls` section: the proxy's side of mTLS, read and shown.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::effective::{list, quoted};
use super::reader::Section;

/// The lowest TLS version that clients may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinTlsVersion {
    /// TLS 1.2, for clients that cannot do better.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// The proxy's side of mTLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Where its certificate and the roots of clients come from.
    pub material: Material,
    /// Files with revocation lists, PEM or DER; with any, every chain is checked.
    pub client_crl: Vec<PathBuf>,
    /// The lowest version accepted.
    pub min_version: MinTlsVersion,
}

/// Where the server's certificate and the roots of client certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// Files, all PEM.
    Files(Files),
    /// A SPIFFE Workload API at this socket.
    Spiffe(SpiffeSocket),
}

/// Files in place of a Workload API, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The roots that client certificates chain to.
    pub client_ca: PathBuf,
}

/// Where a Workload API listens (SPIFFE Workload Endpoint, section 4): `unix:` with an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpiffeSocket(String);

impl SpiffeSocket {
    /// As the SPIFFE standard writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SpiffeSocket {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:"));
        match path {
            Some(path) if path.starts_with('/') && path.len() > 1 => Ok(Self(text.to_owned())),
            _ => Err("the socket of the agent is written like unix:///run/spire/agent/api.sock"),
        }
    }
}

pub(super) fn read(section: &Section<'_>) -> Option<Tls> {
    let material = if section.has("spiffe") {
        spiffe(section).map(Material::Spiffe)
    } else {
        files(section).map(Material::Files)
    };
    let client_crl = section.one_or_more("client_crl").unwrap_or_default();
    let versions = [("1.3", MinTlsVersion::Tls13), ("1.2", MinTlsVersion::Tls12)];
    let min_version = section.one_of("min_version", &versions).unwrap_or(MinTlsVersion::Tls13);
    Some(Tls { material: material?, client_crl, min_version })
}

fn files(section: &Section<'_>) -> Option<Files> {
    let certificate = section.required("certificate", "a PEM file with the server's certificate chain");
    let private_key = section.required("private_key", "a PEM file with the server's private key");
    let client_ca = section.required("client_ca", "a PEM file with the roots of client certificates");
    Some(Files { certificate: certificate?, private_key: private_key?, client_ca: client_ca? })
}

fn spiffe(section: &Section<'_>) -> Option<SpiffeSocket> {
    for key in ["certificate", "private_key", "client_ca"] {
        let _: Option<Anything> = section.optional(key);
        if section.has(key) {
            section.problem(key, "leave it out together with 'spiffe', where it comes from");
        }
    }
    if !cfg!(feature = "spiffe") {
        section.problem("spiffe", "this proxy was built without the feature 'spiffe'");
    }
    let section = section.section("spiffe");
    section.required("socket", "the agent's socket, such as unix:///run/spire/agent/api.sock")
}

/// A value that is complained of whatever it says.
struct Anything;

impl FromStr for Anything {
    type Err = Infallible;

    fn from_str(_: &str) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tls:")?;
        match &self.material {
            Material::Files(files) => {
                writeln!(f, "  certificate: {}", quoted(files.certificate.display()))?;
                writeln!(f, "  private_key: {}", quoted(files.private_key.display()))?;
                writeln!(f, "  client_ca: {}", quoted(files.client_ca.display()))?;
            }
            Material::Spiffe(socket) => writeln!(f, "  spiffe: {{ socket: {} }}", quoted(socket.as_str()))?,
        }
        if !self.client_crl.is_empty() {
            let files: Vec<_> = self.client_crl.iter().map(|file| file.display()).collect();
            writeln!(f, "  client_crl: {}", list(&files))?;
        }
        let version = match self.min_version {
            MinTlsVersion::Tls12 => "1.2",
            MinTlsVersion::Tls13 => "1.3",
        };
        writeln!(f, "  min_version: {}", quoted(version))
    }
}
