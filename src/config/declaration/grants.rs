//! The file that a workload's `grants_from` names: to what its role needs, and to the configuration that matches the
//! declared side. Any configuration of the proxy serves, or one of `grants` alone.
//!
//! IAM and the proxy have to say the same. So both come from one policy: buckets by their real names and no others, and
//! what belongs to `bootstrap` (buckets' settings, ACLs) denied where a grant's `*` would give it.

use serde_json::{Value, json};

use super::super::document::{self, Node};
use super::super::{Config, Problems};
use crate::identity::ClientIdentity;
use crate::policy::{ActionPattern, BucketPattern, Effect, Grant, Policy};
use crate::s3::{Action, ActionSet, BucketName};
use crate::spec::{self, Granted, IdentityKind, Serves, Spec, Workload};

/// What the grant is called that keeps settings from everybody.
const SETTINGS: &str = "settings-belong-to-bootstrap";

/// The role's grants and the matching configuration, or what is wrong with the file.
pub(super) fn read(
    spec: &Spec,
    at: usize,
    open: &dyn Fn(&str) -> Result<String, String>,
) -> Result<(Granted, Config), Vec<String>> {
    let workload = &spec.workloads[at];
    let file = &workload.grants_from;
    let named =
        |problems: Problems| problems.iter().map(|problem| format!("{file}: {problem}")).collect::<Vec<_>>();
    let text = open(file).map_err(|error| vec![error])?;
    let root = document::read(&text, &[]).map_err(|problems| named(Problems::all(problems)))?;
    sessions_have_a_role(workload, &root).map_err(|problem| prefixed(file, vec![problem]))?;
    let config = Config::parse(&text, &overlay(spec, workload, &root)).map_err(named)?;
    let names = Names::of(spec);
    let policy = names.settle(&config.policy).map_err(|problems| prefixed(file, problems))?;
    let granted = granted(spec, workload, &policy).map_err(|problem| prefixed(file, vec![problem]))?;
    Ok((granted, Config { policy, ..config }))
}

/// With a token of the cluster a role assumes itself; Pod Identity's credentials are sessions already, and a session of
/// a session needs a role that admits it, which is not made here.
fn sessions_have_a_role(workload: &Workload, root: &Node) -> Result<(), String> {
    let per_identity = root.to_json()["credentials"]["sessions"] == "per_identity";
    if workload.identity == IdentityKind::PodIdentity && per_identity {
        return Err("credentials.sessions: 'per_identity' needs a second role behind Pod Identity's, which is not made here: \
                    take 'identity: irsa' for this workload, or 'sessions: shared'"
            .to_owned());
    }
    Ok(())
}

fn prefixed(file: &str, problems: Vec<String>) -> Vec<String> {
    problems.into_iter().map(|problem| format!("{file}: {problem}")).collect()
}

/// What the account side decides, laid over the file.
fn overlay(spec: &Spec, workload: &Workload, root: &Node) -> Vec<(String, String)> {
    let variable = |path: &str, value: &Value| (format!("S3PROXY_{path}"), value.to_string());
    let there = root.to_json();
    let mut overlay = vec![
        variable("UPSTREAM__REGION", &spec.region.as_str().into()),
        variable("CREDENTIALS", &credentials(spec, workload, &there["credentials"])),
    ];
    if there["tls"].is_null() {
        let files = json!({ "certificate": "/tls/tls.crt", "private_key": "/tls/tls.key", "client_ca": "/tls/ca.crt" });
        overlay.push(variable("TLS", &files));
    }
    let guardrails = spec::guardrails(spec);
    if let Some(encryption) = guardrails.encryption.filter(|_| there["guardrails"]["encryption"].is_null()) {
        overlay.push(variable("GUARDRAILS__ENCRYPTION", &encryption));
    }
    if let Some(lock) = guardrails.object_lock.filter(|_| there["guardrails"]["object_lock"].is_null()) {
        overlay.push(variable("GUARDRAILS__OBJECT_LOCK", &lock));
    }
    overlay
}

/// The role's credentials. Whose session signs is for the file to say.
fn credentials(spec: &Spec, workload: &Workload, there: &Value) -> Value {
    let role = spec.role_arn(workload);
    let mut credentials = match workload.identity {
        IdentityKind::Irsa => json!({
            "source": "web_identity",
            "role_arn": role,
            "token_file": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        }),
        IdentityKind::PodIdentity => json!({
            "source": "pod_identity",
            "agent_uri": "http://169.254.170.23/v1/credentials",
            "token_file": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
        }),
    };
    credentials["expect_role"] = role.into();
    for key in ["sessions", "max_sessions", "sts_endpoint"] {
        if !there[key].is_null() {
            credentials[key] = there[key].clone();
        }
    }
    credentials
}

/// The declaration's buckets: what it calls them, and their names in S3.
struct Names(Vec<(String, BucketName)>);

impl Names {
    /// Buckets whose name cannot be settled are left out: they are refused elsewhere.
    fn of(spec: &Spec) -> Self {
        let settled = |bucket: &spec::Bucket| {
            let named = bucket.name.settle("", &spec.name, &spec.account, &spec.region).ok()?;
            Some((bucket.name.base().to_string(), named.name))
        };
        Self(spec.buckets.iter().filter_map(settled).collect())
    }

    /// The same policy about the buckets' real names, and none that are not declared.
    fn settle(&self, policy: &Policy) -> Result<Policy, Vec<String>> {
        let (mut grants, mut problems) = (Vec::new(), Vec::new());
        for grant in policy.grants() {
            if grant.role.is_some() {
                problems.push(format!(
                    "grant '{}': leave 'role_arn' out: the grants of this file are the workload's own role's; grants of \
                     another role belong into another workload's file",
                    grant.name
                ));
            }
            grants.extend(account_list(grant));
            match self.buckets(grant) {
                Ok(buckets) => grants.push(Grant { buckets, ..grant.clone() }),
                Err(problem) => problems.push(problem),
            }
        }
        let gives = |grant: &Grant| {
            grant.effect == Effect::Allow && grant.effective_actions().intersects(spec::settings())
        };
        if grants.iter().any(gives) {
            grants.extend(no_settings());
        }
        if problems.is_empty() {
            Ok(Policy::new(grants).behind(policy.guardrails().clone()))
        } else {
            Err(problems)
        }
    }

    fn buckets(&self, grant: &Grant) -> Result<Vec<BucketPattern>, String> {
        let mut buckets: Vec<BucketPattern> = Vec::new();
        for pattern in &grant.buckets {
            let text = pattern.to_string();
            let matches = |(base, name): &&(String, BucketName)| *base == text || pattern.matches(name);
            let mut found: Vec<BucketPattern> =
                self.0.iter().filter(matches).filter_map(|(_, name)| name.as_str().parse().ok()).collect();
            if found.is_empty() {
                let known: Vec<&str> = self.0.iter().map(|(base, _)| base.as_str()).collect();
                return Err(format!(
                    "grant '{}': no declared bucket is called '{text}'; declared are {} (by their names in S3 too)",
                    grant.name,
                    known.join(", ")
                ));
            }
            found.retain(|name| !buckets.contains(name));
            buckets.extend(found);
        }
        Ok(buckets)
    }
}

/// The account's list of buckets is only to be had by a grant for every bucket, so it keeps one.
fn account_list(grant: &Grant) -> Option<Grant> {
    let list = Action::ListAllMyBuckets;
    let meant = grant.prefixes.is_none()
        && grant.buckets.iter().any(BucketPattern::is_any)
        && grant.action_set().contains(list);
    let actions: Vec<ActionPattern> = list.as_str().parse().into_iter().collect();
    let buckets: Vec<BucketPattern> = "*".parse().into_iter().collect();
    meant.then(|| Grant { name: format!("{}-account", grant.name).into(), buckets, actions, ..grant.clone() })
}

fn no_settings() -> Option<Grant> {
    let everybody = ["spiffe://**", "dns:**", "cn:**"];
    Some(Grant {
        name: SETTINGS.into(),
        effect: Effect::Deny,
        identities: everybody.into_iter().map(str::parse).collect::<Result<_, _>>().ok()?,
        buckets: vec!["*".parse().ok()?],
        prefixes: None,
        actions: spec::settings().iter().filter_map(|action| action.as_str().parse().ok()).collect(),
        role: None,
    })
}

/// Actions that change what is stored.
fn writes() -> ActionSet {
    use Action::{AbortMultipartUpload, DeleteObject, DeleteObjectVersion, PutObject, RestoreObject};
    ActionSet::of(&[AbortMultipartUpload, DeleteObject, DeleteObjectVersion, PutObject, RestoreObject])
}

fn granted(spec: &Spec, workload: &Workload, policy: &Policy) -> Result<Granted, String> {
    let spiffe = spec::spiffe_id(workload);
    let identity: ClientIdentity = spiffe.parse().map_err(|error| format!("{spiffe}: {error}"))?;
    let concerns = |grant: &&Grant| {
        grant.effect == Effect::Allow
            && (workload.serves == Serves::Everyone
                || grant.identities.iter().any(|pattern| pattern.matches(&identity)))
    };
    let entitlements = match workload.serves {
        Serves::Itself => policy.entitle(&identity),
        Serves::Everyone => policy.entitle_everyone(),
    };
    if entitlements.is_empty() {
        return Err(match workload.serves {
            Serves::Itself => format!(
                "no grant is for {spiffe}; a role without rights serves nobody (serves: everyone is for gateways)"
            ),
            Serves::Everyone => "there is no grant that allows anything".to_owned(),
        });
    }
    let allowing: Vec<&Grant> = policy.grants().iter().filter(concerns).collect();
    let names_of = |grants: &mut dyn Iterator<Item = &&Grant>| {
        let mut names: Vec<String> = grants
            .flat_map(|grant| &grant.buckets)
            .filter(|bucket| !bucket.is_any())
            .map(ToString::to_string)
            .collect();
        names.sort();
        names.dedup();
        names
    };
    Ok(Granted {
        statements: entitlements.to_statements(spec.region.partition().as_str()),
        buckets: names_of(&mut allowing.iter()),
        writes: names_of(&mut allowing.iter().filter(|grant| grant.action_set().intersects(writes()))),
        lists_account: allowing.iter().any(|grant| grant.buckets.iter().any(BucketPattern::is_any)),
    })
}
