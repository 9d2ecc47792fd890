//! Any request head and body: read without a panic, and what is forwarded is read the same again.
#![no_main]

use http::request::Parts;
use libfuzzer_sys::fuzz_target;
use s3_access_proxy::s3::{Asked, Classified, Domains, classify};

/// `METHOD target`, header lines, an empty line, a body.
fn request(text: &str) -> Option<(Parts, &str)> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = http::Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name.trim(), value.trim());
    }
    Some((request.body(()).ok()?.into_parts().0, body))
}

fn asked(head: &mut Parts, body: &str) -> Option<Asked> {
    match classify(head, &Domains::new(["s3.internal".to_owned()])).ok()? {
        Classified::Whole(asked) => Some(asked),
        Classified::Unread(unread) => unread.with_body(body.as_bytes()).ok(),
        Classified::Never(_) => None,
    }
}

fuzz_target!(|text: &str| {
    let Some((mut head, body)) = request(text) else { return };
    let Some(first) = asked(&mut head, body) else { return };
    assert!(!first.accesses().is_empty());
    // As it would be sent: the canonical query, the headers that classification left.
    let mut query = String::new();
    first.query().encode(&mut query);
    let target = format!("{}{query}", head.uri.path());
    let authority = head.uri.authority().map(|authority| authority.as_str().to_owned());
    head.uri = target.parse().expect("the canonical query is a query");
    if let Some(authority) = authority {
        head.headers.insert("host", authority.parse().expect("an authority is a header value"));
    }
    let again = asked(&mut head, body).expect("what was understood is understood again");
    assert_eq!(first.accesses(), again.accesses());
    assert_eq!(first.operation(), again.operation());
});
