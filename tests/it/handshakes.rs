//! Who is let in: the judgement of a client's certificate ends in a handshake or in a cause that operators can see.

use rcgen::{BasicConstraints, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{
    FOREIGN, Leaf, Proxy, Setup, TRUSTED, Upstream, Wire, access, connect, dns, request, spiffe, tls, uri,
    within,
};

/// What comes of an attempt: the answer's status, or why there is no connection.
async fn attempt(proxy: &Proxy, config: rustls::ClientConfig) -> Result<u16, String> {
    let mut stream = connect(proxy.address, config).await.map_err(|error| error.to_string())?;
    // In TLS 1.3 a client learns only afterwards what became of its certificate: by what it can read.
    let _ = stream.write_all(&request("GET", "/reports/daily/x", &[], b"")).await;
    let mut first = [0; 12];
    within("an answer or a refusal", stream.read_exact(&mut first))
        .await
        .map_err(|error| error.to_string())?;
    let status = std::str::from_utf8(&first[9..]).unwrap_or_default();
    Ok(status.parse().unwrap_or_default())
}

fn refused() -> Vec<(&'static str, &'static str, Option<Leaf>)> {
    let named = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names = vec![uri(&spiffe("admin"))];
    };
    let now = OffsetDateTime::now_utc();
    vec![
        ("none", "no_certificate", None),
        ("of a foreign authority", "unknown_ca", Some(FOREIGN.client("admin"))),
        (
            "expired",
            "expired",
            Some(TRUSTED.issue(|params| {
                named(params);
                params.not_after = now - Duration::minutes(1);
            })),
        ),
        (
            "not yet valid",
            "expired",
            Some(TRUSTED.issue(|params| {
                named(params);
                params.not_before = now + Duration::minutes(10);
            })),
        ),
        (
            "two URI SANs",
            "bad_identity",
            Some(TRUSTED.issue(|params| {
                params.subject_alt_names = vec![uri(&spiffe("admin")), uri(&spiffe("reader"))];
            })),
        ),
        (
            "a URI that is no SPIFFE ID",
            "bad_identity",
            Some(TRUSTED.issue(|params| {
                params.subject_alt_names = vec![uri("https://cluster.local/ns/reports/sa/admin")];
            })),
        ),
        (
            "a trust domain without a workload",
            "bad_identity",
            Some(TRUSTED.issue(|params| {
                params.subject_alt_names = vec![uri("spiffe://cluster.local")];
            })),
        ),
        (
            "a wildcard for a name",
            "bad_identity",
            Some(TRUSTED.issue(|params| {
                params.subject_alt_names = vec![dns("*.reports.svc")];
            })),
        ),
        ("no name at all", "bad_identity", Some(TRUSTED.issue(|_| {}))),
        (
            "an authority's",
            "wrong_usage",
            Some(TRUSTED.issue(|params| {
                named(params);
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            })),
        ),
        (
            "a server's",
            "wrong_usage",
            Some(TRUSTED.issue(|params| {
                named(params);
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            })),
        ),
        (
            "without any extended usage",
            "wrong_usage",
            Some(TRUSTED.issue(|params| {
                named(params);
                params.extended_key_usages = Vec::new();
            })),
        ),
        (
            "for encryption only",
            "wrong_usage",
            Some(TRUSTED.issue(|params| {
                named(params);
                params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
            })),
        ),
        ("for certificates as well", "wrong_usage", Some(also_for(KeyUsagePurpose::KeyCertSign))),
        ("for revocation lists as well", "wrong_usage", Some(also_for(KeyUsagePurpose::CrlSign))),
    ]
}

/// A good client's certificate with a further usage of its key.
fn also_for(usage: KeyUsagePurpose) -> Leaf {
    TRUSTED.issue(|params| {
        params.subject_alt_names = vec![uri(&spiffe("admin"))];
        params.key_usages.push(usage);
    })
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused_at_the_handshake() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wrong = Vec::new();
    for (what, cause, leaf) in refused() {
        let series = format!("s3proxy_handshakes_total{{result=\"{cause}\"}}");
        let before = proxy.metric(&series).await;
        for alpn in ["http/1.1", "h2"] {
            let result = attempt(&proxy, tls(leaf.as_ref(), alpn)).await;
            // An alert, which a client's log shows, and not just the end of the connection.
            if !result.as_ref().is_err_and(|why| why.contains("fatal alert")) {
                wrong.push(format!("{what} over {alpn}: {result:?}"));
            }
        }
        // A wait that ends at once where the cause is right.
        let counted = crate::harness::soon(async || proxy.metric(&series).await >= before + 2.0).await;
        if !counted {
            wrong.push(format!("{what}: not counted as {cause}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(upstream.connections(), 0);
    assert!(proxy.metric("s3proxy_handshakes_total{result=\"ok\"}").await < 0.5);
    assert!(proxy.log.lines().is_empty(), "no request, no line");
    // And a good one still gets in.
    assert_eq!(attempt(&proxy, tls(Some(&TRUSTED.client("admin")), "http/1.1")).await, Ok(200));
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"ok\"}", 1.0).await;
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key_is_of_no_use() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let (admin, other) = (TRUSTED.client("admin"), TRUSTED.client("nobody"));
    let chain: Vec<CertificateDer<'static>> = vec![admin.certificate.clone()];
    // rustls checks that a key fits its certificate; a resolver is not asked to prove it.
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&other.key()).unwrap();
    let mut config = tls(None, "http/1.1");
    let pair = std::sync::Arc::new(rustls::sign::CertifiedKey::new(chain, key));
    config.client_auth_cert_resolver = std::sync::Arc::new(rustls::sign::SingleCertAndKey::from(pair));
    assert!(attempt(&proxy, config).await.is_err());
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn the_strongest_name_is_logged_and_every_name_counts() {
    let upstream = Upstream::start().await;
    let mut setup = Setup::new(upstream.endpoint());
    setup.grants = r#"
  - { name: by-spiffe, identities: ["spiffe://cluster.local/ns/reports/sa/all"], buckets: [reports], prefixes: ["spiffe/"], actions: [s3:GetObject] }
  - { name: by-dns, identities: ["dns:*.reports.svc"], buckets: [reports], prefixes: ["${dns}/"], actions: [s3:GetObject] }
  - { name: by-cn, identities: ["cn:batch*"], buckets: [reports], prefixes: ["${cn}/"], actions: [s3:GetObject] }
"#
    .to_owned();
    let proxy = setup.start().await;
    let all = TRUSTED.issue(|params| {
        params.subject_alt_names = vec![dns("one.reports.svc"), uri(&spiffe("all")), dns("two.reports.svc")];
        params.distinguished_name.push(DnType::CommonName, "batch 7");
    });
    let only_dns = TRUSTED.issue(|params| {
        params.subject_alt_names = vec![dns("ONE.reports.svc")];
        params.distinguished_name.push(DnType::CommonName, "batch 7");
    });
    let only_cn = TRUSTED.issue(|params| params.distinguished_name.push(DnType::CommonName, "batch 7"));
    let spiffe = spiffe("all");
    for (leaf, name, targets) in [
        (
            &all,
            spiffe.as_str(),
            [
                ("spiffe/x", 200),
                ("one.reports.svc/x", 200),
                ("two.reports.svc/x", 200),
                ("batch%207/x", 200),
                ("else/x", 403),
            ],
        ),
        (
            &only_dns,
            "dns:one.reports.svc",
            [
                ("spiffe/x", 403),
                ("one.reports.svc/x", 200),
                ("two.reports.svc/x", 403),
                ("batch%207/x", 200),
                ("else/x", 403),
            ],
        ),
        (
            &only_cn,
            "cn:batch 7",
            [
                ("spiffe/x", 403),
                ("one.reports.svc/x", 403),
                ("two.reports.svc/x", 403),
                ("batch%207/x", 200),
                ("/x", 403),
            ],
        ),
    ] {
        let before = proxy.log.lines().len();
        let mut wire = Wire::new(connect(proxy.address, tls(Some(leaf), "http/1.1")).await.unwrap());
        for (key, status) in targets {
            let reply = wire.ask("GET", &format!("/reports/{key}"), &[], b"").await;
            assert_eq!(reply.status, status, "{name} {key}: {}", reply.text());
        }
        let lines = proxy.log.exactly(before + targets.len()).await;
        assert!(lines[before..].iter().all(|line| access(line, "identity") == name), "{lines:#?}");
    }
}

#[tokio::test]
async fn plain_http_is_told_what_is_wrong() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = Wire::new(TcpStream::connect(proxy.address).await.unwrap());
    wire.send(request("GET", "/reports/daily/x", &[], b"")).await;
    let reply = wire.answer("GET").await;
    assert_eq!((reply.status, reply.any_code().as_str()), (400, "InvalidRequest"));
    assert!(reply.text().contains("https://"), "{}", reply.text());
    assert!(wire.ends().await);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"plaintext\"}", 1.0).await;

    // A large upload is told too, although most of it is never read.
    let mut wire = Wire::new(TcpStream::connect(proxy.address).await.unwrap());
    let _ = wire.try_send(&request("PUT", "/reports/daily/x", &[], &vec![b'x'; 50_000])).await;
    assert_eq!(wire.answer("PUT").await.status, 400);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn tls_1_2_is_refused_unless_it_is_allowed() {
    let upstream = Upstream::start().await;
    let old = || {
        let leaf = TRUSTED.client("admin");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(TRUSTED.certificate.clone()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
        let builder = builder.with_root_certificates(roots);
        builder.with_client_auth_cert(vec![leaf.certificate.clone()], leaf.key()).unwrap()
    };
    let proxy = Setup::new(upstream.endpoint()).start().await;
    assert!(attempt(&proxy, old()).await.is_err());
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"protocol\"}", 1.0).await;

    let mut setup = Setup::new(upstream.endpoint());
    setup.more_tls = r#", min_version: "1.2""#.to_owned();
    assert_eq!(attempt(&setup.start().await, old()).await, Ok(200));
}
