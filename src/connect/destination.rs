//! The proxy that a bridge leads to.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use rustls::pki_types::ServerName;

/// Where the proxy is, and whose certificate it has to show.
#[derive(Debug, Clone)]
pub struct Destination {
    authority: Authority,
    server_name: ServerName<'static>,
}

impl Destination {
    /// The same place, whose certificate is for another name.
    #[must_use]
    pub fn named(self, server_name: ServerName<'static>) -> Self {
        Self { server_name, ..self }
    }

    /// Whose certificate it has to show.
    pub fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }

    /// The address, for a look-up.
    pub fn host_and_port(&self) -> (&str, u16) {
        // A destination without a port cannot be made.
        (bare(self.authority.host()), self.authority.port_u16().unwrap_or_default())
    }

    /// The URI of a resource there. It decides where the connection goes; what is sent of it is the path.
    pub(super) fn locate(&self, path: Option<&PathAndQuery>) -> Result<Uri, http::Error> {
        let path = path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Uri::builder().scheme(Scheme::HTTPS).authority(self.authority.clone()).path_and_query(path).build()
    }
}

impl FromStr for Destination {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority: Authority = text.parse().map_err(|_| "not HOST:PORT")?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err("not HOST:PORT");
        }
        if authority.port_u16().is_none_or(|port| port == 0) {
            return Err("there is no port: HOST:PORT, for example proxy.example:8443");
        }
        let name = bare(authority.host()).to_owned();
        let server_name =
            ServerName::try_from(name).map_err(|_| "the host is neither a name nor an address")?;
        Ok(Self { authority, server_name })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.authority.fmt(f)
    }
}

fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port() {
        for (text, host, port) in [
            ("proxy.example:8443", "proxy.example", 8443),
            ("[::1]:1", "::1", 1),
            ("10.0.0.1:443", "10.0.0.1", 443),
        ] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!(destination.host_and_port(), (host, port));
            assert_eq!(destination.server_name().to_str(), host);
            assert_eq!(destination.locate(None).unwrap().to_string(), format!("https://{text}/"));
        }
        for bad in
            ["proxy.example", "proxy.example:", ":8443", "https://proxy.example:8443", "a@b:1", "h:0", ""]
        {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }
}
