//! Where the server's side of TLS comes from: files, or an agent that has to be waited for.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{Material, SpiffeSocket, Tls};
use crate::net::PemError;
use crate::process::Readiness;
use crate::tls::{Keys, ServerTls, Workload};

/// What is asked again when something has changed.
pub(super) enum Source {
    /// Files, which the configuration names.
    Files,
    /// A SPIFFE Workload API.
    Agent(Workload),
}

impl Source {
    /// What it says now.
    pub(super) fn keys(&self, material: &Material) -> Result<Keys, PemError> {
        match (self, material) {
            (Self::Agent(workload), _) => workload.keys(),
            (Self::Files, Material::Files(files)) => Keys::read(files),
            (Self::Files, Material::Spiffe(socket)) => {
                Err(PemError::unusable(socket.as_str().as_ref(), &"is asked from the next start on"))
            }
        }
    }

    /// Waits until an agent says something else; files are looked at.
    pub(super) async fn changed(&mut self) {
        match self {
            Self::Files => std::future::pending().await,
            Self::Agent(workload) => workload.changed().await,
        }
    }
}

/// Between attempts with an agent that is there and does not give what is needed.
const PAUSE: Duration = Duration::from_secs(5);

/// What was read from files, or what an agent says as soon as there is one; `None` if it is time to stop before that.
pub(super) async fn first(
    tls: &Tls,
    read: Option<ServerTls>,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> Option<(ServerTls, Source)> {
    match (read, &tls.material) {
        (Some(server), _) => Some((server, Source::Files)),
        (None, Material::Files(_)) => None,
        (None, Material::Spiffe(socket)) => {
            let _waiting = readiness.pending("SPIFFE certificate");
            tokio::select! {
                (server, workload) = from_agent(tls, socket) => Some((server, Source::Agent(workload))),
                () = stop.cancelled() => None,
            }
        }
    }
}

async fn from_agent(tls: &Tls, socket: &SpiffeSocket) -> (ServerTls, Workload) {
    tracing::info!(socket = socket.as_str(), "waiting for a certificate from the SPIFFE Workload API");
    let mut workload = loop {
        match Workload::connect(socket).await {
            Ok(workload) => break workload,
            Err(error) => tracing::error!("{error}"),
        }
        tokio::time::sleep(PAUSE).await;
    };
    loop {
        match workload.keys().and_then(|keys| ServerTls::new(tls, keys, None)) {
            Ok(server) => return (server, workload),
            Err(error) => tracing::error!("{error}"),
        }
        tokio::select! {
            () = workload.changed() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
