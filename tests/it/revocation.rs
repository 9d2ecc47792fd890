//! Certificates that are good no longer: on a revocation list, or out of date while their connection is open.

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use time::{Duration, OffsetDateTime};

use crate::harness::{
    Leaf, Proxy, Setup, Step, TRUSTED, Upstream, Wire, access, connect, eventually, head, request, spiffe,
    tls, uri,
};

/// A list of the trusted authority's that is good until `next`.
pub(crate) fn list(revoked: &[u64], next: Duration) -> String {
    TRUSTED.sign_list(&list_of(revoked, Duration::hours(2), next))
}

/// What a list says that was issued `ago` and is good until `next`.
pub(crate) fn list_of(revoked: &[u64], ago: Duration, next: Duration) -> CertificateRevocationListParams {
    let now = OffsetDateTime::now_utc();
    let entry = |&serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: now - Duration::hours(1),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: now - ago,
        next_update: now + next,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.iter().map(entry).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
}

pub(crate) fn numbered(serial: u64) -> Leaf {
    TRUSTED.issue(|params| {
        params.subject_alt_names = vec![uri(&spiffe("admin"))];
        params.serial_number = Some(SerialNumber::from(serial));
    })
}

pub(crate) async fn attempt(proxy: &Proxy, leaf: &Leaf) -> Option<u16> {
    let mut wire = open(proxy, leaf).await?;
    wire.try_send(&request("GET", "/reports/daily/x", &[], b"")).await.ok()?;
    Some(wire.answer_head().await?.status)
}

pub(crate) async fn open(proxy: &Proxy, leaf: &Leaf) -> Option<Wire> {
    Some(Wire::new(connect(proxy.address, tls(Some(leaf), "http/1.1")).await.ok()?))
}

pub(crate) fn setup(upstream: &Upstream, crl: &str) -> Setup {
    let mut setup = Setup::new(upstream.endpoint());
    let file = setup.folder.path().join("crl.pem");
    std::fs::write(&file, crl).unwrap();
    setup.more_tls = format!(", client_crl: \"{}\"", file.display());
    setup
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let upstream = Upstream::start().await;
    let proxy = setup(&upstream, &list(&[7, 8], Duration::days(1))).start().await;
    assert_eq!(attempt(&proxy, &numbered(7)).await, None);
    assert_eq!(attempt(&proxy, &numbered(9)).await, Some(200));
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"revoked\"}", 1.0).await;
}

#[tokio::test]
async fn a_list_that_has_expired_vouches_for_nobody() {
    let upstream = Upstream::start().await;
    let proxy = setup(&upstream, &list(&[7], -Duration::hours(1))).start().await;
    assert_eq!(attempt(&proxy, &numbered(9)).await, None);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"revocation_unknown\"}", 1.0).await;
}

#[tokio::test]
async fn a_new_list_is_in_force_without_a_restart() {
    let upstream = Upstream::start().await;
    let proxy = setup(&upstream, &list(&[], Duration::days(1))).start().await;
    assert_eq!(attempt(&proxy, &numbered(7)).await, Some(200));
    std::fs::write(proxy.setup.folder.path().join("crl.pem"), list(&[7], Duration::days(1))).unwrap();
    proxy.reload.send(()).await.unwrap();
    proxy.metric_reaches("s3proxy_reloads_total{result=\"ok\"}", 1.0).await;
    assert_eq!(attempt(&proxy, &numbered(7)).await, None);
}

#[tokio::test]
async fn a_client_that_is_revoked_is_cut_off() {
    let upstream = Upstream::start().await;
    let proxy = setup(&upstream, &list(&[], Duration::days(1))).start().await;
    let mut revoked = open(&proxy, &numbered(7)).await.unwrap();
    let mut other = open(&proxy, &numbered(9)).await.unwrap();
    for wire in [&mut revoked, &mut other] {
        assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    }
    std::fs::write(proxy.setup.folder.path().join("crl.pem"), list(&[7], Duration::days(1))).unwrap();
    proxy.reload.send(()).await.unwrap();
    proxy.metric_reaches("s3proxy_reloads_total{result=\"ok\"}", 1.0).await;
    // It gets nothing any more: the connection ends, or says no.
    let _ = revoked.try_send(&request("GET", "/reports/daily/x", &[], b"")).await;
    let reply = revoked.answer_head().await;
    assert!(reply.as_ref().is_none_or(|reply| reply.status == 403), "served after it was revoked: {reply:?}");
    assert_eq!(other.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
}

/// Puts a list in force that revokes number 7.
pub(crate) async fn revoke(proxy: &Proxy) {
    std::fs::write(proxy.setup.folder.path().join("crl.pem"), list(&[7], Duration::days(1))).unwrap();
    proxy.reload.send(()).await.unwrap();
    proxy.metric_reaches("s3proxy_reloads_total{result=\"ok\"}", 1.0).await;
}

#[tokio::test]
async fn a_revoked_client_that_ignores_the_goodbye_gets_nothing_and_is_cut_off() {
    let upstream = Upstream::start().await;
    let proxy = setup(&upstream, &list(&[], Duration::days(1))).limits("drain_timeout: 1s").start().await;
    let mut client = proxy.frames(&numbered(7)).await;
    let stream = client.get("/reports/daily/x").await.unwrap();
    assert_eq!(client.body(stream).await.as_deref(), Some(""));
    let asked = upstream.seen().len();
    revoke(&proxy).await;
    let refused = eventually("the first refusal", async || {
        let stream = client.get("/reports/daily/x").await.ok()?;
        client.body(stream).await.filter(|body| !body.is_empty())
    })
    .await;
    assert!(refused.contains("<Code>AccessDenied</Code>"), "{refused}");
    let refused_from = upstream.seen().len();
    // It may not go on for ever, and nothing of it arrives.
    eventually("the end of the connection", async || {
        let Ok(stream) = client.get("/reports/daily/x").await else { return Some(()) };
        client.body(stream).await.is_none().then_some(())
    })
    .await;
    assert!(refused_from <= asked + 2, "served after the list was in force");
    assert_eq!(upstream.seen().len(), refused_from);
}

#[tokio::test]
async fn a_revoked_client_cannot_upload_for_ever() {
    let upstream = Upstream::scripted(|_| vec![Step::Body]).await;
    let proxy = setup(&upstream, &list(&[], Duration::days(1))).limits("drain_timeout: 300ms").start().await;
    let mut wire = open(&proxy, &numbered(7)).await.unwrap();
    wire.send(head("PUT", "/reports/daily/x", &["Content-Length: 1000000"])).await;
    wire.send("first").await;
    upstream.arrival().await;
    revoke(&proxy).await;
    eventually("the end of the upload", async || wire.try_send(b"more").await.is_err().then_some(())).await;
    let line = &proxy.log.exactly(1).await[0];
    assert_ne!(access(line, "error_code"), "null", "{line}");
    assert!(!upstream.only().whole);
}

#[tokio::test]
async fn a_connection_ends_with_its_clients_certificate() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let short = TRUSTED.issue(|params| {
        params.subject_alt_names = vec![uri(&spiffe("admin"))];
        // Certificates count in whole seconds.
        params.not_after = OffsetDateTime::now_utc() + Duration::seconds(3);
    });
    let mut wire = open(&proxy, &short).await.unwrap();
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    let began = std::time::Instant::now();
    assert!(wire.ends().await);
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    // Its last second is a whole one.
    eventually("the end of new connections too", async || {
        attempt(&proxy, &short).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_ends_with_the_list_that_vouched_for_it() {
    let upstream = Upstream::start().await;
    let until = std::time::SystemTime::now() + std::time::Duration::from_secs(3);
    let until = until.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let proxy = setup(&upstream, &list(&[], Duration::seconds(3))).start().await;
    let shown = proxy.metric("s3proxy_crl_expiry_timestamp_seconds").await;
    assert!((shown - until).abs() < 2.0, "{shown}");
    let mut wire = open(&proxy, &numbered(9)).await.unwrap();
    assert_eq!(wire.ask("GET", "/reports/daily/x", &[], b"").await.status, 200);
    let began = std::time::Instant::now();
    assert!(wire.ends().await);
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}
