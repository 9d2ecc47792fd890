//! Changes need no restart: grants and certificates, while connections stay open.

use rustls_pki_types::CertificateDer;

use crate::harness::{FOREIGN, Proxy, Setup, TRUSTED, Upstream, Wire, connect, eventually, request, tls};

const OPEN: &str = r#"
  - { name: opened, identities: ["spiffe://cluster.local/ns/reports/sa/nobody"], buckets: ["*"], actions: ["s3:Get*"] }
"#;

fn rewrite(proxy: &Proxy, change: impl FnOnce(String) -> String) {
    let file = proxy.setup.folder.path().join("config.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, change(text)).unwrap();
}

fn with_grants(text: &str, grants: &str) -> String {
    let (before, rest) = text.split_once("grants:").unwrap();
    let (_, after) = rest.split_once("limits:").unwrap();
    format!("{before}grants: {grants}\nlimits:{after}")
}

async fn reload(proxy: &Proxy, result: &str) {
    let series = format!("s3proxy_reloads_total{{result=\"{result}\"}}");
    let before = proxy.metric(&series).await;
    proxy.reload.send(()).await.unwrap();
    proxy.metric_reaches(&series, before + 1.0).await;
}

async fn status(wire: &mut Wire) -> u16 {
    wire.ask("GET", "/reports/secret/x", &[], b"").await.status
}

#[tokio::test]
async fn new_grants_are_in_force_on_open_connections() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("nobody").await;
    let mut admin = proxy.client("admin").await;
    let mut http2 = proxy.http2("nobody").await;
    assert_eq!((status(&mut wire).await, status(&mut admin).await), (403, 200));
    rewrite(&proxy, |text| with_grants(&text, OPEN));
    reload(&proxy, "ok").await;
    assert_eq!((status(&mut wire).await, status(&mut admin).await), (200, 403));
    let response = http2.begin("GET", "/reports/secret/x", &[], b"").await.unwrap();
    assert_eq!(response.status(), 200);
    rewrite(&proxy, |text| with_grants(&text, "[]"));
    reload(&proxy, "ok").await;
    assert_eq!(status(&mut wire).await, 403);
}

#[tokio::test]
async fn a_file_that_changes_is_noticed_without_a_signal() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("nobody").await;
    assert_eq!(status(&mut wire).await, 403);
    rewrite(&proxy, |text| with_grants(&text, OPEN));
    eventually("the new grants", async || (status(&mut wire).await == 200).then_some(())).await;
}

#[tokio::test]
async fn a_file_that_changes_while_the_process_starts_is_noticed() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start_while(|setup| {
        let file = setup.folder.path().join("config.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, with_grants(&text, OPEN)).unwrap();
    });
    proxy.readiness(200).await;
    eventually("the new grants", async || {
        (status(&mut proxy.client("nobody").await).await == 200).then_some(())
    })
    .await;

    // The certificate too, which is read a moment later.
    let new = TRUSTED.server();
    let proxy = Setup::new(upstream.endpoint()).start_while(|setup| {
        std::fs::write(setup.folder.path().join("server.crt"), &new.pem).unwrap();
        std::fs::write(setup.folder.path().join("server.key"), &new.key_pem).unwrap();
    });
    eventually("the new certificate", async || {
        (certificate_of(&proxy.client("admin").await) == new.certificate).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_counted() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let mut wire = proxy.client("admin").await;
    let good = std::fs::read_to_string(proxy.setup.folder.path().join("config.yaml")).unwrap();
    for broken in ["", "grants: {", "grants: []\n", &good.replace("s3:GetObject", "s3:GetObjct")] {
        rewrite(&proxy, |_| broken.to_owned());
        reload(&proxy, "error").await;
        assert_eq!(status(&mut wire).await, 200, "{broken}");
        assert_eq!(status(&mut proxy.client("admin").await).await, 200, "{broken}");
    }
    std::fs::remove_file(proxy.setup.folder.path().join("config.yaml")).unwrap();
    reload(&proxy, "error").await;
    assert_eq!(status(&mut wire).await, 200);
    std::fs::write(proxy.setup.folder.path().join("config.yaml"), with_grants(&good, "[]")).unwrap();
    reload(&proxy, "ok").await;
    assert_eq!(status(&mut wire).await, 403, "and once it is mended it is in force");
}

fn certificate_of(wire: &Wire) -> CertificateDer<'static> {
    wire.stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let folder = proxy.setup.folder.path().to_owned();
    let mut old = proxy.client("admin").await;
    let new = TRUSTED.server();

    // Half of a change: the key does not fit yet.
    std::fs::write(folder.join("server.crt"), &new.pem).unwrap();
    reload(&proxy, "error").await;
    assert_eq!(certificate_of(&proxy.client("admin").await), certificate_of(&old));
    // Nor does a change of grants get in beside it.
    rewrite(&proxy, |text| with_grants(&text, "[]"));
    reload(&proxy, "error").await;
    assert_eq!(status(&mut old).await, 200);
    rewrite(&proxy, |text| with_grants(&text, OPEN.replace("nobody", "admin").as_str()));

    std::fs::write(folder.join("server.key"), &new.key_pem).unwrap();
    reload(&proxy, "ok").await;
    assert_eq!(certificate_of(&proxy.client("admin").await), new.certificate);
    assert_eq!(status(&mut old).await, 200, "the open connection goes on");
}

#[tokio::test]
async fn authorities_are_changed_by_way_of_both() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let ca = proxy.setup.folder.path().join("ca.crt");
    let attempt = async |leaf| {
        let mut wire = Wire::new(connect(proxy.address, tls(Some(leaf), "http/1.1")).await.ok()?);
        wire.try_send(&request("GET", "/reports/x", &[], b"")).await.ok()?;
        Some(wire.answer_head().await?.status)
    };
    let (old, new) = (TRUSTED.client("admin"), FOREIGN.client("admin"));
    assert_eq!((attempt(&old).await, attempt(&new).await), (Some(200), None));
    std::fs::write(&ca, format!("{}{}", TRUSTED.pem, FOREIGN.pem)).unwrap();
    reload(&proxy, "ok").await;
    assert_eq!((attempt(&old).await, attempt(&new).await), (Some(200), Some(200)));
    std::fs::write(&ca, &FOREIGN.pem).unwrap();
    reload(&proxy, "ok").await;
    assert_eq!((attempt(&old).await, attempt(&new).await), (None, Some(200)));
}
