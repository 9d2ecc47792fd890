//! Any `x-amz-copy-source`: the canonical form that is sent means what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_access_proxy::s3::{Access, Classified, Domains, classify};

fn accesses(source: &[u8]) -> Option<(Vec<Access>, Vec<u8>)> {
    let request = http::Request::put("/bucket/key").header("host", "h").header("x-amz-copy-source", source);
    let mut head = request.body(()).ok()?.into_parts().0;
    let Classified::Whole(asked) = classify(&mut head, &Domains::default()).ok()? else { return None };
    Some((asked.accesses().to_vec(), head.headers["x-amz-copy-source"].as_bytes().to_vec()))
}

fuzz_target!(|source: &[u8]| {
    if let Some((read, canonical)) = accesses(source) {
        let (again, same) = accesses(&canonical).expect("the canonical form is a copy source");
        assert_eq!((read, canonical), (again, same));
    }
});
