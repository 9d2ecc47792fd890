//! Floor 4: `proxy bootstrap render`. What is desired, written as files that people review and other tools take: a
//! CloudFormation template, each policy alone, and the proxy's configuration that matches. Offline, and the same bytes
//! every time.

mod policies;
mod reference;
mod template;
mod yaml;

use crate::config::Declaration;
use crate::spec::Note;

pub use policies::policies;

/// A file to write, with a path relative to wherever the user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its relative path.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Every file of a declaration, in the order of their paths.
pub fn render(declaration: &Declaration) -> Vec<Rendered> {
    let mut files =
        vec![Rendered { path: "cloudformation.yaml".to_owned(), text: cloudformation(declaration) }];
    for (workload, config) in declaration.spec.workloads.iter().zip(&declaration.configurations) {
        let name = format!("{}.{}", workload.namespace, workload.service_account);
        let head = format!(
            "# The proxy's configuration for {}/{}, from {}: buckets by their real names, the credentials of its role.\n",
            workload.namespace, workload.service_account, workload.grants_from
        );
        files.push(Rendered { path: format!("proxy/{name}.yaml"), text: format!("{head}{config}") });
    }
    files.extend(policies(&declaration.desired));
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// The template, with what a reader should know at its head.
pub fn cloudformation(declaration: &Declaration) -> String {
    let desired = &declaration.desired;
    let notes: Vec<String> =
        desired.notes.iter().map(|Note { path, text }| format!("#\n# {path}: {text}\n")).collect();
    format!(
        "# The AWS side of {} ({}, {}), by `proxy bootstrap render`. Do not edit: render it again.\n{}\n{}",
        desired.name,
        desired.account,
        desired.region,
        notes.concat(),
        yaml::text(&template::template(desired))
    )
}
