//! `proxy inject`: manifests in, manifests with sidecars out.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{BAD_USAGE, DONE, REFUSED, WORLD_FAILED, environment, report};
use crate::config::{Injection, Problems};
use crate::inject::{ManifestError, manifests};

/// What `proxy inject` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  proxy inject -f deployment.yaml --region eu-west-1 | kubectl apply -f -
  kustomize build . | proxy inject -f - --config webhook.yaml

Pods get a sidecar whose metadata says s3-access-proxy.io/inject: \"true\"; in a Deployment that is the metadata of its
template. Documents in which nothing is to be done stay as they are; the others are written anew, without comments.

Exit code: 0 done, 1 a pod is refused (nothing is printed), 2 bad input")]
pub(super) struct Arguments {
    /// Manifests, YAML or JSON; - for standard input.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    file: PathBuf,
    /// How sidecars are to be: the section 'injection' of the webhook's configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The image of the sidecar, in place of injection.image.
    #[arg(long)]
    image: Option<String>,
    /// The buckets' region, in place of injection.region.
    #[arg(long)]
    region: Option<String>,
    /// Mode of pods that do not name one, in place of injection.mode: sidecar or bridge.
    #[arg(long)]
    mode: Option<String>,
    /// The gateway of bridges, in place of injection.gateway.to.
    #[arg(long, value_name = "HOST:PORT")]
    gateway: Option<String>,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this command's result is its output")]
pub(super) fn run(arguments: &Arguments) -> u8 {
    let settings = match settings(arguments) {
        Ok(settings) => settings,
        Err(problems) => {
            report(&problems);
            return BAD_USAGE;
        }
    };
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("error: {}: {error}", arguments.file.display());
            return BAD_USAGE;
        }
    };
    match manifests(&text, &settings) {
        Ok((text, warnings)) => {
            for warning in warnings {
                eprintln!("warning: {warning}");
            }
            print!("{text}");
            DONE
        }
        Err(ManifestError::Refused(refused)) => {
            for line in refused {
                eprintln!("error: {line}");
            }
            REFUSED
        }
        Err(error @ ManifestError::Unreadable { .. }) => {
            eprintln!("error: {}: {error}", arguments.file.display());
            BAD_USAGE
        }
        Err(error @ ManifestError::Patch(_)) => {
            eprintln!("error: {error}");
            WORLD_FAILED
        }
    }
}

/// Arguments are laid over the file as the environment is.
fn settings(arguments: &Arguments) -> Result<Injection, Problems> {
    let given = [
        ("IMAGE", &arguments.image),
        ("REGION", &arguments.region),
        ("MODE", &arguments.mode),
        ("GATEWAY__TO", &arguments.gateway),
    ];
    let mut variables = environment()?;
    for (name, value) in given {
        if let Some(value) = value {
            variables
                .push((format!("S3PROXY_INJECTION__{name}"), format!("'{}'", value.replace('\'', "''"))));
        }
    }
    match &arguments.config {
        Some(file) => Injection::load(file, &variables),
        None => Injection::parse("", &variables),
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}
