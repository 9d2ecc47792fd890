//! Golden requests: botocore's for S3, and AWS's own test suite out of the `aws-sigv4` crate's source.
//!
//! A signature equals `HMAC(key, string to sign)`, and the string to sign holds the hash of the canonical request:
//! when the golden texts hash to the signature that the signer made, it went through exactly these texts.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(serde::Deserialize)]
struct Context {
    credentials: Keys,
    region: String,
    service: String,
    timestamp: String,
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
fn the_test_suite_of_aws_passes_where_s3_signs_alike() {
    let mut count = 0;
    for mut case in cases(&aws_suite()) {
        // Other services encode a path twice or normalize it, and may leave the token out.
        let canonical = case.golden("header-canonical-request.txt");
        let mut lines = canonical.lines();
        let (path, query) = (lines.nth(1).unwrap(), lines.next().unwrap());
        let mut given: Vec<String> =
            case.request.uri().query().unwrap_or_default().split('&').map(str::to_owned).collect();
        given.sort();
        if case.request.uri().path() != path || given.join("&") != query || case.context.omit_session_token {
            continue;
        }
        count += 1;
        let payload = sha256(case.request.body());
        if case.context.sign_body {
            case.request.headers_mut().insert("x-amz-content-sha256", payload.parse().unwrap());
        }
        let credentials = case.credentials();
        let pen = credentials.pen(&case.context.region, &case.context.service, case.time());
        let signature = pen.sign_request(&mut case.request, &payload, &credentials, |_| true).unwrap();
        case.assert_signature(&signature);
    }
    assert!(count >= 20, "only {count} of the suite's cases were looked at");
}

/// What the library of AWS makes of a request, as it was used here before.
fn signed_by_the_library(
    mut request: Request<()>,
    mode: &PayloadMode,
    credentials: &Credentials,
    time: SystemTime,
) -> http::HeaderMap {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let uri = request.uri().to_string();
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter(|(name, _)| is_signed(name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = SignableBody::Precomputed(mode.as_str().to_owned());
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, body).unwrap();
    sign(signable, &params).unwrap().into_parts().0.apply_to_request_http1x(&mut request);
    request.headers().clone()
}

proptest::proptest! {
    #[test]
    fn the_library_of_aws_signs_alike(
        key in "[a-zA-Z0-9 +%/._~*'()é日-]{1,40}",
        query in proptest::collection::vec(("[a-zA-Z0-9 +/-]{1,12}", "[a-zA-Z0-9 =&+/é-]{0,12}"), 0..5),
        metadata in proptest::collection::vec(("x-amz-meta-[a-c]{1,2}", "[a-z ]{0,12}"), 0..4),
        token in proptest::option::of("[A-Za-z0-9/+=]{1,40}"),
        seconds in 0_u32..u32::MAX,
    ) {
        let mut target = String::from("/bucket/");
        crate::s3::encoding::encode_path(&mut target, &key);
        for (i, (name, value)) in query.iter().enumerate() {
            target.push(if i == 0 { '?' } else { '&' });
            crate::s3::encoding::encode_value(&mut target, name);
            target.push('=');
            crate::s3::encoding::encode_value(&mut target, value);
        }
        let mut request = Request::put(format!("https://h{target}")).header("host", "h").header("user-agent", "not signed");
        for (name, value) in metadata {
            request = request.header(name, value);
        }
        let request = request.body(()).unwrap();
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds.into());
        let credentials = Credentials::new("AKID", "secret", token, None, "test");
        let mut ours = request.clone();
        let mode = PayloadMode::Unsigned;
        Signer::new("eu-west-1").sign(&mut ours, &mode, &credentials.clone().into(), time).unwrap();
        let theirs = signed_by_the_library(request, &mode, &credentials, time);
        for name in ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"] {
            proptest::prop_assert_eq!(ours.headers().get(name), theirs.get(name), "{}", name);
        }
    }
}

#[test]
fn a_key_is_kept_for_its_scope_and_its_secret() {
    let signature = |credentials: &SigningCredentials, region: &str, seconds: u64| {
        let mut request = Request::get("https://h/b/k").header("host", "h").body(()).unwrap();
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        Signer::new(region).sign(&mut request, &PayloadMode::Unsigned, credentials, time).unwrap().running
    };
    let fresh = |secret: &str| SigningCredentials::from(Credentials::new("AKID", secret, None, None, "test"));
    let (one, two) = (fresh("one"), fresh("two"));
    let day = 86_400;
    // Whatever the cache held before, the signature is that of fresh credentials.
    for (credentials, secret, region, seconds) in [
        (&one, "one", "a", 0),
        (&two, "two", "a", 0),
        (&one, "one", "a", day - 1),
        (&one, "one", "a", day),
        (&one, "one", "b", day),
        (&one.clone(), "one", "a", 0),
        (&two, "two", "a", day),
    ] {
        assert_eq!(
            signature(credentials, region, seconds),
            signature(&fresh(secret), region, seconds),
            "{secret} {region} {seconds}"
        );
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
