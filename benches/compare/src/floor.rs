//! The floor: what hyper and rustls cost when they relay and nothing else. No signing, policy, log or limit.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tls;

type Upstream = Client<HttpsConnector<HttpConnector>, Incoming>;

/// Relays from a free port until the process ends.
pub(crate) async fn serve(folder: &Path, upstream: SocketAddr) -> anyhow::Result<()> {
    let acceptor = TlsAcceptor::from(tls::server(folder, true)?);
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls::relay(folder)?)
        .https_only()
        .enable_http1()
        .wrap_connector(tcp);
    let client: Upstream = Client::builder(TokioExecutor::new()).set_host(false).build(connector);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (tcp, _) = listener.accept().await?;
        let (acceptor, client) = (acceptor.clone(), client.clone());
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            let relay = service_fn(|request| relay(&client, upstream, request));
            // A connection that breaks is its client's to report.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), relay).await;
        });
    }
}

async fn relay(
    client: &Upstream,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Error> {
    let path = request.uri().path_and_query().cloned();
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(http::uri::Scheme::HTTPS);
    parts.authority = upstream.to_string().parse().ok();
    parts.path_and_query = path;
    // Of parts that were a URI's before.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    client.request(request).await
}
