//! The declaration of the account side: one YAML file, and the proxy's configurations that its workloads name, to what AWS
//! should hold and the configurations that match it; or every problem at once, each with key path and line.

mod buckets;
mod grants;
mod places;
mod words;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::document::{self, Node};
use super::reader::{Notebook, Problem, Problems, Section};
use super::{Config, guardrails::MODES};
use crate::spec::{self, Desired, Granted, IdentityKind, Serves, Spec, Word, Workload};
use words::{KubernetesName, TrustDomain};

/// A declaration that makes sense, with what it comes to.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// What was written.
    pub spec: Spec,
    /// What it means.
    pub desired: Desired,
    /// The configuration of the proxy for each of [`Spec::workloads`], in their order: its grants with buckets by their
    /// real names, its credentials those of the workload's role, its guardrails those of the buckets.
    pub configurations: Vec<Config>,
}

impl Declaration {
    /// Reads a file, and the files that it names beside it.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        let text = read(file).map_err(Problems::single)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &|name| read(&folder.join(name)))
    }

    /// Reads a document. `open` gives the text of a file that it names, or says why not.
    pub fn parse(text: &str, open: &dyn Fn(&str) -> Result<String, String>) -> Result<Self, Problems> {
        let root = document::read(text, &[]).map_err(Problems::all)?;
        let notebook = Notebook::default();
        let spec = declared(&Section::root(&root, &notebook));
        let mut problems = notebook.into_problems();
        let Some(mut spec) = spec else { return Err(Problems::all(problems)) };
        let mut configurations = Vec::new();
        for at in 0..spec.workloads.len() {
            match grants::read(&spec, at, open) {
                Ok((granted, config)) => {
                    spec.workloads[at].granted = granted;
                    configurations.push(config);
                }
                Err(messages) => {
                    let path = format!("workloads[{at}].grants_from");
                    problems
                        .extend(messages.into_iter().map(|message| problem(&root, path.clone(), message)));
                }
            }
        }
        match spec::compile(&spec) {
            Ok(desired) if problems.is_empty() => Ok(Self { spec, desired, configurations }),
            Ok(_) => Err(Problems::all(problems)),
            Err(refusals) => {
                let refused =
                    refusals.into_iter().map(|refusal| problem(&root, refusal.path, refusal.message));
                problems.extend(refused);
                Err(Problems::all(problems))
            }
        }
    }
}

fn problem(root: &Node, path: String, message: String) -> Problem {
    Problem { origin: Some(root.origin_of(&path)), path, message }
}

fn declared(root: &Section<'_>) -> Option<Spec> {
    let name: Option<Word> = root.required("name", "a prefix for every name, such as reports");
    let environment = root.required("environment", "such as prod");
    let account = root.required("account", "the account's twelve digits, in quotation marks");
    let region =
        root.required("region", "the one region of cluster, endpoint and buckets, such as eu-west-1");
    let cluster = places::cluster(root, name.as_ref());
    let network = places::network(root);
    let workloads = root.sections("workloads").iter().filter_map(workload).collect();
    let buckets = buckets::read(root);
    let access = places::access(&root.section("access"));
    let alerts = places::alerts(&root.section("alerts"));
    let account_wide = places::account_wide(&root.section("account_wide"));
    let waivers = places::waivers(root);
    Some(Spec {
        name: name?,
        environment: environment?,
        account: account?,
        region: region?,
        cluster: cluster?,
        network,
        workloads,
        buckets,
        access: access?,
        alerts,
        account_wide,
        waivers,
    })
}

fn workload(section: &Section<'_>) -> Option<Workload> {
    let namespace: Option<KubernetesName> = section.required("namespace", "the pods' namespace");
    let service_account: Option<KubernetesName> =
        section.required("service_account", "the pods' service account");
    let identities = [("irsa", IdentityKind::Irsa), ("pod-identity", IdentityKind::PodIdentity)];
    let identity = section.one_of("identity", &identities).unwrap_or(IdentityKind::Irsa);
    let trust_domain = section.optional::<TrustDomain>("trust_domain");
    let serves = [("itself", Serves::Itself), ("everyone", Serves::Everyone)];
    let serves = section.one_of("serves", &serves).unwrap_or(Serves::Itself);
    let grants_from: Option<String> = section
        .required("grants_from", "the proxy's configuration whose grants the role gets, such as proxy.yaml");
    Some(Workload {
        namespace: namespace?.0,
        service_account: service_account?.0,
        identity,
        trust_domain: trust_domain.map_or_else(|| "cluster.local".to_owned(), |domain| domain.0),
        serves,
        grants_from: grants_from?,
        granted: Granted::default(),
    })
}

/// The valid values of a list; none where it is not there.
fn some_list<T: FromStr<Err: fmt::Display>>(section: &Section<'_>, key: &'static str) -> Vec<T> {
    section.list(key).unwrap_or_default()
}

#[cfg(test)]
mod tests;
