//! The way to S3: the region, its endpoint's addresses, and whether they can be reached.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::{Finding, PrefixList};
use crate::config::{Config, CredentialSource};
use crate::spec::Region;

pub(super) fn region(config: &Config) -> Finding {
    let (check, region) = ("region", &config.upstream.region);
    let host = config.upstream.endpoint.host().unwrap_or_default();
    if host.contains("amazonaws.") && !host.split('.').any(|label| label == region) {
        let mend = "requests signed for another region are refused, and lead through NAT; correct upstream.endpoint or upstream.region";
        return Finding::bad(check, format!("{region}, but the endpoint is {host}"), mend);
    }
    // Regions of partitions that nobody outside has are not known here, and nothing is said of them.
    if let CredentialSource::WebIdentity { role_arn, .. } = &config.credentials.source
        && let Ok(known) = region.parse::<Region>()
        && role_arn.partition() != known.partition().as_str()
    {
        return Finding::bad(
            check,
            format!("{region} and {role_arn} are of two partitions"),
            "correct upstream.region or the role",
        );
    }
    Finding::good(check, region.clone())
}

/// Addresses that are tried; a name of S3's has up to eight.
const MOST: usize = 8;

pub(super) async fn endpoint(config: &Config, list: Option<&PrefixList>) -> Vec<Finding> {
    let check = "endpoint";
    let uri = &config.upstream.endpoint;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let default = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    let port = uri.port_u16().unwrap_or(default);
    let looked_up =
        tokio::time::timeout(config.limits.connect_timeout, tokio::net::lookup_host((host, port)));
    let addresses: Vec<SocketAddr> = match looked_up.await {
        Ok(Ok(addresses)) => addresses.take(MOST).collect(),
        Ok(Err(error)) => {
            return vec![Finding::bad(
                check,
                format!("{host}: {error}"),
                "look at DNS: CoreDNS, the VPC's resolver, a NetworkPolicy",
            )];
        }
        Err(_) => {
            return vec![Finding::bad(
                check,
                format!("{host}: no answer from DNS"),
                "look at DNS and its NetworkPolicy",
            )];
        }
    };
    let mut deaf = Vec::new();
    for address in &addresses {
        let connecting = tokio::time::timeout(config.limits.connect_timeout, TcpStream::connect(address));
        if !matches!(connecting.await, Ok(Ok(_))) {
            deaf.push(address.ip().to_string());
        }
    }
    let all = addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
    let reached = if deaf.is_empty() {
        Finding::good(check, format!("{host}:{port} by {all}"))
    } else {
        let mend =
            "look at the route to the gateway endpoint, security groups, network ACLs, the NetworkPolicy";
        Finding::bad(check, format!("{host}:{port} is not reached by {}", deaf.join(", ")), mend)
    };
    std::iter::once(reached).chain(list.map(|list| listed(&addresses, list))).collect()
}

fn listed(addresses: &[SocketAddr], list: &PrefixList) -> Finding {
    let check = "prefix list";
    let outside: Vec<_> = addresses
        .iter()
        .map(SocketAddr::ip)
        .filter(|ip| !list.contains(*ip))
        .map(|ip| ip.to_string())
        .collect();
    if outside.is_empty() {
        return Finding::good(check, "every address is in it: a gateway endpoint's route would take them");
    }
    let mend =
        "right for an interface endpoint (private addresses); else it is another region's S3, through NAT";
    Finding::warning(check, format!("not in it: {}", outside.join(", ")), mend)
}
