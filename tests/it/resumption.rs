//! Sessions that are resumed: for clients that are trusted as before, and for nobody else.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind};
use time::{Duration, OffsetDateTime};

use crate::harness::{
    FOREIGN, Leaf, Proxy, Setup, TRUSTED, Upstream, Wire, access, connect, spiffe, tls, uri,
};
use crate::revocation::{list, numbered, revoke, setup};

/// A client that keeps its sessions, over all connections of clones.
fn keeping(leaf: &Leaf) -> ClientConfig {
    let mut config = tls(Some(leaf), "http/1.1");
    config.resumption = Resumption::default();
    config
}

fn keeping_tls12(leaf: &Leaf) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(TRUSTED.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let builder = builder.with_root_certificates(roots);
    builder.with_client_auth_cert(vec![leaf.certificate.clone()], leaf.key()).unwrap()
}

/// A connection and a request; how the handshake went and the status, or `None` if there was no answer.
async fn visit(proxy: &Proxy, config: &ClientConfig) -> Option<(HandshakeKind, u16)> {
    let mut wire = Wire::new(connect(proxy.address, config.clone()).await.ok()?);
    let kind = wire.stream.get_ref().1.handshake_kind()?;
    wire.try_send(b"GET /reports/daily/x HTTP/1.1\r\nHost: localhost\r\n\r\n").await.ok()?;
    Some((kind, wire.answer_head().await?.status))
}

const FIRST: Option<(HandshakeKind, u16)> = Some((HandshakeKind::Full, 200));
const AGAIN: Option<(HandshakeKind, u16)> = Some((HandshakeKind::Resumed, 200));

async fn reload(proxy: &Proxy) {
    let series = "s3proxy_reloads_total{result=\"ok\"}";
    let before = proxy.metric(series).await;
    proxy.reload.send(()).await.unwrap();
    proxy.metric_reaches(series, before + 1.0).await;
}

#[tokio::test]
async fn a_client_that_comes_back_is_known_again() {
    let upstream = Upstream::start().await;
    let mut setup = Setup::new(upstream.endpoint());
    setup.more_tls = r#", min_version: "1.2""#.to_owned();
    let proxy = setup.start().await;
    for config in [keeping(&TRUSTED.client("admin")), keeping_tls12(&TRUSTED.client("admin"))] {
        assert_eq!(visit(&proxy, &config).await, FIRST);
        assert_eq!(visit(&proxy, &config).await, AGAIN);
        assert_eq!(visit(&proxy, &config).await, AGAIN, "with a ticket of the resumed session");
    }
    // It is itself and nobody else.
    let reader = keeping(&TRUSTED.client("reader"));
    assert_eq!(visit(&proxy, &reader).await, FIRST);
    assert_eq!(visit(&proxy, &reader).await, AGAIN);
    let lines = proxy.log.exactly(8).await;
    assert_eq!(access(&lines[2], "identity"), spiffe("admin"));
    assert_eq!(access(&lines[7], "identity"), spiffe("reader"));
    assert!((proxy.metric("s3proxy_resumed_handshakes_total").await - 5.0).abs() < 0.5);
}

#[tokio::test]
async fn a_change_of_anything_but_trust_ends_no_session_and_a_new_certificate_is_shown() {
    let upstream = Upstream::start().await;
    let proxy = setup(&upstream, &list(&[7], Duration::days(1))).start().await;
    let config = keeping(&numbered(9));
    assert_eq!(visit(&proxy, &config).await, FIRST);
    reload(&proxy).await;
    assert_eq!(visit(&proxy, &config).await, AGAIN);
    let folder = proxy.setup.folder.path();
    let new = TRUSTED.server();
    std::fs::write(folder.join("server.crt"), &new.pem).unwrap();
    std::fs::write(folder.join("server.key"), &new.key_pem).unwrap();
    reload(&proxy).await;
    // A pair is replaced for a reason: who would resume goes on with the old one, unseen.
    assert_eq!(visit(&proxy, &config).await, FIRST);
    assert_eq!(visit(&proxy, &config).await, AGAIN);
}

#[tokio::test]
async fn a_revoked_client_resumes_nothing() {
    let upstream = Upstream::start().await;
    let proxy = setup(&upstream, &list(&[], Duration::days(1))).start().await;
    let (revoked, other) = (keeping(&numbered(7)), keeping(&numbered(9)));
    for config in [&revoked, &other] {
        assert_eq!(visit(&proxy, config).await, FIRST);
    }
    revoke(&proxy).await;
    assert_eq!(visit(&proxy, &revoked).await, None);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"revoked\"}", 1.0).await;
    assert_eq!(visit(&proxy, &other).await, FIRST, "judged anew by the new list");
    assert_eq!(visit(&proxy, &other).await, AGAIN);
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn a_client_whose_authority_is_gone_resumes_nothing() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let config = keeping(&TRUSTED.client("admin"));
    assert_eq!(visit(&proxy, &config).await, FIRST);
    std::fs::write(proxy.setup.folder.path().join("ca.crt"), &FOREIGN.pem).unwrap();
    reload(&proxy).await;
    assert_eq!(visit(&proxy, &config).await, None);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"unknown_ca\"}", 1.0).await;
    // Not even when it is back: what was sealed for others is not opened.
    std::fs::write(proxy.setup.folder.path().join("ca.crt"), &TRUSTED.pem).unwrap();
    reload(&proxy).await;
    assert_eq!(visit(&proxy, &config).await, FIRST);
}

#[tokio::test]
async fn a_client_that_has_expired_resumes_nothing() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let config = keeping(&TRUSTED.issue(|params| {
        params.subject_alt_names = vec![uri(&spiffe("admin"))];
        params.not_after = OffsetDateTime::now_utc() + Duration::seconds(4);
    }));
    assert_eq!(visit(&proxy, &config).await, FIRST);
    assert_eq!(visit(&proxy, &config).await, AGAIN);
    crate::harness::eventually("the end of its sessions", async || {
        visit(&proxy, &config).await.is_none().then_some(())
    })
    .await;
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"expired\"}", 1.0).await;
}

#[tokio::test]
async fn a_list_that_has_expired_ends_every_session() {
    let upstream = Upstream::start().await;
    let proxy = setup(&upstream, &list(&[], Duration::seconds(4))).start().await;
    let config = keeping(&numbered(9));
    assert_eq!(visit(&proxy, &config).await, FIRST);
    crate::harness::eventually("the end of its sessions", async || {
        visit(&proxy, &config).await.is_none().then_some(())
    })
    .await;
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"revocation_unknown\"}", 1.0).await;
}
