//! How CloudTrail names a client: the name and tags of its session, derived from its identity.
//!
//! Two identities must not share a name, so what had to be changed or cut to fit STS's alphabet and length carries a
//! digest of the whole.

use sha2::{Digest, Sha256};

use crate::identity::ClientIdentity;

/// STS API reference, `RoleSessionName` and `SourceIdentity`: 2 to 64 of `[\w+=,.@-]`.
const MAX_NAME: usize = 64;
/// IAM and STS quotas: characters of a session tag's value.
const MAX_TAG: usize = 256;
/// Hexadecimal digits of the digest: 48 bits.
const DIGEST: usize = 12;

/// The session name, which may also serve as source identity.
///
/// A workload of Kubernetes is `<namespace>,<service account>@<trust domain>`; another SPIFFE ID is its path, with `+`
/// for `/`, before `@<trust domain>`; `dns=<name>` and `cn=<name>` are the rest. `=` and a digest end a name that is
/// not the identity letter by letter.
pub fn session_name(identity: &ClientIdentity) -> String {
    let readable = match (identity.spiffe(), identity.dns().first(), identity.common_name()) {
        (Some(spiffe), _, _) => match spiffe.kubernetes() {
            Some((namespace, account)) => format!("{namespace},{account}@{}", spiffe.trust_domain()),
            None => format!("{}@{}", spiffe.path().replace('/', "+"), spiffe.trust_domain()),
        },
        (None, Some(name), _) => format!("dns={}", name.as_str()),
        // In a common name these characters are the holder's own choice: they must not pass for ours.
        (None, None, Some(name)) => format!("cn={}", name.replace(['=', '@', ',', '+'], " ")),
        (None, None, None) => String::new(),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    shorten(&readable, MAX_NAME, allowed, &identity.to_string())
}

/// Tags of the session, for conditions on `aws:PrincipalTag`.
pub fn session_tags(identity: &ClientIdentity) -> Vec<(&'static str, String)> {
    let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    let value = |text: &str| shorten(text, MAX_TAG, allowed, text);
    let mut tags = vec![("s3proxy-identity", value(&identity.to_string()))];
    if let Some((namespace, account)) = identity.spiffe().and_then(|spiffe| spiffe.kubernetes()) {
        tags.push(("s3proxy-namespace", value(namespace)));
        tags.push(("s3proxy-service-account", value(account)));
    }
    tags
}

fn shorten(text: &str, max: usize, allowed: impl Fn(char) -> bool, whole: &str) -> String {
    let kept: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if kept == text && kept.chars().count() <= max {
        return kept;
    }
    let digest = hex::encode(Sha256::digest(whole));
    let head: String = kept.chars().take(max - DIGEST - 1).collect();
    format!("{head}={}", &digest[..DIGEST])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(identity: &str) -> String {
        session_name(&identity.parse().unwrap())
    }

    #[test]
    fn a_name_says_who_it_is() {
        assert_eq!(name("spiffe://cluster.local/ns/reports/sa/api"), "reports,api@cluster.local");
        assert_eq!(name("spiffe://td/reports/api"), "reports+api@td");
        assert_eq!(name("dns:client.app.svc"), "dns=client.app.svc");
        assert_eq!(name("cn:legacy-app"), "cn=legacy-app");
    }

    #[test]
    fn no_two_identities_share_a_name() {
        let long = format!("spiffe://td/ns/{}/sa/", "n".repeat(60));
        let alike = [
            format!("{long}a"),
            format!("{long}b"),
            "spiffe://td/ns/a/sa/b".into(),
            "spiffe://td/a/b".into(),
            "spiffe://td/a".into(),
            "cn:a b".into(),
            "cn:a_b".into(),
            "cn:a@td".into(),
            "cn:a=td".into(),
            "cn:ä".into(),
            "cn:日本".into(),
            "dns:a".into(),
            "cn:a".into(),
        ];
        let mut names: Vec<String> = alike.iter().map(|identity| name(identity)).collect();
        for name in &names {
            assert!((2..=64).contains(&name.len()), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)), "{name}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), alike.len(), "{names:#?}");
    }

    #[test]
    fn tags_fit() {
        let identity = "spiffe://cluster.local/ns/reports/sa/api".parse().unwrap();
        assert_eq!(
            session_tags(&identity),
            [
                ("s3proxy-identity", "spiffe://cluster.local/ns/reports/sa/api".to_owned()),
                ("s3proxy-namespace", "reports".to_owned()),
                ("s3proxy-service-account", "api".to_owned()),
            ]
        );
        let long = format!("cn:{}", "x*".repeat(400)).parse().unwrap();
        assert!(
            session_tags(&long).iter().all(|(_, value)| value.chars().count() <= 256 && !value.contains('*'))
        );
    }
}
