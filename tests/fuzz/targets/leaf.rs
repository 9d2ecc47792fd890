//! Any DER in the place of a client's certificate: an identity that reads back from the log, or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_access_proxy::identity::ClientIdentity;
use s3_access_proxy::tls::ClientLeaf;

fuzz_target!(|der: &[u8]| {
    if let Ok(leaf) = ClientLeaf::parse(der) {
        let label = leaf.identity.to_string();
        let again: ClientIdentity = label.parse().expect("the log's notation is an identity");
        assert_eq!(again.to_string(), label);
    }
});
