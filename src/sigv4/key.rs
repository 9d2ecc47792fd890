//! Signing keys. A key is good for one day, region and service, and is derived from the secret in four steps.

use aws_lc_rs::hmac;

use super::hexadecimal;

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    /// The UTC day, `YYYYMMDD`.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// As the credential scope writes it.
impl std::fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// A derived key, ready for use.
#[derive(Clone)]
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    /// Source: AWS, "Create a signed AWS API request", step 4.
    pub(super) fn derive(secret: &str, scope: Scope<'_>) -> Self {
        let step =
            |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let date = step(format!("AWS4{secret}").as_bytes(), scope.date);
        let region = step(date.as_ref(), scope.region);
        let service = step(region.as_ref(), scope.service);
        Self(hmac::Key::new(hmac::HMAC_SHA256, step(service.as_ref(), "aws4_request").as_ref()))
    }

    /// The hexadecimal signature of a string to sign.
    pub(super) fn sign(&self, text: &str) -> String {
        hexadecimal(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }
}
