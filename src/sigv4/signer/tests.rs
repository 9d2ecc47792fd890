//! Golden requests: botocore's for S3, and AWS's own test suite out of the `aws-sigv4` crate's source.
//!
//! A signature equals `HMAC(key, string to sign)`, and the string to sign holds the hash of the canonical request:
//! when the golden texts hash to the signature that the signer made, it went through exactly these texts.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(serde::Deserialize)]
struct Context {
    credentials: Keys,
    region: String,
    service: String,
    timestamp: String,
    normalize: bool,
    sign_body: bool,
    #[serde(default)]
    omit_session_token: bool,
}

#[derive(serde::Deserialize)]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

struct Case {
    directory: PathBuf,
    context: Context,
    request: Request<Bytes>,
}

impl Case {
    fn read(directory: PathBuf) -> Self {
        let context = std::fs::read_to_string(directory.join("context.json")).unwrap();
        let request = std::fs::read_to_string(directory.join("request.txt")).unwrap();
        Self { context: serde_json::from_str(&context).unwrap(), request: parse(&request), directory }
    }

    fn golden(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.join(name)).unwrap()
    }

    fn credentials(&self) -> SigningCredentials {
        let keys = &self.context.credentials;
        let token = keys.token.clone();
        Credentials::new(&keys.access_key_id, &keys.secret_access_key, token, None, "golden").into()
    }

    fn time(&self) -> SystemTime {
        OffsetDateTime::parse(&self.context.timestamp, &Rfc3339).unwrap().into()
    }

    /// The three golden texts belong together, and the signature that was made is theirs.
    fn assert_signature(&self, signature: &str) {
        let name = self.directory.file_name().unwrap().to_str().unwrap();
        let to_sign = self.golden("header-string-to-sign.txt");
        let hash = hex::encode(Sha256::digest(self.golden("header-canonical-request.txt")));
        assert!(to_sign.ends_with(&hash), "{name}: the golden texts do not belong together");
        let keys = &self.context.credentials;
        let (region, service) = (&self.context.region, &self.context.service);
        let key = v4::generate_signing_key(&keys.secret_access_key, self.time(), region, service);
        let golden = self.golden("header-signature.txt");
        assert_eq!(v4::calculate_signature(key, to_sign.as_bytes()), golden, "{name}: golden signature");
        assert_eq!(signature, golden, "{name}");
    }
}

/// The suite's `request.txt`: a request line with a raw target, headers, an empty line, a body.
fn parse(text: &str) -> Request<Bytes> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let (method, rest) = line.split_once(' ').unwrap();
    let target = rest.strip_suffix(" HTTP/1.1").unwrap();
    let mut encoded = String::new();
    for c in target.chars() {
        if c == ' ' || !c.is_ascii() {
            crate::s3::encoding::encode_value(&mut encoded, &c.to_string());
        } else {
            encoded.push(c);
        }
    }
    let mut request = Request::builder().method(method).uri(encoded);
    let mut last = String::new();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in headers.lines() {
        if let Some((name, value)) = line.split_once(':').filter(|_| !line.starts_with(' ')) {
            last = name.to_ascii_lowercase();
            pairs.push((last.clone(), value.to_owned()));
        } else {
            // An obsolete line folding continues the value.
            let value = &mut pairs.iter_mut().rev().find(|(name, _)| *name == last).unwrap().1;
            *value = format!("{value} {}", line.trim());
        }
    }
    for (name, value) in pairs {
        request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn cases(directory: &Path) -> Vec<Case> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut directories: Vec<_> = entries.filter(|path| path.join("context.json").exists()).collect();
    directories.sort();
    directories.into_iter().map(Case::read).collect()
}

#[test]
fn s3_requests_are_signed_as_botocore_signs_them() {
    let all = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sigv4"));
    assert!(all.len() >= 40, "the golden cases are missing");
    for mut case in all {
        let mode = case.request.headers().get("x-amz-content-sha256").map(|v| v.to_str().unwrap().to_owned());
        let mode = PayloadMode::parse(mode.as_deref()).unwrap();
        case.request.headers_mut().remove("x-amz-content-sha256");
        let (credentials, time) = (case.credentials(), case.time());
        let signer = Signer::new(&case.context.region);
        let chunks = signer.sign(&mut case.request, &mode, &credentials, time).unwrap();
        case.assert_signature(&chunks.running);
    }
}

/// Where cargo unpacked the `aws-sigv4` crate of the lock file.
fn aws_suite() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "aws-sigv4").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("aws-signing-test-suite/v4")
}

#[test]
fn the_test_suite_of_aws_passes() {
    let all = cases(&aws_suite());
    assert!(all.len() >= 35, "the suite of the aws-sigv4 crate has moved");
    for mut case in all {
        let body = case.request.body().clone();
        let mut general = SigningSettings::default();
        general.uri_path_normalization_mode = case.context.normalize.into();
        // `context.json` does not say which encoding a case is about; its canonical path does.
        if !case.golden("header-canonical-request.txt").lines().nth(1).unwrap().contains("%25") {
            general.percent_encoding_mode = PercentEncodingMode::Single;
        }
        if case.context.sign_body {
            general.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if case.context.omit_session_token {
            general.session_token_mode = aws_sigv4::http_request::SessionTokenMode::Exclude;
        }
        let (credentials, time) = (case.credentials(), case.time());
        let (region, service) = (case.context.region.clone(), case.context.service.clone());
        let scope = Scope { region: &region, service: &service, time };
        let signable = SignableBody::Bytes(&body);
        let signature =
            sign_request(&mut case.request, signable, general, scope, &credentials, |_| true).unwrap();
        case.assert_signature(&signature);
    }
}

#[test]
fn nothing_secret_is_debug_printed() {
    let credentials: SigningCredentials =
        Credentials::new("AKID", "the-secret", Some("the-token".into()), None, "test").into();
    let mut request = Request::get("https://h/b/k").header("host", "h").body(()).unwrap();
    let signer = Signer::new("us-east-1");
    let chunks =
        signer.sign(&mut request, &PayloadMode::Unsigned, &credentials, SystemTime::UNIX_EPOCH).unwrap();
    let shown = format!("{credentials:?} {chunks:?} {request:?} {signer:?}");
    assert!(shown.contains("AKID"));
    for secret in ["the-secret", "the-token", "Signature="] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
