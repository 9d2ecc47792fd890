//! What an account is looked at with: its clients, what is wanted of it, and the facts that only it can say.

use serde_json::Value;

use super::account::{Account, CallError};
use super::settings::{find_cluster, find_endpoint, find_key, private_route_tables, vpc};
use crate::spec::{Desired, Fact, resolve, resolve_text};

/// The deployment's KMS key, as it is.
#[derive(Debug, Clone)]
pub(super) struct KeyFound {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) has_alias: bool,
    /// Its alias is ours and its tags are not.
    pub(super) foreign: bool,
    pub(super) state: String,
}

/// The S3 gateway endpoint, as it is.
#[derive(Debug, Clone)]
pub(super) struct EndpointFound {
    pub(super) id: String,
    pub(super) ours: bool,
    pub(super) policy: Option<String>,
    pub(super) route_tables: Vec<String>,
}

/// The cluster, as it is.
#[derive(Debug, Clone)]
pub(super) struct ClusterFound {
    pub(super) vpc: Option<String>,
    pub(super) subnets: Vec<String>,
    pub(super) issuer: Option<String>,
}

/// What the account has been asked before anything else.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) key_arn: Option<String>,
    pub(super) endpoint_id: Option<String>,
    pub(super) cluster: Option<ClusterFound>,
    pub(super) vpc: Option<String>,
    /// Of the private subnets.
    pub(super) route_tables: Vec<String>,
}

/// An account, looked at for one deployment.
#[derive(Debug)]
pub struct Context<'d> {
    pub(super) account: &'d Account,
    pub(super) desired: &'d Desired,
    pub(super) known: Known,
}

impl<'d> Context<'d> {
    /// Asks for the facts.
    pub async fn look(account: &'d Account, desired: &'d Desired) -> Result<Self, CallError> {
        let mut cx = Self { account, desired, known: Known::default() };
        cx.refresh().await?;
        Ok(cx)
    }

    /// Asks for the facts as far as the caller may, and says what was refused.
    pub(super) async fn look_as_far_as_allowed(
        account: &'d Account,
        desired: &'d Desired,
    ) -> Result<(Self, Vec<CallError>), CallError> {
        let (mut cx, mut refused) = (Self { account, desired, known: Known::default() }, Vec::new());
        cx.ask(&mut |error| match error {
            CallError::Refused { .. } => {
                refused.push(error);
                Ok(())
            }
            CallError::Unanswered { .. } | CallError::NotTaken { .. } | CallError::Unknown { .. } => {
                Err(error)
            }
        })
        .await?;
        Ok((cx, refused))
    }

    /// Asks for the facts again: a key or an endpoint has been made.
    pub(super) async fn refresh(&mut self) -> Result<(), CallError> {
        self.ask(&mut Err).await
    }

    async fn ask(
        &mut self,
        on_error: &mut (dyn FnMut(CallError) -> Result<(), CallError> + Send),
    ) -> Result<(), CallError> {
        let desired = self.desired;
        let mut known = Known::default();
        match find_cluster(self, &desired.cluster.name).await {
            Ok(cluster) => known.cluster = cluster,
            Err(error) => on_error(error)?,
        }
        if let Some(key) = &desired.key {
            match find_key(self, key).await {
                Ok(key) => known.key_arn = key.map(|key| key.arn),
                Err(error) => on_error(error)?,
            }
        }
        known.vpc = vpc(&desired.network, known.cluster.as_ref());
        if let Some(vpc) = &known.vpc {
            match private_route_tables(self, vpc, known.cluster.as_ref()).await {
                Ok(tables) => known.route_tables = tables,
                Err(error) => on_error(error)?,
            }
            match find_endpoint(self, vpc, &desired.endpoint.service).await {
                Ok(endpoint) => known.endpoint_id = endpoint.map(|it| it.id),
                Err(error) => on_error(error)?,
            }
        }
        self.known = known;
        Ok(())
    }

    fn fact(&self, fact: &Fact) -> Option<String> {
        match fact {
            Fact::KeyArn => self.known.key_arn.clone(),
            Fact::EndpointId => self.known.endpoint_id.clone(),
            Fact::OidcIssuer => self.known.cluster.as_ref().and_then(|cluster| cluster.issuer.clone()),
        }
    }

    /// A document with the facts that are known; marks of the others stay.
    pub(super) fn resolved(&self, document: &Value) -> Value {
        resolve(document, &|fact| Some(self.fact(fact).unwrap_or_else(|| fact.to_string())))
            .unwrap_or_else(|_| document.clone())
    }

    /// Text, likewise.
    pub(super) fn resolved_text(&self, text: &str) -> String {
        resolve_text(text, &|fact| Some(self.fact(fact).unwrap_or_else(|| fact.to_string())))
            .unwrap_or_else(|_| text.to_owned())
    }
}
