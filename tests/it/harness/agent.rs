//! A Pod Identity agent of ours, which keeps what it is asked.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::service::Service;
use super::{KEY_ID, SECRET};

type Behaviour = Arc<dyn Fn(&str) -> (u16, String) + Send + Sync>;

/// A running agent.
pub(crate) struct FakeAgent {
    service: Service,
    /// Path and `Authorization` of each question.
    asked: Arc<Mutex<Vec<(String, String)>>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl FakeAgent {
    /// Gives credentials for an hour.
    pub(crate) fn start() -> Self {
        let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let behaviour: Arc<Mutex<Behaviour>> =
            Arc::new(Mutex::new(Arc::new(|_| (200, credentials(Duration::from_hours(1))))));
        let (log, script) = (asked.clone(), behaviour.clone());
        let service = Service::start(None, move |request: Request<Bytes>| {
            let header =
                |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let token = header("authorization").unwrap_or_default();
            assert!(header("host").unwrap().starts_with("127.0.0.1:"));
            log.lock().unwrap().push((request.uri().to_string(), token.clone()));
            let (status, body) = script.lock().unwrap()(&token);
            std::future::ready(Response::builder().status(status).body(Full::from(body)).unwrap())
        });
        Self { service, asked, behaviour }
    }

    /// Answers otherwise from now on.
    pub(crate) fn becomes(&self, behaviour: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}/v1/credentials", self.service.address)
    }

    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

/// As the agent of EKS writes them.
pub(crate) fn credentials(lifetime: Duration) -> String {
    let expires = OffsetDateTime::from(SystemTime::now() + lifetime).format(&Rfc3339).unwrap();
    serde_json::json!({
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": SECRET,
        "Token": "pod-session-token",
        "AccountId": "123456789012",
        "Expiration": expires,
    })
    .to_string()
}
