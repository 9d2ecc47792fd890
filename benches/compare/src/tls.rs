//! rustls for both sides, with what [`crate::certificates`] wrote.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

fn roots(folder: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.crt"))?)?;
    Ok(roots)
}

fn pair(folder: &Path, name: &str) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.crt")))?];
    Ok((chain, PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key")))?))
}

/// A server's configuration; `mutual` asks clients for certificates.
pub(crate) fn server(folder: &Path, mutual: bool) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (chain, key) = pair(folder, "server")?;
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = if mutual {
        let roots = Arc::new(roots(folder)?);
        builder
            .with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(roots, provider).build()?)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The client configuration of a relay, without a certificate.
pub(crate) fn relay(folder: &Path) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots(folder)?).with_no_client_auth())
}

/// How a client connects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) resume: bool,
    pub(crate) http2: bool,
}

/// The configuration of client `number`.
pub(crate) fn client(folder: &Path, number: usize, manner: Manner) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (chain, key) = pair(folder, &format!("client-{number}"))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(folder)?)
        .with_client_auth_cert(chain, key)?;
    if !manner.resume {
        config.resumption = Resumption::disabled();
    }
    config.alpn_protocols = vec![if manner.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(Arc::new(config))
}
