//! Any body of a batch delete, restore, retention or new bucket.
#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_access_proxy::s3::{Classified, Domains, classify};

fuzz_target!(|body: &[u8]| {
    for (method, target) in [
        ("POST", "/bucket?delete"),
        ("POST", "/bucket/key?restore"),
        ("PUT", "/bucket/key?retention"),
        ("PUT", "/bucket"),
    ] {
        let request = http::Request::builder().method(method).uri(target).header("host", "h").body(());
        let mut head = request.expect("a plain request").into_parts().0;
        if let Ok(Classified::Unread(unread)) = classify(&mut head, &Domains::default())
            && let Ok(asked) = unread.with_body(body)
        {
            assert!((1..=2000).contains(&asked.accesses().len()));
        }
    }
});
