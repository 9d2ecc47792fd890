//! The cryptography of every TLS connection, to clients and to S3.

use std::sync::Arc;

use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;

/// What rustls offers, with AES-128-GCM before AES-256-GCM: as strong as the curves around it, and its hashes and rounds
/// cost a third less, on each handshake and each byte. Whoever insists on the other gets the other.
pub fn crypto() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !is_first(suite.suite()));
    Arc::new(provider)
}

fn is_first(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}
