//! The canonical request: what both sides hash, so that they can only agree on the same request.
//!
//! Source: AWS, "Create a signed AWS API request", step 1, as S3 wants it: the path is encoded once and never
//! normalized.

use std::borrow::Cow;
use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, Request};

use super::hexadecimal;
use super::signer::SignError;

/// The canonical request's hash, and the names of the headers that went into it.
pub(super) struct Canonical {
    pub(super) hash: String,
    pub(super) signed_headers: String,
}

impl Canonical {
    /// Of a request whose URI is in canonical encoding. `payload` is the value of `x-amz-content-sha256`.
    pub(super) fn of<B>(
        request: &Request<B>,
        payload: &str,
        is_signed: impl Fn(&str) -> bool,
    ) -> Result<Self, SignError> {
        let headers = signed(request.headers(), is_signed)?;
        let mut signed_headers = String::with_capacity(256);
        for (name, _) in &headers {
            separate(&mut signed_headers, ';');
            signed_headers.push_str(name);
        }
        let mut text = String::with_capacity(2048);
        text.extend([request.method().as_str(), "\n", request.uri().path(), "\n"]);
        query(&mut text, request.uri().query().unwrap_or_default());
        text.push('\n');
        for (name, value) in &headers {
            text.extend([*name, ":", &**value, "\n"]);
        }
        text.extend(["\n", &signed_headers, "\n", payload]);
        Ok(Self { hash: sha256(text.as_bytes()), signed_headers })
    }
}

/// Hexadecimal SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(digest(&SHA256, bytes).as_ref())
}

/// Sorted by encoded name, then value; a name without `=` gets one.
fn query(into: &mut String, query: &str) {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(&str, &str)> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    for (i, (name, value)) in pairs.iter().enumerate() {
        let separator = if i == 0 { "" } else { "&" };
        // Writing to a string cannot fail.
        let _ = write!(into, "{separator}{name}={value}");
    }
}

/// Names in order, each with all its values, in which runs of spaces are one.
fn signed(
    headers: &HeaderMap,
    is_signed: impl Fn(&str) -> bool,
) -> Result<Vec<(&str, Cow<'_, str>)>, SignError> {
    let mut all: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(headers.keys_len());
    // A name's values come one after the other.
    for (name, value) in headers.iter().filter(|(name, _)| is_signed(name.as_str())) {
        let value = std::str::from_utf8(value.as_bytes()).map_err(|_| SignError::Header)?;
        let value = squeezed(value.trim_matches(' '));
        match all.last_mut() {
            Some((last, line)) if *last == name.as_str() => {
                let line = line.to_mut();
                line.push(',');
                line.push_str(&value);
            }
            _ => all.push((name.as_str(), value)),
        }
    }
    all.sort_unstable_by_key(|(name, _)| *name);
    Ok(all)
}

fn squeezed(value: &str) -> Cow<'_, str> {
    if value.as_bytes().windows(2).any(|two| two == b"  ") {
        let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
        return Cow::Owned(words.join(" "));
    }
    Cow::Borrowed(value)
}

fn separate(text: &mut String, separator: char) {
    if !text.is_empty() {
        text.push(separator);
    }
}
