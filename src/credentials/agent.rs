//! The agent of EKS Pod Identity on this node: it takes the pod's token and gives credentials.
//!
//! The SDK's provider for containers takes its address from the environment alone, and prefers another variable to
//! ours; this one asks exactly whom the configuration names.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpStream;

use super::error::{LoadError, presentable};
use crate::config::AgentUri;
use crate::sigv4::SigningCredentials;
use crate::telemetry::chain;

const WHO: &str = "the Pod Identity agent";
/// The agent asks EKS in turn; the SDKs wait for two seconds and five.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Credentials have about two kilobytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The answer's fields. Source: AWS SDKs and tools reference guide, "Container credential provider".
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

/// Asks for credentials with a token.
pub(super) async fn ask(agent: &AgentUri, token: &str) -> Result<SigningCredentials, LoadError> {
    let answered = tokio::time::timeout(TIMEOUT, exchange(agent, token)).await;
    let (status, body) = answered.unwrap_or(Err(LoadError::TimedOut(TIMEOUT)))?;
    if status != StatusCode::OK {
        let message = presentable(&String::from_utf8_lossy(&body), token);
        return Err(LoadError::Refused { who: WHO, code: status.as_u16().to_string(), message });
    }
    understand(&body).ok_or(LoadError::Garbage { who: WHO, why: "no credentials are in it" })
}

async fn exchange(agent: &AgentUri, token: &str) -> Result<(StatusCode, Bytes), LoadError> {
    let unreachable = |error: &(dyn std::error::Error + 'static)| LoadError::Unreachable {
        who: WHO,
        why: presentable(&chain(error), token),
    };
    let uri = agent.uri();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream =
        TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await.map_err(|e| unreachable(&e))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(&e))?;
    let request = request(agent, token)?;
    let asking = async {
        let response = sender.send_request(request).await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body =
            body.map_err(|_| LoadError::Garbage { who: WHO, why: "its body is broken or too long" })?;
        Ok((status, body.to_bytes()))
    };
    let mut connection = std::pin::pin!(connection);
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        answered = &mut asking => answered,
        // The connection may end before the answer has been taken out of it.
        _ = &mut connection => asking.await,
    }
}

fn request(agent: &AgentUri, token: &str) -> Result<Request<Empty<Bytes>>, LoadError> {
    let uri = agent.uri();
    let invalid = |_| LoadError::Garbage { who: WHO, why: "the token is no header value" };
    let mut authorization = HeaderValue::from_str(token).map_err(invalid)?;
    authorization.set_sensitive(true);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, authorization)
        .body(Empty::new());
    request.map_err(|_| LoadError::Garbage { who: WHO, why: "its address makes no request" })
}

fn understand(body: &[u8]) -> Option<SigningCredentials> {
    let given: Given = serde_json::from_slice(body).ok()?;
    let expires: SystemTime = OffsetDateTime::parse(&given.expiration, &Rfc3339).ok()?.into();
    if given.access_key_id.is_empty() || given.secret_access_key.is_empty() || given.token.is_empty() {
        return None;
    }
    let token = Some(given.token);
    let given =
        Credentials::new(given.access_key_id, given.secret_access_key, token, Some(expires), "pod_identity");
    Some(given.into())
}
