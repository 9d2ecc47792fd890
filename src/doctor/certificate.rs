//! The certificate and what the identity in it may do.

use std::time::{Duration, SystemTime};

use super::Finding;
use crate::config::{Config, Files, Material};
use crate::identity::ClientIdentity;
use crate::net::read_certificates;
use crate::tls::{ClientLeaf, Keys, ServerTls};

/// cert-manager renews when a third of the time is left; less than a day means that nobody does.
const SOON: Duration = Duration::from_hours(24);

/// In a pod the certificate is also the client's; a gateway's need not chain to the roots of clients.
pub(super) fn look(config: &Config, gateway: bool) -> Vec<Finding> {
    let check = "certificate";
    let files = match &config.tls.material {
        Material::Files(files) => files,
        Material::Spiffe(socket) => {
            let found =
                format!("comes from the SPIFFE Workload API at {}, which is not asked here", socket.as_str());
            return vec![Finding::warning(
                check,
                found,
                "look at s3proxy_certificate_expiry_timestamp_seconds in /metrics",
            )];
        }
    };
    let server = match Keys::read(files).and_then(|keys| ServerTls::new(&config.tls, keys, None)) {
        Ok(server) => server,
        Err(error) => {
            return vec![Finding::bad(
                check,
                error.to_string(),
                "mount a chain, its key and the clients' roots (tls.*)",
            )];
        }
    };
    let date = humantime::format_rfc3339_seconds(server.not_after);
    let left = server.not_after.duration_since(SystemTime::now());
    let finding = match left {
        Err(_) => Finding::bad(check, format!("expired at {date}"), "find out why it is not renewed"),
        Ok(left) if left < SOON => Finding::warning(
            check,
            format!("expires at {date}"),
            "find out whether it is about to be renewed",
        ),
        Ok(_) => Finding::good(check, format!("fits its key, in date until {date}")),
    };
    if gateway {
        return vec![finding];
    }
    let chain = read_certificates(&files.certificate).unwrap_or_default();
    let trust = if server.still_trusts(&chain) {
        Finding::good("authority", "the certificate chains to tls.client_ca")
    } else {
        let found = "the proxy's own certificate does not chain to tls.client_ca as a client's";
        Finding::warning(
            "authority",
            found,
            "ca.crt is not of the certificate's issuer; for a gateway that is right: say --gateway",
        )
    };
    vec![finding, trust]
}

/// The client that the proxy's own certificate names, as in a pod with a sidecar, or a given one.
pub(super) fn grants(config: &Config, given: Option<&ClientIdentity>) -> Finding {
    let check = "grants";
    let own = || {
        let Material::Files(Files { certificate, .. }) = &config.tls.material else { return None };
        let chain = read_certificates(certificate).ok()?;
        Some(ClientLeaf::parse(chain.first()?).ok()?.identity)
    };
    let Some(identity) = given.cloned().or_else(own) else {
        return Finding::warning(check, "no client is known to look at", "name one with --identity");
    };
    if config.policy.entitle(&identity).is_empty() {
        let mend = "add a grant whose 'identities' match; proxy explain tells which";
        return Finding::bad(check, format!("{identity} is granted nothing"), mend);
    }
    Finding::good(check, format!("{identity} is granted something"))
}
