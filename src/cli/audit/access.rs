//! `proxy audit access`.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Shown, Ways, apart, pretty};
use crate::audit::{Access, Place, review_access};
use crate::cli::load;
use crate::policy::RolePattern;

/// Which logs, and what is known.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  proxy audit access --proxy-log access/ --config config.yaml
                                       who touched what, what was denied, which grants nothing needed
  proxy audit access --proxy-log s3://logs/proxy/ --s3-log s3://logs/s3/reports-prod/ --bucket reports-prod \\
    --role 'arn:aws:iam::123456789012:role/proxy' --html access.html
                                       what reached the bucket without the proxy

Exit code: 0 clean, 1 requests past the proxy or unused grants, 2 damaged log or bad usage, 3 AWS failed")]
pub(in crate::cli) struct Arguments {
    /// The proxy's access log: a file, gzip or not, or a folder of such; here or `s3://BUCKET/KEY`. Several are one log.
    #[arg(long, value_name = "PLACE", required = true)]
    proxy_log: Vec<Place>,
    /// S3 server access logs.
    #[arg(long, value_name = "PLACE")]
    s3_log: Vec<Place>,
    /// CloudTrail's files with data events of S3: the folder CloudTrail/ of a trail, or a part of it.
    #[arg(long, value_name = "PLACE")]
    cloudtrail: Vec<Place>,
    /// The proxy's configuration, YAML: which of its grants were used?
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this bucket; may be given several times.
    #[arg(long, value_name = "NAME")]
    bucket: Vec<String>,
    /// The ARN of the role that the proxy signs as, '*' allowed.
    #[arg(long, value_name = "ARN")]
    role: Option<RolePattern>,
    /// The ARN of a role that may go past the proxy, '*' allowed; may be given several times.
    #[arg(long, value_name = "ARN")]
    expect: Vec<RolePattern>,
    #[command(flatten)]
    pub(super) ways: Ways,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Shown, Failure> {
    let policy = match &arguments.config {
        None => None,
        Some(file) => Some(load(file)?.policy),
    };
    let access = Access {
        proxy_logs: arguments.proxy_log.clone(),
        server_logs: arguments.s3_log.clone(),
        trails: arguments.cloudtrail.clone(),
        buckets: arguments.bucket.clone(),
        role: arguments.role.clone(),
        expected: arguments.expect.clone(),
    };
    let places = access.proxy_logs.iter().chain(&access.server_logs).chain(&access.trails);
    let store = arguments.ways.store(places).await;
    let review = apart(move || review_access(&store, &access, policy.as_ref())).await?;
    Ok(Shown {
        clean: review.clean,
        text: review.to_string(),
        json: pretty(&review)?,
        sarif: pretty(&review.to_sarif())?,
        html: review.to_html(),
    })
}
