//! An STS of ours: it keeps what it is asked and says what it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::service::Service;
use super::{SECRET, eventually};

/// A question as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// The fields of the form.
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) authorization: Option<String>,
    /// The session token that signed.
    pub(crate) security_token: Option<String>,
}

impl Asked {
    pub(crate) fn action(&self) -> &str {
        self.field("Action")
    }

    /// A field of the form; empty when it is not there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }
}

/// What the fake does with a question.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// A session that lives so long, or the caller's identity.
    Session(Duration),
    /// That the caller is somebody else.
    Caller(&'static str),
    Error(u16, &'static str, String),
    Raw(u16, &'static str),
    /// A session when the test lets it through.
    Later(Arc<tokio::sync::Semaphore>),
    /// A session after as long as STS takes.
    After(Duration),
    Silence,
}

type Behaviour = Arc<dyn Fn(&Asked) -> Says + Send + Sync>;

struct State {
    behaviour: Mutex<Behaviour>,
    asked: Mutex<Vec<Asked>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// Seconds by which its clock is ahead.
    ahead: AtomicI64,
}

/// A running fake.
pub(crate) struct FakeSts {
    state: Arc<State>,
    address: SocketAddr,
    service: Option<Service>,
}

/// What a session lives in AWS, unless somebody asks for less.
pub(crate) const HOUR: Duration = Duration::from_hours(1);

impl FakeSts {
    /// Gives everybody sessions of an hour.
    pub(crate) fn start() -> Self {
        Self::scripted(|_| Says::Session(HOUR))
    }

    pub(crate) fn scripted(behaviour: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let state = Arc::new(State {
            behaviour: Mutex::new(Arc::new(behaviour)),
            asked: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            ahead: AtomicI64::new(0),
        });
        let service = serve(&state, None);
        Self { state, address: service.address, service: Some(service) }
    }

    /// Behaves otherwise from now on.
    pub(crate) fn becomes(&self, behaviour: impl Fn(&Asked) -> Says + Send + Sync + 'static) {
        *self.state.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// No longer there: connections are refused.
    pub(crate) fn goes_down(&mut self) {
        self.service = None;
    }

    pub(crate) async fn comes_up(&mut self) {
        // The kernel may still hold the port for a moment.
        let address = self.address;
        eventually("the port of the fake STS", async || {
            let free = std::net::TcpStream::connect(address).is_err();
            free.then_some(())
        })
        .await;
        self.service = Some(serve(&self.state, Some(self.address)));
    }

    /// Sets its clock ahead of ours.
    pub(crate) fn is_ahead(&self, seconds: i64) {
        self.state.ahead.store(seconds, Ordering::Relaxed);
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every question so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The questions about one session name.
    pub(crate) fn about(&self, session: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.field("RoleSessionName") == session).collect()
    }

    /// Questions that were open at the same time, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::Relaxed)
    }
}

fn serve(state: &Arc<State>, address: Option<SocketAddr>) -> Service {
    let state = state.clone();
    Service::start(address, move |request| {
        let state = state.clone();
        async move { answer(&state, &request).await }
    })
}

async fn answer(state: &State, request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    let asked = Asked {
        form: form(request.body()),
        authorization: header("authorization"),
        security_token: header("x-amz-security-token"),
    };
    let number = {
        let mut all = state.asked.lock().unwrap();
        all.push(asked.clone());
        all.len()
    };
    let behaviour = state.behaviour.lock().unwrap().clone();
    let open = state.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    state.most_at_once.fetch_max(open, Ordering::SeqCst);
    let says = behaviour(&asked);
    match &says {
        Says::Later(gate) => gate.acquire().await.unwrap().forget(),
        Says::After(pause) => tokio::time::sleep(*pause).await,
        _ => {}
    }
    state.at_once.fetch_sub(1, Ordering::SeqCst);
    let ahead = time::Duration::seconds(state.ahead.load(Ordering::Relaxed));
    let (status, body) = match says {
        Says::Session(lifetime) => (200, session(&asked, number, lifetime + ahead.unsigned_abs())),
        Says::Later(_) | Says::After(_) => (200, session(&asked, number, HOUR)),
        Says::Caller(arn) => (200, caller(arn)),
        Says::Error(status, code, message) => (
            status,
            format!(
                r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"#
            ),
        ),
        Says::Raw(status, body) => (status, body.to_owned()),
        Says::Silence => std::future::pending().await,
    };
    let date = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let response = Response::builder()
        .status(status)
        .header("date", (OffsetDateTime::now_utc() + ahead).format(date).unwrap())
        .header("content-type", "text/xml");
    response.body(Full::from(body)).unwrap()
}

/// A session whose token says for whom it is, or the caller's identity.
fn session(asked: &Asked, number: usize, lifetime: Duration) -> String {
    let action = asked.action();
    if action == "GetCallerIdentity" {
        return caller("arn:aws:sts::123456789012:assumed-role/s3-proxy/s");
    }
    let name = asked.field("RoleSessionName");
    let expires = OffsetDateTime::from(SystemTime::now() + lifetime).format(&Rfc3339).unwrap();
    format!(
        r#"<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>
<AssumedRoleUser><AssumedRoleId>AROA:{name}</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/s3-proxy/{name}</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>session/{name}/{number}</SessionToken><Expiration>{expires}</Expiration></Credentials>
</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"#
    )
}

fn caller(arn: &str) -> String {
    format!(
        r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AROA:s</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"#
    )
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned()
    };
    let text = std::str::from_utf8(body).unwrap();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}
