//! The signature of a request, and of the chunks that continue it.
//!
//! S3 differs from other services: the path is encoded once and never normalized, and `x-amz-content-sha256` is
//! part of what is signed. Signed are `host`, `content-md5` and every `x-amz-*` header, nothing that an
//! intermediary may rewrite.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};

use super::canonical::{Canonical, sha256};
use super::payload::PayloadMode;
use super::pen::{Pen, Pens};

const SERVICE: &str = "s3";

static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
static DATE: HeaderName = HeaderName::from_static("x-amz-date");
static SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// A request that could not be signed. Says nothing of the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Only text can be canonical.
    #[error("the request cannot be signed: a header is no text")]
    Header,
}

/// Credentials to sign with, and the time until which they serve. `Debug` shows neither secret nor token.
#[derive(Clone)]
pub struct SigningCredentials {
    credentials: Credentials,
    pens: Arc<Pens>,
}

impl SigningCredentials {
    /// The time from which they no longer serve; `None` for credentials that do not expire.
    pub fn expires(&self) -> Option<SystemTime> {
        self.credentials.expiry()
    }

    /// Whether they still serve at `now`.
    pub fn is_valid(&self, now: SystemTime) -> bool {
        self.expires().is_none_or(|expires| now < expires)
    }

    /// The access key ID, which is no secret: CloudTrail and S3's logs show it.
    pub fn access_key_id(&self) -> &str {
        self.credentials.access_key_id()
    }

    fn pen(&self, region: &str, service: &str, time: SystemTime) -> Arc<Pen> {
        self.pens.pen(self.credentials.secret_access_key(), region, service, time)
    }

    /// For clients of other AWS services.
    pub fn to_provider(&self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(self.credentials.clone())
    }
}

impl From<Credentials> for SigningCredentials {
    fn from(credentials: Credentials) -> Self {
        Self { credentials, pens: Arc::default() }
    }
}

impl fmt::Debug for SigningCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SigningCredentials");
        debug
            .field("access_key_id", &self.access_key_id())
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

/// Signs requests to S3 in one region.
#[derive(Debug, Clone)]
pub struct Signer {
    region: String,
}

impl Signer {
    /// For the region of the endpoint.
    pub fn new(region: &str) -> Self {
        Self { region: region.to_owned() }
    }

    /// Signs a request in place. Its URI must already be in canonical encoding, and `host` set.
    ///
    /// Returns what signs the chunks of the body, should it have any.
    pub fn sign<B>(
        &self,
        request: &mut Request<B>,
        mode: &PayloadMode,
        credentials: &SigningCredentials,
        time: SystemTime,
    ) -> Result<ChunkSigner, SignError> {
        let payload = HeaderValue::from_str(mode.as_str()).map_err(|_| SignError::Header)?;
        request.headers_mut().insert(&CONTENT_SHA256, payload);
        let pen = credentials.pen(&self.region, SERVICE, time);
        let signature = pen.sign_request(request, mode.as_str(), credentials, is_signed)?;
        Ok(ChunkSigner { pen, running: signature })
    }
}

fn is_signed(name: &str) -> bool {
    matches!(name, "host" | "content-md5") || name.starts_with("x-amz-")
}

impl Pen {
    fn sign_request<B>(
        &self,
        request: &mut Request<B>,
        payload: &str,
        credentials: &SigningCredentials,
        is_signed: impl Fn(&str) -> bool,
    ) -> Result<String, SignError> {
        let text = |text: &str| HeaderValue::from_str(text).map_err(|_| SignError::Header);
        request.headers_mut().insert(&DATE, text(&self.time)?);
        if let Some(token) = credentials.credentials.session_token() {
            let mut token = text(token)?;
            token.set_sensitive(true);
            request.headers_mut().insert(&SECURITY_TOKEN, token);
        }
        let Canonical { hash, signed_headers } = Canonical::of(request, payload, is_signed)?;
        let signature = self.sign("AWS4-HMAC-SHA256", &[&hash]);
        let mut authorization = String::with_capacity(512);
        authorization.extend(["AWS4-HMAC-SHA256 Credential=", credentials.access_key_id(), "/", &self.scope]);
        authorization.extend([", SignedHeaders=", &signed_headers, ", Signature=", &signature]);
        let authorization = HeaderValue::from_maybe_shared(Bytes::from(authorization));
        let mut authorization = authorization.map_err(|_| SignError::Header)?;
        authorization.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
        Ok(signature)
    }
}

/// Signs the chunks of a body one after the other, each signature covering the one before.
pub struct ChunkSigner {
    pen: Arc<Pen>,
    running: String,
}

/// SHA-256 of nothing, which stands for the headers that a chunk does not have.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

impl ChunkSigner {
    /// The hexadecimal signature of the next chunk.
    pub fn sign_chunk(&mut self, chunk: &Bytes) -> String {
        self.running = self.pen.sign("AWS4-HMAC-SHA256-PAYLOAD", &[&self.running, EMPTY, &sha256(chunk)]);
        self.running.clone()
    }

    /// The hexadecimal signature of the trailers, which ends the body.
    pub fn sign_trailer(&mut self, trailers: &[&(String, String)]) -> String {
        let mut lines: Vec<String> = trailers
            .iter()
            .map(|(name, value)| format!("{}:{}\n", name.to_ascii_lowercase(), value.trim()))
            .collect();
        lines.sort_unstable();
        let hash = sha256(lines.concat().as_bytes());
        self.running = self.pen.sign("AWS4-HMAC-SHA256-TRAILER", &[&self.running, &hash]);
        self.running.clone()
    }
}

impl fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkSigner").field("scope", &self.pen.scope).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl ChunkSigner {
    /// Starts from a known seed signature.
    pub(super) fn golden(
        region: &str,
        time: SystemTime,
        credentials: &SigningCredentials,
        seed: &str,
    ) -> Self {
        Self { pen: credentials.pen(region, SERVICE, time), running: seed.to_owned() }
    }
}

#[cfg(test)]
mod tests;
