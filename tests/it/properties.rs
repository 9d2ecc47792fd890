//! What must hold for every request and every policy, whatever they are.

use http::request::Parts;
use proptest::prelude::*;
use s3_access_proxy::config::Config;
use s3_access_proxy::policy::{Effect, Grant, Policy};
use s3_access_proxy::s3::{Asked, Classified, Domains, KeyPrefix, ObjectKey, classify};
use s3_access_proxy::upstream::Endpoint;

const IDENTITY: &str = "spiffe://td/ns/n/sa/s";

fn head(method: &str, target: &str, headers: &[(String, Vec<u8>)]) -> Option<Parts> {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(name.as_str(), value.as_slice());
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// Requests of a few keys, so that grants and requests meet.
fn request() -> impl Strategy<Value = (String, String, Option<String>)> {
    let method = prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE"]);
    let bucket = prop::sample::select(vec!["data", "logs"]);
    let key = prop::sample::select(vec!["", "a", "a/", "a/b", "a/b/c", "b", "%61/b", "a%2Fb", "a/../b"]);
    let query = prop::sample::select(vec![
        "",
        "versionId=1",
        "tagging",
        "prefix=a/",
        "prefix=",
        "list-type=2&prefix=a/b",
        "acl",
        "uploads",
        "partNumber=1&uploadId=u",
        "versions",
        "delete",
        "location",
        "retention",
        "policy",
    ]);
    let source =
        prop::option::of(prop::sample::select(vec!["data/a/b", "logs/b?versionId=1", "data/a/../b"]));
    (method, bucket, key, query, source).prop_map(|(method, bucket, key, query, source)| {
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        (method.to_owned(), format!("/{bucket}/{key}{query}"), source.map(str::to_owned))
    })
}

fn asked((method, target, source): &(String, String, Option<String>)) -> Option<Asked> {
    let mut headers = vec![("host".to_owned(), b"h".to_vec())];
    headers.extend(source.iter().map(|source| ("x-amz-copy-source".to_owned(), source.clone().into_bytes())));
    match classify(&mut head(method, target, &headers)?, &Domains::default()).ok()? {
        Classified::Whole(asked) => Some(asked),
        Classified::Unread(unread) => unread
            .with_body(b"<Delete><Object><Key>a/b</Key></Object><Object><Key>b</Key></Object></Delete>")
            .ok(),
        Classified::Never(_) => None,
    }
}

fn grant(effect: Effect) -> impl Strategy<Value = Grant> {
    let identity = prop::sample::select(vec![IDENTITY, "spiffe://td/**", "spiffe://other/**", "cn:*"]);
    let bucket = prop::sample::select(vec!["data", "logs", "*", "d*"]);
    let prefixes = prop::option::of(prop::sample::select(vec!["a/", "a/b", "b", "${namespace}/", "a"]));
    let actions =
        prop::sample::select(vec!["s3:GetObject", "s3:Get*", "s3:PutObject", "s3:List*", "s3:*", "*Tagging"]);
    (identity, bucket, prefixes, actions).prop_map(move |(identity, bucket, prefix, action)| Grant {
        name: "g".into(),
        effect,
        identities: vec![identity.parse().unwrap()],
        buckets: vec![bucket.parse().unwrap()],
        prefixes: prefix.map(|prefix| vec![prefix.parse().unwrap()]),
        actions: vec![action.parse().unwrap()],
        role: None,
    })
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    prop::collection::vec(prop_oneof![4 => grant(Effect::Allow), 1 => grant(Effect::Deny)], 0..6)
}

fn allows(grants: &[Grant], asked: Asked) -> bool {
    Policy::new(grants.to_vec()).entitle(&IDENTITY.parse().unwrap()).authorize(asked).is_ok()
}

/// A key in one of its many percent-encodings.
fn encoded() -> impl Strategy<Value = (String, String)> {
    let character = prop_oneof![
        4 => prop::sample::select(vec!['a', 'b', '/', '.', '%', '+', ' ', 'ä', '😀', '~', '\0', '?', '#', '&']),
        1 => any::<char>(),
    ];
    prop::collection::vec((character, any::<bool>(), any::<bool>()), 1..24).prop_map(|characters| {
        let (mut key, mut path) = (String::new(), String::new());
        for (character, escape, upper) in characters {
            key.push(character);
            if escape || !(character.is_ascii_alphanumeric() || "/.+~&".contains(character)) {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    let escape = format!("%{byte:02X}");
                    path.push_str(&if upper { escape } else { escape.to_ascii_lowercase() });
                }
            } else {
                path.push(character);
            }
        }
        (key, path)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn classification_never_panics(
        method in "[A-Z]{1,8}|GET|PUT|POST|DELETE",
        target in "/[ -~]{0,60}|/[a-z]{3,8}/[ -~]{0,20}\\?[ -~]{0,40}",
        headers in prop::collection::vec(("(host|x-amz-[a-z-]{1,30}|x-amz-copy-source|x-amz-tagging|connection)", prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Some(mut head) = head(&method, &target, &headers) {
            let domains = Domains::new(["s3.internal".to_owned()]);
            if let Ok(Classified::Unread(unread)) = classify(&mut head, &domains) {
                let _ = unread.with_body(&body);
            }
        }
    }

    #[test]
    fn what_was_classified_once_is_the_same_again(request in request()) {
        prop_assert_eq!(asked(&request), asked(&request));
    }

    #[test]
    fn one_allow_more_never_denies(grants in grants(), more in grant(Effect::Allow), request in request()) {
        if let Some(asked) = asked(&request) {
            let mut all = grants.clone();
            all.push(more);
            prop_assert!(!allows(&grants, asked.clone()) || allows(&all, asked));
        }
    }

    #[test]
    fn one_deny_more_never_allows(grants in grants(), more in grant(Effect::Deny), request in request()) {
        if let Some(asked) = asked(&request) {
            let mut all = grants.clone();
            all.insert(0, more);
            prop_assert!(allows(&grants, asked.clone()) || !allows(&all, asked));
        }
    }

    #[test]
    fn the_order_of_grants_does_not_matter(grants in grants(), request in request()) {
        if let Some(asked) = asked(&request) {
            let reversed: Vec<Grant> = grants.iter().rev().cloned().collect();
            prop_assert_eq!(allows(&grants, asked.clone()), allows(&reversed, asked));
        }
    }

    #[test]
    fn a_prefix_is_judged_on_the_bytes_that_s3_gets((key, path) in encoded(), prefix in "[ab/.% +]{0,4}") {
        let config = "tls: { certificate: c, private_key: k, client_ca: a }\nupstream: { region: eu-west-1 }\n\
            credentials: { source: environment }\n";
        let endpoint = Endpoint::new(&Config::parse(config, &[]).unwrap().upstream);
        let headers = [("host".to_owned(), b"h".to_vec())];
        let mut head = head("GET", &format!("/data/{path}"), &headers).unwrap();
        let Ok(Classified::Whole(asked)) = classify(&mut head, &Domains::default()) else {
            return Err(TestCaseError::fail(format!("{path} is a plain GET")));
        };
        let (uri, _) = endpoint.locate(asked.target(), asked.query()).unwrap();
        // Decoded by somebody else's code.
        let sent: Vec<u8> = percent_encoding::percent_decode_str(&uri.path()[1..]).collect();
        prop_assert_eq!(&sent, key.as_bytes());
        let covers = KeyPrefix::new(&prefix).covers_key(&key.parse::<ObjectKey>().unwrap());
        prop_assert_eq!(covers, sent.starts_with(prefix.as_bytes()));
        prop_assert!(uri.path().bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%".contains(&b)));
    }
}
