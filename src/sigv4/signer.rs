//! The signature of a request, and of the chunks that continue it.
//!
//! S3 differs from other services: the path is encoded once and never normalized, and `x-amz-content-sha256` is
//! part of what is signed. Signed are `host`, `content-md5` and every `x-amz-*` header, nothing that an
//! intermediary may rewrite.

use std::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningError, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{HeaderValue, Request, header};

use super::payload::PayloadMode;

const SERVICE: &str = "s3";

/// A request that could not be signed. Says nothing of the credentials.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A header that is no text, or parameters that do not fit.
    #[error("the request cannot be signed: {0}")]
    Request(&'static str),
    /// The signing library refused.
    #[error("the request cannot be signed")]
    Library(#[from] SigningError),
}

/// Credentials to sign with, and the time until which they serve. `Debug` shows neither secret nor token.
#[derive(Clone)]
pub struct SigningCredentials {
    credentials: Credentials,
    identity: Identity,
    access_key_id: String,
    expires: Option<SystemTime>,
}

impl SigningCredentials {
    /// The time from which they no longer serve; `None` for credentials that do not expire.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// Whether they still serve at `now`.
    pub fn is_valid(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// For clients of other AWS services.
    pub fn to_provider(&self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(self.credentials.clone())
    }

    /// The access key ID, which is no secret: CloudTrail and S3's logs show it.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }
}

impl From<Credentials> for SigningCredentials {
    fn from(credentials: Credentials) -> Self {
        let access_key_id = credentials.access_key_id().to_owned();
        Self {
            expires: credentials.expiry(),
            access_key_id,
            identity: credentials.clone().into(),
            credentials,
        }
    }
}

impl fmt::Debug for SigningCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SigningCredentials");
        debug
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires)
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
        let body = match mode {
            PayloadMode::Unsigned => SignableBody::UnsignedPayload,
            PayloadMode::UnsignedTrailer => SignableBody::StreamingUnsignedPayloadTrailer,
            PayloadMode::SignedChunksTrailer => SignableBody::StreamingSignedPayloadTrailer,
            PayloadMode::Sha256(_) | PayloadMode::SignedChunks => {
                SignableBody::Precomputed(mode.as_str().to_owned())
            }
        };
        let scope = Scope { region: &self.region, service: SERVICE, time };
        let signature = sign_request(request, body, settings(), scope, credentials, is_signed)?;
        Ok(ChunkSigner {
            region: self.region.clone(),
            time,
            credentials: credentials.clone(),
            running: signature,
        })
    }
}

fn is_signed(name: &str) -> bool {
    matches!(name, "host" | "content-md5") || name.starts_with("x-amz-")
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

#[derive(Clone, Copy)]
struct Scope<'a> {
    region: &'a str,
    service: &'a str,
    time: SystemTime,
}

fn sign_request<B>(
    request: &mut Request<B>,
    body: SignableBody<'_>,
    settings: SigningSettings,
    scope: Scope<'_>,
    credentials: &SigningCredentials,
    is_signed: impl Fn(&str) -> bool,
) -> Result<String, SignError> {
    let params: SigningParams<'_> = v4::SigningParams::builder()
        .identity(&credentials.identity)
        .region(scope.region)
        .name(scope.service)
        .time(scope.time)
        .settings(settings)
        .build()
        .map_err(|_| SignError::Request("its parameters are incomplete"))?
        .into();
    let mut headers = Vec::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        if is_signed(name.as_str()) {
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| SignError::Request("a header is no text"))?;
            headers.push((name.as_str(), value));
        }
    }
    let uri = request.uri().to_string();
    let signable = SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body)?;
    let (instructions, signature) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(request);
    for name in [header::AUTHORIZATION.as_str(), "x-amz-security-token"] {
        if let Some(value) = request.headers_mut().get_mut(name) {
            HeaderValue::set_sensitive(value, true);
        }
    }
    Ok(signature)
}

/// Signs the chunks of a body one after the other, each signature covering the one before.
#[derive(Debug)]
pub struct ChunkSigner {
    region: String,
    time: SystemTime,
    credentials: SigningCredentials,
    running: String,
}

impl ChunkSigner {
    /// The hexadecimal signature of the next chunk.
    pub fn sign_chunk(&mut self, chunk: &Bytes) -> Result<String, SignError> {
        let params = self.params()?;
        let signature = v4::sign_chunk(chunk, &self.running, &params)?.into_parts().1;
        self.running.clone_from(&signature);
        Ok(signature)
    }

    /// The hexadecimal signature of the trailers, which ends the body.
    pub fn sign_trailer(&mut self, trailers: &[&(String, String)]) -> Result<String, SignError> {
        let mut headers = aws_smithy_runtime_api::http::Headers::new();
        for (name, value) in trailers {
            let appended = headers.try_append(name.clone(), value.clone());
            appended.map_err(|_| SignError::Request("a trailer is no text"))?;
        }
        let params = self.params()?;
        let signature = v4::sign_trailer(&headers, &self.running, &params)?.into_parts().1;
        self.running.clone_from(&signature);
        Ok(signature)
    }

    fn params(&self) -> Result<v4::SigningParams<'_, ()>, SignError> {
        v4::SigningParams::builder()
            .identity(&self.credentials.identity)
            .region(&self.region)
            .name(SERVICE)
            .time(self.time)
            .settings(())
            .build()
            .map_err(|_| SignError::Request("its parameters are incomplete"))
    }
}

#[cfg(test)]
impl ChunkSigner {
    /// Starts from a known seed signature.
    pub(super) fn golden(
        region: &str,
        time: SystemTime,
        credentials: SigningCredentials,
        seed: &str,
    ) -> Self {
        Self { region: region.to_owned(), time, credentials, running: seed.to_owned() }
    }
}

#[cfg(test)]
mod tests;
