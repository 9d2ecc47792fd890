//! Files that are changed as Kubernetes changes them, or simply written: good ones come into force without a lost
//! request, bad ones change nothing, are counted, and the log says what is wrong with which.

use std::os::unix::fs::symlink;
use std::path::Path;

use time::Duration;

use crate::cli::Running;
use crate::harness::{
    Leaf, Proxy, Setup, TRUSTED, Upstream, Wire, connect, eventually, plain_get, request, tls,
};
use crate::revocation::{list, numbered};

/// A new version of a mounted volume: a folder beside the old one, and the link `..data` swapped to it.
fn swap(folder: &Path, version: usize, changed: &[(&str, &[u8])]) {
    let next = folder.join(format!("..v{version}"));
    std::fs::create_dir(&next).unwrap();
    for file in std::fs::read_dir(folder.join("..data")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), next.join(file.file_name())).unwrap();
    }
    for (name, text) in changed {
        std::fs::write(next.join(name), text).unwrap();
    }
    symlink(next.file_name().unwrap(), folder.join("..tmp")).unwrap();
    std::fs::rename(folder.join("..tmp"), folder.join("..data")).unwrap();
}

/// As the kubelet mounts a volume: each file is a link into `..data`, which is a link to a version.
fn mounted(upstream: &Upstream) -> Setup {
    let mut setup = Setup::new(upstream.endpoint());
    let folder = setup.folder.path();
    std::fs::create_dir(folder.join("..v0")).unwrap();
    symlink("..v0", folder.join("..data")).unwrap();
    for name in ["server.crt", "server.key", "ca.crt", "crl.pem", "config.yaml"] {
        symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("crl.pem"), list(&[7], Duration::days(1))).unwrap();
    setup.more_tls = format!(", client_crl: \"{}\"", folder.join("crl.pem").display());
    setup
}

/// What may be wrong: with which file, and what it holds then.
fn broken(config: &str) -> Vec<(&'static str, Vec<u8>)> {
    let other = TRUSTED.server();
    let half = |text: &str| text.as_bytes()[..text.len() / 2].to_vec();
    vec![
        ("server.crt", b"no certificate".to_vec()),
        ("server.crt", other.pem.as_bytes().to_vec()),
        ("server.crt", half(&other.pem)),
        ("server.key", other.key_pem.as_bytes().to_vec()),
        ("server.key", Vec::new()),
        ("ca.crt", Vec::new()),
        ("ca.crt", half(&TRUSTED.pem)),
        ("crl.pem", b"garbage".to_vec()),
        ("crl.pem", vec![0x30, 0x03, 1, 2, 3]),
        ("crl.pem", half(&list(&[7], Duration::days(1)))),
        ("config.yaml", b"listen: nowhere".to_vec()),
        ("config.yaml", config.replace("s3:GetObject", "s3:GetObjct").into_bytes()),
    ]
}

async fn errors_reach(proxy: &Proxy, count: f64) {
    proxy.metric_reaches("s3proxy_reloads_total{result=\"error\"}", count).await;
}

/// Whether both clients are still judged as before.
async fn as_before(proxy: &Proxy, what: &str) {
    let status = async |leaf: Leaf| {
        let mut wire = Wire::new(connect(proxy.address, tls(Some(&leaf), "http/1.1")).await.ok()?);
        wire.try_send(&request("GET", "/reports/x", &[], b"")).await.ok()?;
        Some(wire.answer_head().await?.status)
    };
    assert_eq!(status(numbered(9)).await, Some(200), "{what}");
    assert_eq!(status(numbered(7)).await, None, "{what}");
}

#[tokio::test]
async fn a_bad_file_of_each_kind_changes_nothing_whether_swapped_or_written() {
    let upstream = Upstream::start().await;
    let proxy = mounted(&upstream).start().await;
    let folder = proxy.setup.folder.path().to_owned();
    let mut open = proxy.client("admin").await;
    let config = std::fs::read_to_string(folder.join("config.yaml")).unwrap();
    let mut errors = 0.0;
    for (version, (name, text)) in broken(&config).into_iter().enumerate() {
        let what = format!("{name}: {:?}", String::from_utf8_lossy(&text));
        let good = std::fs::read(folder.join(name)).unwrap();
        if version % 2 == 0 {
            swap(&folder, version + 1, &[(name, &text)]);
        } else {
            std::fs::write(folder.join(name), &text).unwrap();
        }
        proxy.reload.send(()).await.unwrap();
        errors += 1.0;
        errors_reach(&proxy, errors).await;
        as_before(&proxy, &what).await;
        assert_eq!(open.ask("GET", "/reports/x", &[], b"").await.status, 200, "{what}");
        let ok = proxy.metric("s3proxy_reloads_total{result=\"ok\"}").await;
        std::fs::write(folder.join(name), &good).unwrap();
        proxy.reload.send(()).await.unwrap();
        proxy.metric_reaches("s3proxy_reloads_total{result=\"ok\"}", ok + 1.0).await;
        errors = proxy.metric("s3proxy_reloads_total{result=\"error\"}").await;
    }
}

#[tokio::test]
async fn a_swap_is_noticed_by_itself_and_no_request_is_lost() {
    let upstream = Upstream::start().await;
    let proxy = mounted(&upstream).start().await;
    let folder = proxy.setup.folder.path().to_owned();
    let new = TRUSTED.server();
    let mut wire = proxy.client("admin").await;
    swap(&folder, 1, &[("server.crt", new.pem.as_bytes()), ("server.key", new.key_pem.as_bytes())]);
    let mut asked = 0;
    eventually("the new certificate", async || {
        assert_eq!(wire.ask("GET", "/reports/x", &[], b"").await.status, 200);
        let fresh = proxy.client("admin").await;
        asked += 1;
        (fresh.stream.get_ref().1.peer_certificates().unwrap()[0] == new.certificate).then_some(())
    })
    .await;
    assert_eq!(upstream.seen().len(), asked);
}

#[tokio::test]
async fn the_log_says_what_is_wrong_with_which_file() {
    let upstream = Upstream::start().await;
    let setup = mounted(&upstream);
    let file = setup.write();
    let mut running = Running::start(&file);
    let listening = running.says("listening");
    let admin = listening["admin"].as_str().unwrap().parse().unwrap();
    running.says("credentials loaded");
    let folder = setup.folder.path();
    let config = std::fs::read_to_string(folder.join("config.yaml")).unwrap();
    for (name, text) in broken(&config) {
        let good = std::fs::read(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
        running.signal("-HUP");
        let line = running.says("reload refused; the last good configuration stays in force");
        let why = line["error"].as_str().unwrap();
        let named = match name {
            // The pair is read together, and the certificate named.
            "server.key" => why.contains("server.key") || why.contains("server.crt"),
            "config.yaml" => why.contains("listen: ") || why.contains("actions[0]"),
            _ => why.contains(name),
        };
        assert!(named, "{name}: {why}");
        std::fs::write(folder.join(name), good).unwrap();
        running.signal("-HUP");
        running.says("reloaded");
    }
    assert_eq!(plain_get(admin, "/readyz").await.status, 200);
}
