//! Development certificates made in memory, so that the quickstart needs no openssl. `certs-dev/generate.sh` makes
//! the same set with openssl, for use outside of Rust.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

/// Long enough for an afternoon, too short to be kept.
const LIFETIME: Duration = Duration::days(7);

/// Writes `ca.crt`, `server.crt`, `server.key`, and for each client `NAME.crt`, `NAME.key` and `NAME.pem` (both in one).
pub(crate) fn write(folder: &Path, clients: &[(&str, &str)]) -> io::Result<()> {
    let make = || -> Result<Vec<(String, String, bool)>, rcgen::Error> {
        let (ca, issuer) = authority()?;
        let mut files = vec![("ca.crt".to_owned(), ca.pem(), false)];
        let server =
            [san_dns("localhost")?, san_dns("*.s3.internal")?, SanType::IpAddress([127, 0, 0, 1].into())];
        let (certificate, key) = issue(&issuer, server.to_vec(), ExtendedKeyUsagePurpose::ServerAuth)?;
        files.push(("server.crt".to_owned(), certificate, false));
        files.push(("server.key".to_owned(), key, true));
        for (name, spiffe_id) in clients {
            let names = vec![SanType::URI((*spiffe_id).try_into()?)];
            let (certificate, key) = issue(&issuer, names, ExtendedKeyUsagePurpose::ClientAuth)?;
            files.push((format!("{name}.pem"), format!("{certificate}{key}"), true));
            files.push((format!("{name}.crt"), certificate, false));
            files.push((format!("{name}.key"), key, true));
        }
        Ok(files)
    };
    std::fs::create_dir_all(folder)?;
    for (name, text, secret) in make().map_err(io::Error::other)? {
        let mode = if secret { 0o600 } else { 0o644 };
        let path = folder.join(name);
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
    }
    Ok(())
}

fn authority() -> Result<(Certificate, Issuer<'static, KeyPair>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = dated(CertificateParams::default());
    params.distinguished_name.push(DnType::CommonName, "s3-access-proxy development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    Ok((certificate, Issuer::new(params, key)))
}

fn issue(
    issuer: &Issuer<'_, KeyPair>,
    names: Vec<SanType>,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = dated(CertificateParams::default());
    params.subject_alt_names = names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

fn dated(mut params: CertificateParams) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + LIFETIME;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn san_dns(name: &str) -> Result<SanType, rcgen::Error> {
    Ok(SanType::DnsName(name.try_into()?))
}
