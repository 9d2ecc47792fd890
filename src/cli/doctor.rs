//! `proxy doctor`: what to look at, and the report.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{BAD_USAGE, DONE, REFUSED, load, report};
use crate::doctor::{Patient, PrefixList, Verdict, examine};
use crate::identity::ClientIdentity;

/// What `proxy doctor` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl exec POD -c s3-access-proxy -- proxy doctor --config /etc/s3-access-proxy/config.yaml
  kubectl get pod POD -o json | proxy doctor --config config.yaml --pod -
  proxy doctor --config config.yaml --gateway --prefix-list s3.json --json

Exit code: 0 nothing is bad, 1 something is, 2 bad input")]
pub(super) struct Arguments {
    /// The proxy's configuration, YAML; S3PROXY_… variables count as for 'run'.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A client whose grants are looked at, in place of whom the proxy's own certificate names.
    #[arg(long, value_name = "ID")]
    identity: Option<ClientIdentity>,
    /// This is a gateway: its certificate is no client's, and there is no application beside it.
    #[arg(long, conflicts_with_all = ["pod", "application"])]
    gateway: bool,
    /// S3's networks in the region: lines, or what 'aws ec2 get-managed-prefix-list-entries' prints.
    #[arg(long, value_name = "FILE")]
    prefix_list: Option<PathBuf>,
    /// The pod in JSON, to see whether its other containers have AWS credentials; - for standard input.
    #[arg(long, value_name = "FILE")]
    pod: Option<PathBuf>,
    /// This is the application's container: look at its environment.
    #[arg(long)]
    application: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this command's result is its output")]
pub(super) async fn run(arguments: Arguments) -> u8 {
    let json = arguments.json;
    let patient = match patient(arguments) {
        Ok(patient) => patient,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("error: {message}");
            }
            return BAD_USAGE;
        }
    };
    let findings = examine(&patient).await;
    if json {
        println!("{}", serde_json::json!({ "findings": findings }));
    } else {
        for finding in &findings {
            println!("{finding}");
        }
    }
    if findings.iter().any(|finding| finding.verdict == Verdict::Bad) { REFUSED } else { DONE }
}

/// The error is empty where the problems have been printed.
fn patient(arguments: Arguments) -> Result<Patient, String> {
    let config = load(&arguments.config).map_err(|problems| {
        report(&problems);
        String::new()
    })?;
    let prefix_list = arguments.prefix_list.as_deref().map(|file| {
        let list: Result<PrefixList, _> = read(file)?.parse();
        list.map_err(|why| format!("{}: {why}", file.display()))
    });
    let pod = arguments.pod.as_deref().map(|file| {
        serde_json::from_str(&read(file)?).map_err(|error| format!("{}: {error}", file.display()))
    });
    // Values are looked at for their kind only, and never shown.
    let variables = || {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
        };
        std::env::vars_os().map(text).filter(|(name, _)| name.starts_with("AWS_")).collect()
    };
    Ok(Patient {
        config,
        identity: arguments.identity,
        gateway: arguments.gateway,
        prefix_list: prefix_list.transpose()?,
        pod: pod.transpose()?,
        application: arguments.application.then(variables),
    })
}

fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let result = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(file).map(|read| text = read)
    };
    result.map(|()| text).map_err(|error| format!("{}: {error}", file.display()))
}
