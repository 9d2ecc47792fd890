//! Combinations that AWS refuses, or takes and then locks somebody out.

use std::collections::{BTreeMap, BTreeSet};

use super::bucket_policy;
use super::frame::Frame;
use crate::spec::controls;
use crate::spec::declared::{Duty, EndpointMode, RouteTables, TopicChoice};
use crate::spec::refusal::Refusal;

mod buckets;
mod statements;

pub(super) fn all(frame: &Frame<'_>) -> Vec<Refusal> {
    let mut notebook = Notebook(Vec::new());
    place(frame, &mut notebook);
    workloads(frame, &mut notebook);
    for (path, bucket, named) in frame.buckets() {
        buckets::check(frame, &path, bucket, named, &mut notebook);
        let taken = bucket_policy::statement_ids(frame, bucket, named.name.as_str());
        statements::check(&path, &bucket.policy, &taken, &frame.s3(named.name.as_str()), &mut notebook);
    }
    buckets::names(frame, &mut notebook);
    account(frame, &mut notebook);
    waivers(frame, &mut notebook);
    notebook.0
}

struct Notebook(Vec<Refusal>);

impl Notebook {
    fn refuse(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Refusal::new(path, message));
    }
}

fn place(frame: &Frame<'_>, notebook: &mut Notebook) {
    let spec = frame.spec;
    if spec.cluster.region.as_ref().is_some_and(|region| *region != spec.region) {
        notebook.refuse("cluster.region", format!("the buckets are in {}: from another region every byte is paid for, and the gateway endpoint does not lead there; use one region", spec.region));
    }
    if spec.cluster.create.is_some() && spec.network.create.is_none() {
        notebook.refuse("cluster", "a cluster that is made needs the network that is made: add 'network: create', or name an existing cluster");
    }
    if spec.network.create.is_some() && spec.network.vpc.is_some() {
        notebook.refuse(
            "network.vpc",
            "either the VPC is given or it is made: leave out one of 'vpc' and 'create'",
        );
    }
    if spec.network.create.is_some() && spec.network.endpoint != EndpointMode::Ensure {
        notebook
            .refuse("network.endpoint", "a network that is made has no endpoint yet: leave it at 'ensure'");
    }
    if spec.network.route_tables == RouteTables::Listed(Vec::new()) {
        notebook.refuse("network.route_tables", "names no route table: 'private', or their IDs");
    }
    if !spec.access.own_endpoint && spec.access.vpc_endpoints.is_empty() {
        notebook.refuse(
            "access.vpc_endpoints",
            "nobody but the break-glass role could reach the data: 'auto' is the deployment's own endpoint",
        );
    }
    let partition = format!("arn:{}:", frame.partition);
    for (path, arn) in principals(frame) {
        if !arn.starts_with(&partition) {
            notebook.refuse(
                &path,
                format!("'{arn}' is of another partition: in {} ARNs start with {partition}", spec.region),
            );
        }
    }
    if spec.access.break_glass.contains('*') || !spec.access.break_glass.contains(":role/") {
        notebook.refuse(
            "access.break_glass",
            "one role (arn:…:role/…), without '*': it is never locked out, so it must not be several",
        );
    }
}

/// Everybody whom the declaration names by an ARN, and where.
fn principals<'a>(frame: &Frame<'a>) -> Vec<(String, &'a String)> {
    let access = &frame.spec.access;
    let mut all = vec![("access.break_glass".to_owned(), &access.break_glass)];
    all.extend(access.principals.iter().map(|arn| ("access.principals".to_owned(), arn)));
    for (path, bucket, _) in frame.buckets() {
        all.extend(bucket.writers.iter().map(|arn| (format!("{path}.writers"), arn)));
        let exchanges = bucket.exchange.iter();
        let exchanged = exchanges.flat_map(|exchange| exchange.readers.iter().chain(&exchange.writers));
        all.extend(exchanged.map(|arn| (format!("{path}.exchange"), arn)));
    }
    all
}

fn workloads(frame: &Frame<'_>, notebook: &mut Notebook) {
    let mut seen = BTreeSet::new();
    let mut roles = other_roles(frame);
    for (at, workload) in frame.spec.workloads.iter().enumerate() {
        let path = format!("workloads[{at}]");
        if seen.insert((&workload.namespace, &workload.service_account)) {
            let name = frame.spec.role_name(workload);
            let whose = format!("{}/{}", workload.namespace, workload.service_account);
            if let Some(other) = roles.get(&name) {
                notebook.refuse(
                    &path,
                    format!(
                        "its role would be '{name}', which is that of {other} too, and each would have the other's data: \
                         rename one, or give it a declaration with another 'name'"
                    ),
                );
            }
            roles.insert(name, whose);
        } else {
            notebook.refuse(&path, "the service account has a role already, and it can have one only: put all of its grants into one file");
        }
        for (bucket_path, bucket, named) in frame.buckets() {
            let writes = workload.granted.writes.iter().any(|name| name == named.name.as_str());
            let role = frame.spec.role_arn(workload);
            if writes && buckets::only_read(bucket.profile) && !bucket.writers.contains(&role) {
                notebook.refuse(
                    format!("{path}.grants_from"),
                    format!("grants write into '{}', which is {}: leave that out, or add {role} to {bucket_path}.writers", bucket.name.base(), bucket.profile),
                );
            }
        }
    }
}

/// Roles that are no workload's, and whose they are.
fn other_roles(frame: &Frame<'_>) -> BTreeMap<String, String> {
    let name = |arn: String| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let replicated = frame.buckets().filter(|(_, bucket, _)| bucket.replication.is_some());
    let mut roles: BTreeMap<_, _> = replicated
        .map(|(path, bucket, _)| {
            (name(frame.replication_role(bucket.name.base())), format!("{path}.replication"))
        })
        .collect();
    if frame.has_trail() {
        roles.insert(name(frame.trail_role()), "the trail".to_owned());
    }
    roles
}

fn account(frame: &Frame<'_>, notebook: &mut Notebook) {
    let spec = frame.spec;
    if spec.account_wide.trail == Duty::Manage && frame.sink(None).is_none() {
        notebook.refuse(
            "account_wide.trail",
            "a managed trail writes into the declaration's log-sink bucket: declare exactly one",
        );
    }
    if spec.alerts.topic != TopicChoice::Create && !spec.alerts.email.is_empty() {
        notebook.refuse(
            "alerts.email",
            "subscribers are added to a topic that is made here ('sns: create'); others have their own",
        );
    }
    if let TopicChoice::Given(arn) = &spec.alerts.topic
        && !arn.starts_with(&frame.arn("sns", "")[..frame.arn("sns", "").len() - 13])
    {
        notebook.refuse(
            "alerts.sns",
            format!("a rule's topic has to be in its own region: one of {}", spec.region),
        );
    }
}

fn waivers(frame: &Frame<'_>, notebook: &mut Notebook) {
    for (at, waiver) in frame.spec.waivers.iter().enumerate() {
        let path = format!("waivers[{at}]");
        if controls::named(&waiver.control).is_empty() && !controls::is_security_hub(&waiver.control) {
            let known: Vec<&str> = controls::ALL.iter().map(|control| control.id).collect();
            notebook.refuse(
                format!("{path}.control"),
                format!(
                    "there is no control '{}'; Security Hub's are written S3.14, ours are {}",
                    waiver.control,
                    known.join(", ")
                ),
            );
        }
        if let Some(base) = waiver.bucket.as_ref().filter(|base| frame.bucket(base).is_none()) {
            notebook.refuse(format!("{path}.bucket"), format!("no bucket has the base '{base}'"));
        }
    }
}
