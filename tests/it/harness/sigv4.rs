//! Signature Version 4 worked out anew from the captured bytes, from the specification and not from the proxy's code.
//!
//! Source: AWS, "Authenticating Requests (AWS Signature Version 4)"; HMAC is RFC 2104.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{KEY_ID, SECRET, Seen};

/// Checks that a captured request is signed with the proxy's keys, with every header that S3 wants to be signed.
pub(crate) fn verify(seen: &Seen) {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in seen.headers() {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        headers.entry(name).and_modify(|all| all.extend([",", &value])).or_insert(value);
    }
    let authorization = headers["authorization"].clone();
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
    let fields: BTreeMap<&str, &str> = rest.split(", ").map(|field| field.split_once('=').unwrap()).collect();
    let (key_id, scope) = fields["Credential"].split_once('/').unwrap();
    assert_eq!(key_id, KEY_ID);
    let time = &headers["x-amz-date"];
    assert_eq!(scope, format!("{}/us-east-1/s3/aws4_request", &time[..8]));

    let signed: Vec<&str> = fields["SignedHeaders"].split(';').collect();
    assert!(signed.is_sorted());
    let must = |name: &str| matches!(name, "host" | "content-md5") || name.starts_with("x-amz-");
    for name in headers.keys().filter(|name| must(name)) {
        assert!(signed.contains(&name.as_str()), "{name} is not signed: {authorization}");
    }
    for fragile in ["user-agent", "accept-encoding", "connection", "content-length", "transfer-encoding"] {
        assert!(!signed.contains(&fragile), "{fragile} is signed, but may change on the way");
    }

    let (path, query) = seen.target().split_once('?').unwrap_or((seen.target(), ""));
    let mut parameters: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    parameters.sort_unstable();
    let mut canonical =
        format!("{}\n{path}\n{}\n", seen.request_line().split(' ').next().unwrap(), parameters.join("&"));
    for name in &signed {
        canonical.extend([name, ":", &headers[*name], "\n"]);
    }
    canonical.extend(["\n", fields["SignedHeaders"], "\n", &headers["x-amz-content-sha256"]]);

    let hashed = hex::encode(Sha256::digest(&canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashed}");
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = hmac(&key, part.as_bytes());
    }
    assert_eq!(fields["Signature"], hex::encode(hmac(&key, to_sign.as_bytes())), "for\n{canonical}");
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}
