//! `proxy connect` as a process, from its command line to its exit code.

use std::path::Path;

use tokio::net::{TcpStream, UnixStream};

use crate::cli::{Running, run};
use crate::harness::{Setup, Step, TRUSTED, Upstream, Wire, plain_get, request, write_client};

/// The arguments for a client's folder, which [`write_client`] has filled.
fn arguments(to: u16, folder: &Path, more: &[&str]) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let to = format!("localhost:{to}");
    let mut all = [
        "connect",
        "--to",
        &to,
        "--cert",
        &file("tls.crt"),
        "--key",
        &file("tls.key"),
        "--ca",
        &file("ca.crt"),
    ]
    .map(str::to_owned)
    .to_vec();
    all.extend(more.iter().map(|&text| text.to_owned()));
    all
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn nothing_but_this_machine_can_be_listened_on() {
    let folder = tempfile::tempdir().unwrap();
    write_client(folder.path(), &TRUSTED.client("writer"));
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:127.0.0.1]:0", "proxy.example:80", "9000"]
    {
        let (code, stdout, stderr) = run(&borrowed(&arguments(1, folder.path(), &["--listen", address])));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{address}");
        assert!(stderr.contains("--listen") && stderr.contains("loopback"), "{stderr}");
    }
}

#[test]
fn bad_usage_ends_with_2_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    write_client(folder.path(), &TRUSTED.client("writer"));
    let more = |more: &[&str]| run(&borrowed(&arguments(1, folder.path(), more)));
    for bad in [
        ["--server-name", "a b"],
        ["--idle-timeout", "0s"],
        ["--drain-timeout", "soon"],
        ["--max-connections", "0"],
        ["--admin", "9090"],
        ["--listen", "unix:"],
    ] {
        let (code, _, stderr) = more(&bad);
        assert_eq!(code, Some(2), "{bad:?}");
        assert!(stderr.contains(bad[0]), "{stderr}");
    }
    for to in ["localhost", "https://localhost:1", ""] {
        let mut all = arguments(1, folder.path(), &[]);
        to.clone_into(&mut all[2]);
        assert_eq!(run(&borrowed(&all)).0, Some(2), "{to}");
    }
    assert_eq!(run(&["connect"]).0, Some(2));
    std::fs::write(folder.path().join("tls.key"), TRUSTED.client("writer").key_pem).unwrap();
    let (code, _, stderr) = more(&["--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("tls.crt") && !stderr.contains("PRIVATE KEY"), "{stderr}");
}

#[test]
fn an_address_that_is_taken_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    write_client(folder.path(), &TRUSTED.client("writer"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let socket = format!("unix:{}", folder.path().join("tls.crt").display());
    for address in [&port, &socket] {
        let (code, _, stderr) = run(&borrowed(&arguments(1, folder.path(), &["--listen", address])));
        assert_eq!(code, Some(3), "{stderr}");
        assert!(stderr.contains(address.as_str()), "{stderr}");
    }
    assert!(folder.path().join("tls.crt").exists(), "a file that is no socket is not removed");
}

// The proxy answers while this thread waits for a line of the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_serves_reloads_and_drains() {
    let upstream = Upstream::start().await;
    let proxy = Setup::new(upstream.endpoint()).start().await;
    let folder = tempfile::tempdir().unwrap();
    write_client(folder.path(), &TRUSTED.client("admin"));
    let socket = folder.path().join("s3.sock");
    let listen = format!("unix:{}", socket.display());
    // What a bridge that was killed leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let more = ["--listen", &listen, "--admin", "127.0.0.1:0", "--server-name", "a.s3.internal"];
    let arguments = arguments(proxy.address.port(), folder.path(), &more);
    let mut running = Running::command(&borrowed(&arguments));
    let listening = running.says("listening");
    assert_eq!(listening["listen"], listen);
    let admin = listening["admin"].as_str().unwrap().parse().unwrap();
    running.says("ready");
    assert_eq!(plain_get(admin, "/readyz").await.status, 200);

    let mut wire = Wire::new(UnixStream::connect(&socket).await.unwrap());
    let secret = "Authorization: AWS4-HMAC-SHA256 Credential=x, Signature=never-appears";
    assert_eq!(
        wire.ask("PUT", "/reports/x?X-Amz-Signature=never-appears", &[secret], b"b").await.status,
        200
    );
    assert_eq!(wire.ask("PUT", "/reports/x", &[secret], b"body").await.status, 200);
    assert_eq!(upstream.last().body, b"body");
    running.signal("-HUP");
    running.says("reloaded");
    running.signal("-TERM");
    let (code, stdout, log) = running.end();
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{log}");
    assert!(!log.contains("never-appears") && !log.contains("PRIVATE KEY"), "{log}");
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_second_sigterm_means_now_and_leaves_no_socket() {
    let proxy = Upstream::encrypted(|_| vec![Step::Silence]).await;
    let folder = tempfile::tempdir().unwrap();
    write_client(folder.path(), &TRUSTED.client("admin"));
    let socket = folder.path().join("s3.sock");
    for listen in ["127.0.0.1:0".to_owned(), format!("unix:{}", socket.display())] {
        let arguments = arguments(proxy.address.port(), folder.path(), &["--listen", &listen]);
        let mut running = Running::command(&borrowed(&arguments));
        let listening = running.says("listening");
        assert!(listening.get("admin").is_none());
        let address = listening["listen"].as_str().unwrap().to_owned();
        let before = proxy.seen().len();
        let asked = request("GET", "/reports/x", &[], b"");
        // Kept open until the end.
        let (mut tcp, mut unix) = (None, None);
        if listen.starts_with("unix:") {
            let mut wire = Wire::new(UnixStream::connect(&socket).await.unwrap());
            wire.send(&asked).await;
            unix = Some(wire);
        } else {
            let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
            wire.send(&asked).await;
            tcp = Some(wire);
        }
        crate::harness::eventually("the request", async || (proxy.seen().len() > before).then_some(())).await;
        running.signal("-TERM");
        running.says("draining");
        running.signal("-TERM");
        let (code, _, log) = running.end();
        assert_eq!(code, Some(3), "{log}");
        assert!(!socket.exists());
        drop((tcp, unix));
    }
}
