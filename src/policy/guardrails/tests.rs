use super::*;
use crate::policy::{Algorithm, RequiredEncryption, RequiredRetention};
use crate::s3::{Classified, Domains, LockMode, classify};

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const OTHER: &str = "arn:aws:kms:eu-west-1:123456789012:key/0000abcd-12ab-34cd-56ef-1234567890ab";

/// 2026-11-24T12:00:00Z.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(498_756)
}

fn check(
    guardrails: &Guardrails,
    request: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Vec<(String, String)>, Guardrail> {
    let (method, uri) = request.split_once(' ').unwrap();
    let mut builder = http::Request::builder().method(method).uri(uri).header("host", "h");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let mut head = builder.body(()).unwrap().into_parts().0;
    let asked = match classify(&mut head, &Domains::default()).unwrap() {
        Classified::Whole(asked) => asked,
        Classified::Unread(unread) => unread.with_body(body).unwrap(),
        Classified::Never(never) => panic!("{never:?}"),
    };
    let additions = guardrails.check(&asked, &head.headers, now()).map_err(|breach| breach.guardrail)?;
    let text =
        |(name, value): &(HeaderName, HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
    Ok(additions.iter().map(text).collect())
}

fn encryption(add_if_missing: bool) -> Guardrails {
    let require = RequiredEncryption { algorithm: Algorithm::Kms, key: Some(KEY.to_owned()), add_if_missing };
    let encryption = Encryption { require: Some(require), customer_keys: Stance::Allow };
    Guardrails { encryption, ..Guardrails::default() }
}

fn lock(mode: LockMode, min_days: u32, add_if_missing: bool) -> Guardrails {
    let require = Some(RequiredRetention { mode, min_days, add_if_missing });
    let object_lock = ObjectLock { require, deny_governance_bypass: true, deny_version_delete: true };
    Guardrails { object_lock, ..Guardrails::default() }
}

#[test]
fn acls_and_what_makes_a_bucket_public_are_refused_unless_allowed() {
    let standing = Guardrails::default();
    let open = Guardrails { acl: Stance::Allow, public_access: Stance::Allow, ..Guardrails::default() };
    let acl = [("x-amz-acl", "public-read")];
    let redirect = [("x-amz-website-redirect-location", "/x")];
    let writer = [("x-amz-object-ownership", "ObjectWriter")];
    for (request, headers, guardrail) in [
        ("PUT /data/k?acl", &[][..], Guardrail::Acl),
        ("PUT /data/k?acl&versionId=1", &[], Guardrail::Acl),
        ("PUT /data?acl", &[], Guardrail::Acl),
        ("PUT /data/k", &acl, Guardrail::Acl),
        ("PUT /data", &acl, Guardrail::Acl),
        ("PUT /data", &writer, Guardrail::Acl),
        ("POST /data/k?uploads", &[("x-amz-grant-read", "id=1")], Guardrail::Acl),
        ("PUT /data?ownershipControls", &[], Guardrail::Acl),
        ("DELETE /data?ownershipControls", &[], Guardrail::Acl),
        ("PUT /data?policy", &[], Guardrail::PublicAccess),
        ("DELETE /data?policy", &[], Guardrail::PublicAccess),
        ("PUT /data?publicAccessBlock", &[], Guardrail::PublicAccess),
        ("DELETE /data?publicAccessBlock", &[], Guardrail::PublicAccess),
        ("PUT /data?website", &[], Guardrail::PublicAccess),
        ("PUT /data?cors", &[], Guardrail::PublicAccess),
        ("PUT /data/k", &redirect, Guardrail::PublicAccess),
    ] {
        assert_eq!(check(&standing, request, headers, b""), Err(guardrail), "{request}");
        assert_eq!(check(&open, request, headers, b""), Ok(vec![]), "{request}");
    }
    for request in
        ["DELETE /data?website", "DELETE /data?cors", "GET /data?acl", "GET /data/k?acl", "PUT /data"]
    {
        assert_eq!(check(&standing, request, &[], b""), Ok(vec![]), "{request}");
    }
    let enforced = [("x-amz-object-ownership", "BucketOwnerEnforced")];
    assert_eq!(check(&standing, "PUT /data", &enforced, b""), Ok(vec![]));
}

#[test]
fn encryption_is_required_or_added() {
    let kms = ("x-amz-server-side-encryption", "aws:kms");
    let key = "x-amz-server-side-encryption-aws-kms-key-id";
    let refused = Err(Guardrail::Encryption);
    for request in ["PUT /data/k", "POST /data/k?uploads"] {
        let strict = encryption(false);
        assert_eq!(check(&strict, request, &[], b""), refused);
        assert_eq!(check(&strict, request, &[kms], b""), refused);
        assert_eq!(check(&strict, request, &[kms, (key, KEY)], b""), Ok(vec![]));
        let adding = encryption(true);
        let added =
            |names: &[(&str, &str)]| Ok(names.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect());
        assert_eq!(check(&adding, request, &[], b""), added(&[kms, (key, KEY)]));
        assert_eq!(check(&adding, request, &[kms], b""), added(&[(key, KEY)]));
        let bare = "1234abcd-12ab-34cd-56ef-1234567890ab";
        assert_eq!(check(&adding, request, &[kms, (key, bare)], b""), added(&[(key, KEY)]));
        for other in [OTHER, "alias/other", "0000abcd-12ab-34cd-56ef-1234567890ab", ""] {
            assert_eq!(check(&adding, request, &[kms, (key, other)], b""), refused, "{other}");
        }
        for weaker in ["AES256", "aws:kms:dsse", "AWS:KMS", ""] {
            let weaker = ("x-amz-server-side-encryption", weaker);
            assert_eq!(check(&adding, request, &[weaker, (key, KEY)], b""), refused);
        }
        let customer = ("x-amz-server-side-encryption-customer-algorithm", "AES256");
        assert_eq!(check(&adding, request, &[customer], b""), refused);
    }
    for request in ["PUT /data?encryption", "DELETE /data?encryption", "PUT /data/k?encryption"] {
        assert_eq!(check(&encryption(true), request, &[], b""), refused, "{request}");
        assert_eq!(check(&Guardrails::default(), request, &[], b""), Ok(vec![]), "{request}");
    }
    for request in ["GET /data/k", "PUT /data/k?partNumber=1&uploadId=u", "POST /data/k?uploadId=u"] {
        assert_eq!(check(&encryption(false), request, &[], b""), Ok(vec![]), "{request}");
    }
}

#[test]
fn keys_of_the_clients_own_can_be_refused_and_read_all_the_same() {
    let customer = [("x-amz-server-side-encryption-customer-algorithm", "AES256")];
    let encryption = Encryption { require: None, customer_keys: Stance::Deny };
    let standing = Guardrails { encryption, ..Guardrails::default() };
    let encryption = Encryption { require: None, customer_keys: Stance::Allow };
    let open = Guardrails { encryption, ..Guardrails::default() };
    for request in ["PUT /data/k", "PUT /data/k?partNumber=1&uploadId=u", "POST /data/k?uploads"] {
        assert_eq!(check(&standing, request, &customer, b""), Err(Guardrail::Encryption), "{request}");
        assert_eq!(check(&open, request, &customer, b""), Ok(vec![]), "{request}");
    }
    assert_eq!(check(&standing, "GET /data/k", &customer, b""), Ok(vec![]));
}

#[test]
fn retention_is_required_or_added() {
    let governance = ("x-amz-object-lock-mode", "GOVERNANCE");
    let compliance = ("x-amz-object-lock-mode", "COMPLIANCE");
    let until = |date| ("x-amz-object-lock-retain-until-date", date);
    let strict = lock(LockMode::Compliance, 30, false);
    let refused = Err(Guardrail::ObjectLock);
    assert_eq!(check(&strict, "PUT /data/k", &[], b""), refused);
    for (mode, date, fine) in [
        (compliance, "2026-12-24T12:00:00Z", true),
        (compliance, "2026-12-24T11:50:00.000Z", true),
        (compliance, "2026-12-24T11:40:00Z", false),
        (compliance, "2027-01-01T00:00:00Z", true),
        (governance, "2027-01-01T00:00:00Z", false),
    ] {
        let answer = check(&strict, "PUT /data/k", &[mode, until(date)], b"");
        assert_eq!(answer, if fine { Ok(vec![]) } else { refused.clone() }, "{mode:?} {date}");
        let body = format!(
            "<Retention><Mode>{}</Mode><RetainUntilDate>{date}</RetainUntilDate></Retention>",
            mode.1
        );
        let answer = check(&strict, "PUT /data/k?retention", &[], body.as_bytes());
        assert_eq!(answer, if fine { Ok(vec![]) } else { refused.clone() }, "{body}");
    }
    let weaker = lock(LockMode::Governance, 1, true);
    let stronger = [compliance, until("2027-01-01T00:00:00Z")];
    assert_eq!(check(&weaker, "PUT /data/k", &stronger, b""), Ok(vec![]));
    let added = check(&weaker, "PUT /data/k", &[], b"").unwrap();
    assert_eq!(added[0], (governance.0.to_owned(), governance.1.to_owned()));
    assert_eq!(added[1].1, "2026-11-25T12:00:00Z");
    assert_eq!(
        check(&weaker, "PUT /data/k?retention", &[], b"<Retention/>"),
        refused,
        "nothing takes it away"
    );
}

#[test]
fn nothing_ends_a_lock_early() {
    let standing = lock(LockMode::Compliance, 30, false);
    let bypass = [("x-amz-bypass-governance-retention", "true")];
    let version = b"<Delete><Object><Key>k</Key><VersionId>1</VersionId></Object></Delete>";
    let current = b"<Delete><Object><Key>k</Key></Object></Delete>";
    for (request, headers, body) in [
        ("DELETE /data/k?versionId=1", &[][..], &b""[..]),
        ("DELETE /data/k?versionId=1", &bypass, b""),
        ("DELETE /data/k", &bypass, b""),
        ("POST /data?delete", &[], version),
        ("POST /data?delete", &bypass, current),
        ("PUT /data?object-lock", &[], b""),
        ("PUT /data?lifecycle", &[], b""),
    ] {
        assert_eq!(check(&standing, request, headers, body), Err(Guardrail::ObjectLock), "{request}");
        assert_eq!(check(&Guardrails::default(), request, headers, body), Ok(vec![]), "{request}");
    }
    assert_eq!(check(&standing, "DELETE /data/k", &[], b""), Ok(vec![]), "a marker deletes nothing");
    assert_eq!(check(&standing, "DELETE /data?lifecycle", &[], b""), Ok(vec![]), "no rules delete nothing");
    let locked = [("x-amz-bucket-object-lock-enabled", "true")];
    assert_eq!(check(&standing, "PUT /data", &locked, b""), Ok(vec![]), "a new bucket may have the lock");
    assert_eq!(check(&standing, "POST /data?delete", &[], current), Ok(vec![]));
}
