//! From an accepted socket to an identified client, or to the cause why not.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::leaf::{ClientLeaf, LeafError};
use super::tickets::within_handshake;
use crate::s3::{ErrorCode, Refusal};

/// A client that is known.
#[derive(Debug)]
pub struct Established {
    /// The encrypted stream. On the heap: a future has room for every place that something moves through.
    pub stream: Box<TlsStream<TcpStream>>,
    /// Who is at the other end.
    pub client: ClientLeaf,
    /// Its certificates as it showed them, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether HTTP/2 was agreed on.
    pub http2: bool,
    /// Whether a ticket stood for the certificates, which were verified when it was given.
    pub resumed: bool,
}

/// Why a connection did not come about, as a metric label and a log field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HandshakeError {
    /// Plain HTTP, or anything else that is not TLS.
    #[error("plaintext")]
    Plaintext,
    /// Not finished in time.
    #[error("timeout")]
    Timeout,
    /// Not finished when others needed the room.
    #[error("crowded_out")]
    CrowdedOut,
    /// The client went away.
    #[error("closed")]
    Closed,
    /// No client certificate.
    #[error("no_certificate")]
    NoCertificate,
    /// From a CA that is not ours.
    #[error("unknown_ca")]
    UnknownCa,
    /// Out of date.
    #[error("expired")]
    Expired,
    /// On a revocation list.
    #[error("revoked")]
    Revoked,
    /// The revocation list itself is out of date or does not cover the issuer.
    #[error("revocation_unknown")]
    RevocationUnknown,
    /// A CA's, or not made for clients.
    #[error("wrong_usage")]
    WrongUsage,
    /// Names nobody, or more than one.
    #[error("bad_identity")]
    BadIdentity,
    /// Otherwise damaged.
    #[error("bad_certificate")]
    BadCertificate,
    /// The client does not trust our certificate.
    #[error("server_not_trusted")]
    ServerNotTrusted,
    /// No common version or cipher, or broken TLS.
    #[error("protocol")]
    Protocol,
}

/// Does the handshake within `timeout`.
pub async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    timeout: Duration,
) -> Result<Established, HandshakeError> {
    match tokio::time::timeout(timeout, within_handshake(handshake(stream, config))).await {
        Ok(result) => result,
        Err(_) => Err(HandshakeError::Timeout),
    }
}

/// TLS records start with their type, and a client's first is a handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 22;

async fn handshake(stream: TcpStream, config: Arc<ServerConfig>) -> Result<Established, HandshakeError> {
    let mut first = [0];
    if stream.peek(&mut first).await.map_err(|_| HandshakeError::Closed)? == 0 {
        return Err(HandshakeError::Closed);
    }
    if first[0] != TLS_HANDSHAKE {
        refuse_plaintext(stream).await;
        return Err(HandshakeError::Plaintext);
    }
    let stream = match TlsAcceptor::from(config).accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((error, stream)) => {
            linger(stream).await;
            return Err(cause(&error));
        }
    };
    let (_, session) = stream.get_ref();
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    let http2 = session.alpn_protocol() == Some(b"h2");
    let chain: Vec<_> = session
        .peer_certificates()
        .unwrap_or_default()
        .iter()
        .cloned()
        .map(CertificateDer::into_owned)
        .collect();
    let leaf = chain.first().ok_or(HandshakeError::NoCertificate)?;
    let client = ClientLeaf::parse(leaf).map_err(|error| leaf_cause(&error))?;
    Ok(Established { stream: Box::new(stream), client, chain, http2, resumed })
}

/// Answers plain HTTP in its own terms, so that whoever forgot the `s` is told so.
async fn refuse_plaintext(mut stream: TcpStream) {
    let message = "This port speaks TLS only, and clients present a certificate. Use https://.";
    let body = Refusal::new(ErrorCode::InvalidRequest, message).to_xml("/", "-");
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // A client that has gone needs no answer.
    let _ = stream.write_all(answer.as_bytes()).await;
    linger(stream).await;
}

/// Closes so that the client gets our last words: closing with unread bytes would reset the connection under an
/// answer, or under the alert that says which certificate was missing.
async fn linger(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut rest = stream.take(64 * 1024);
    let _ = tokio::time::timeout(Duration::from_secs(1), tokio::io::copy(&mut rest, &mut tokio::io::sink()))
        .await;
}

fn cause(error: &io::Error) -> HandshakeError {
    use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        None => HandshakeError::Closed,
        Some(NoCertificatesPresented) => HandshakeError::NoCertificate,
        Some(InvalidCertificate(error)) => certificate_cause(error),
        Some(AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired,
        )) => HandshakeError::ServerNotTrusted,
        Some(_) => HandshakeError::Protocol,
    }
}

fn certificate_cause(error: &CertificateError) -> HandshakeError {
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => HandshakeError::Expired,
        CertificateError::Revoked => HandshakeError::Revoked,
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => HandshakeError::RevocationUnknown,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => HandshakeError::UnknownCa,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            HandshakeError::WrongUsage
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<LeafError>() {
            Some(error) => leaf_cause(error),
            None => HandshakeError::BadCertificate,
        },
        _ => HandshakeError::BadCertificate,
    }
}

fn leaf_cause(error: &LeafError) -> HandshakeError {
    match error {
        LeafError::Damaged => HandshakeError::BadCertificate,
        LeafError::Ca
        | LeafError::NotForClients
        | LeafError::NotForSignatures
        | LeafError::ForAuthorities => HandshakeError::WrongUsage,
        LeafError::ForeignDomain | LeafError::Identity(_) => HandshakeError::BadIdentity,
    }
}
