//! `proxy explain`: arguments to a question, the answer to standard output and an exit code.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;

use super::{BAD_USAGE, DONE, REFUSED, load, report};
use crate::config::Config;
use crate::explain::{Question, explain, learn, replay};

/// What to explain: one request, or a log.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  proxy explain --config config.yaml --identity spiffe://cluster.local/ns/app/sa/api \\
    --method PUT --url '/reports/daily/x' --header 'x-amz-tagging: team=a'
  proxy explain --config config.yaml --log access.jsonl     which logged requests would be denied
  proxy explain --learn access.jsonl                        the least grants that cover the log

Exit code: 0 allowed, 1 denied (with --log: any request), 2 bad input")]
pub(super) struct Arguments {
    /// The configuration, YAML.
    #[arg(long, required_unless_present = "learn")]
    config: Option<PathBuf>,
    /// A name of the client's certificate: spiffe://…, dns:… or cn:…; several for a certificate that has several.
    #[arg(long, required_unless_present_any = ["log", "learn"])]
    identity: Vec<String>,
    /// The request's method.
    #[arg(long, required_unless_present_any = ["log", "learn"])]
    method: Option<String>,
    /// The request's path and query, percent-encoded, or a whole URL.
    #[arg(long, required_unless_present_any = ["log", "learn"])]
    url: Option<String>,
    /// A header line of the request, 'name: value'.
    #[arg(long)]
    header: Vec<String>,
    /// The request's body, where it matters (DeleteObjects, PutObjectRetention …); - for standard input.
    #[arg(long)]
    body: Option<PathBuf>,
    /// Replay the lines of an access log; - for standard input.
    #[arg(long, conflicts_with_all = ["identity", "method", "url", "header", "body", "learn"])]
    log: Option<PathBuf>,
    /// Print the least grants that cover what an access log shows as allowed; - for standard input.
    #[arg(long, conflicts_with_all = ["identity", "method", "url", "header", "body"])]
    learn: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this command's result is its output")]
pub(super) fn run(arguments: &Arguments) -> u8 {
    match answer(arguments) {
        Ok((text, code)) => {
            print!("{text}");
            code
        }
        Err(Failure::Said) => BAD_USAGE,
        Err(Failure::Say(message)) => {
            eprintln!("error: {message}");
            BAD_USAGE
        }
    }
}

enum Failure {
    /// The problems have been printed.
    Said,
    Say(String),
}

fn answer(arguments: &Arguments) -> Result<(String, u8), Failure> {
    if let Some(log) = &arguments.learn {
        let grants =
            learn(open(log)?).map_err(|error| Failure::Say(format!("{}: {error}", log.display())))?;
        return Ok((grants, DONE));
    }
    let file = arguments.config.as_deref().unwrap_or(Path::new(""));
    let config = load(file).map_err(|problems| {
        report(&problems);
        Failure::Said
    })?;
    match &arguments.log {
        Some(log) => replayed(&config, log, arguments.json),
        None => explained(&config, arguments),
    }
}

fn explained(config: &Config, arguments: &Arguments) -> Result<(String, u8), Failure> {
    let body = arguments.body.as_deref().map(whole).transpose()?.unwrap_or_default();
    let (method, url) = (arguments.method.as_deref(), arguments.url.as_deref());
    let (method, url) = (method.unwrap_or_default(), url.unwrap_or_default());
    let question = Question::new(&arguments.identity, method, url, &arguments.header, body)
        .map_err(|error| Failure::Say(error.to_string()))?;
    let mut explanation = explain(config, question, SystemTime::now());
    let taken: Vec<&str> = config.policy.grants().iter().map(|grant| &*grant.name).collect();
    explanation.avoid_names(&taken);
    let code = if explanation.is_allowed() { DONE } else { REFUSED };
    let text =
        if arguments.json { format!("{:#}\n", explanation.to_json()) } else { explanation.to_string() };
    Ok((text, code))
}

fn replayed(config: &Config, log: &Path, json: bool) -> Result<(String, u8), Failure> {
    let say = |error: &dyn std::fmt::Display| Failure::Say(format!("{}: {error}", log.display()));
    let replay = replay(&config.policy, open(log)?).map_err(|error| say(&error))?;
    let code = if replay.denied == 0 { DONE } else { REFUSED };
    let text = if json {
        serde_json::to_string_pretty(&replay).map_err(|error| say(&error))? + "\n"
    } else {
        replay.to_string()
    };
    Ok((text, code))
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(stdin())));
    }
    let opened = File::open(file).map_err(|error| Failure::Say(format!("{}: {error}", file.display())))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn whole(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = open(file)?.read_to_end(&mut bytes);
    read.map_err(|error| Failure::Say(format!("{}: {error}", file.display())))?;
    Ok(bytes)
}
