//! Certificate and roots from a SPIFFE Workload API: waited for, renewed without a lost request, and kept.

use std::path::PathBuf;

use rcgen::{ExtendedKeyUsagePurpose, IsCa};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;

use crate::harness::workload::Agent;
use crate::harness::{
    Authority, FOREIGN, Leaf, Setup, TRUSTED, Upstream, Wire, connect, dns, eventually, request, tls, uri,
};

const SERVER: &str = "spiffe://cluster.local/ns/s3/sa/proxy";

/// An SVID that serves as a server's certificate as well.
fn svid() -> Leaf {
    TRUSTED.issue(|params| {
        params.subject_alt_names = vec![uri(SERVER), dns("localhost")];
        params.is_ca = IsCa::ExplicitNoCa;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    })
}

/// A proxy that asks an agent, and the agent's socket.
fn setup(upstream: &Upstream) -> (Setup, PathBuf) {
    let mut setup = Setup::new(upstream.endpoint());
    let socket = setup.folder.path().join("agent.sock");
    setup.tls = Some(format!("spiffe: {{ socket: \"unix://{}\" }}", socket.display()));
    (setup, socket)
}

fn certificate_of(wire: &Wire) -> CertificateDer<'static> {
    wire.stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

async fn status(address: std::net::SocketAddr, leaf: &Leaf) -> Option<u16> {
    let mut wire = Wire::new(connect(address, tls(Some(leaf), "http/1.1")).await.ok()?);
    wire.try_send(&request("GET", "/reports/x", &[], b"")).await.ok()?;
    Some(wire.answer_head().await?.status)
}

#[tokio::test]
async fn an_agent_is_waited_for() {
    let upstream = Upstream::start().await;
    let (setup, socket) = setup(&upstream);
    let proxy = setup.start_unready();
    let reply = proxy.readiness(503).await;
    assert!(reply.text().contains("SPIFFE certificate"), "{}", reply.text());
    let leaf = svid();
    let _agent = Agent::start(&socket, SERVER, &leaf, &[&TRUSTED]);
    proxy.readiness(200).await;
    let mut wire = proxy.client("admin").await;
    assert_eq!(certificate_of(&wire), leaf.certificate);
    assert_eq!(wire.ask("GET", "/reports/x", &[], b"").await.status, 200);
}

#[tokio::test]
async fn a_stop_while_an_agent_is_waited_for_is_heeded() {
    let upstream = Upstream::start().await;
    let (setup, _) = setup(&upstream);
    let proxy = setup.start_unready();
    proxy.readiness(503).await;
    proxy.stop.cancel();
    let address = proxy.address;
    proxy.stopped().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_no_request_is_lost() {
    let upstream = Upstream::start().await;
    let (setup, socket) = setup(&upstream);
    let agent = Agent::start(&socket, SERVER, &svid(), &[&TRUSTED]);
    let proxy = setup.start().await;
    let mut wire = proxy.client("admin").await;
    for round in 0..3 {
        let next = svid();
        agent.rotate(SERVER, &next, &[&TRUSTED]);
        eventually("the renewed certificate", async || {
            assert_eq!(wire.ask("GET", "/reports/x", &[], b"").await.status, 200, "round {round}");
            let mut fresh = proxy.client("admin").await;
            assert_eq!(fresh.ask("GET", "/reports/x", &[], b"").await.status, 200, "round {round}");
            (certificate_of(&fresh) == next.certificate).then_some(())
        })
        .await;
    }
    // Away is not gone: the last one stays.
    drop(agent);
    assert_eq!(status(proxy.address, &TRUSTED.client("admin")).await, Some(200));
}

#[tokio::test]
async fn the_bundle_decides_about_clients_and_of_its_own_domain_alone() {
    let upstream = Upstream::start().await;
    let (setup, socket) = setup(&upstream);
    let agent = Agent::start(&socket, SERVER, &svid(), &[&TRUSTED]);
    let proxy = setup.start().await;
    let member = TRUSTED.client("admin");
    let stranger = TRUSTED
        .issue(|params| params.subject_alt_names = vec![uri("spiffe://elsewhere/ns/reports/sa/admin")]);
    let nameless = TRUSTED.issue(|params| params.subject_alt_names = vec![dns("admin.reports.svc")]);
    assert_eq!(status(proxy.address, &member).await, Some(200));
    assert_eq!(status(proxy.address, &stranger).await, None);
    assert_eq!(status(proxy.address, &nameless).await, None);
    proxy.metric_reaches("s3proxy_handshakes_total{result=\"bad_identity\"}", 2.0).await;

    let mut open = proxy.client("admin").await;
    assert_eq!(open.ask("GET", "/reports/x", &[], b"").await.status, 200);
    let roots: [&Authority; 1] = [&FOREIGN];
    agent.rotate(SERVER, &svid(), &roots);
    assert!(open.ends().await, "whom the new bundle does not know is cut off");
    assert_eq!(status(proxy.address, &member).await, None);
    assert_eq!(status(proxy.address, &FOREIGN.client("admin")).await, Some(200));
}
