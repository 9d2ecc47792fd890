//! Whether an application could walk around the proxy: with credentials of its own, or the proxy's token.
//!
//! No process sees another container's environment. So it is looked at from within the application's container, or in
//! the pod as Kubernetes has it.

use std::path::Path;

use serde_json::Value;

use super::Finding;

const CHECK: &str = "application";

/// Variables that lead to credentials.
const ROLES: [&str; 4] = [
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];
/// Where EKS's webhooks and injection mount tokens.
const TOKENS: [&str; 3] = [
    "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
    "/var/run/secrets/s3-access-proxy/token",
];
const MEND: &str = "take the role off the ServiceAccount, and keys out of the container";

pub(super) fn application(variables: Option<&[(String, String)]>, pod: Option<&Value>) -> Vec<Finding> {
    if variables.is_none() && pod.is_none() {
        let mend = "run with --application in its container, or give --pod";
        return vec![Finding::warning(CHECK, "its environment cannot be seen from here", mend)];
    }
    let own = variables.map(|variables| {
        let tokens = TOKENS.iter().filter(|file| Path::new(file).exists()).map(|file| (*file).to_owned());
        let set = variables.iter().filter_map(|(name, value)| problem(name, Some(value)));
        judge("this container", &set.chain(tokens).collect::<Vec<_>>())
    });
    own.into_iter().chain(pod.into_iter().flat_map(containers)).collect()
}

fn judge(who: &str, problems: &[String]) -> Finding {
    if problems.is_empty() {
        return Finding::good(CHECK, format!("{who} has no AWS credentials"));
    }
    Finding::bad(CHECK, format!("{who} has AWS credentials: {}", problems.join(", ")), MEND)
}

/// The name alone is told: a value may be a secret.
fn problem(name: &str, value: Option<&str>) -> Option<String> {
    let key = name == "AWS_ACCESS_KEY_ID"
        && value.is_none_or(|value| value.starts_with("AKIA") || value.starts_with("ASIA"));
    (key || ROLES.contains(&name)).then(|| name.to_owned())
}

fn containers(pod: &Value) -> Vec<Finding> {
    let list = |key: &str| pod["spec"][key].as_array().map_or(&[][..], Vec::as_slice);
    let ours =
        |container: &&Value| !container["name"].as_str().unwrap_or_default().starts_with("s3-access-proxy");
    let tokens: Vec<&str> = list("volumes")
        .iter()
        .filter(|volume| is_token(volume))
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    let containers = list("initContainers").iter().chain(list("containers")).filter(ours);
    containers
        .map(|container| {
            let items = |key: &str| container[key].as_array().map_or(&[][..], Vec::as_slice);
            let set = items("env")
                .iter()
                .filter_map(|variable| problem(variable["name"].as_str()?, variable["value"].as_str()));
            let mounted = items("volumeMounts").iter().filter_map(|mount| mount["name"].as_str());
            let mounted = mounted
                .filter(|name| tokens.contains(name))
                .map(|name| format!("the token of volume {name}"));
            judge(
                &format!("container {}", container["name"].as_str().unwrap_or_default()),
                &set.chain(mounted).collect::<Vec<_>>(),
            )
        })
        .collect()
}

fn is_token(volume: &Value) -> bool {
    let sources = volume["projected"]["sources"].as_array().map_or(&[][..], Vec::as_slice);
    let audience =
        |source: &Value| source["serviceAccountToken"]["audience"].as_str().unwrap_or_default().to_owned();
    sources.iter().any(|source| audience(source).contains("amazonaws.com"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use serde_json::json;

    #[test]
    fn credentials_of_an_application_are_found_and_their_values_are_not_told() {
        let set = |name: &str, value: &str| {
            application(Some(&[(name.to_owned(), value.to_owned())]), None)[0].clone()
        };
        assert_eq!(set("AWS_ACCESS_KEY_ID", "s3-access-proxy").verdict, Verdict::Good);
        let found = set("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
        assert_eq!(found.verdict, Verdict::Bad);
        assert!(!found.to_string().contains("AKIAEXAMPLE"));
        assert_eq!(set("AWS_ROLE_ARN", "arn").verdict, Verdict::Bad);
    }

    #[test]
    fn in_a_pod_only_the_proxy_has_the_token() {
        let token = json!({"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": "sts.amazonaws.com"}}]}});
        let mount = json!([{"name": "t", "mountPath": "/t"}]);
        let pod = |mounts: Value| {
            json!({"spec": {
                "volumes": [token],
                "initContainers": [{"name": "s3-access-proxy", "volumeMounts": mount, "env": [{"name": "AWS_ROLE_ARN", "value": "r"}]}],
                "containers": [{"name": "app", "volumeMounts": mounts}],
            }})
        };
        let verdicts = |pod: Value| {
            application(None, Some(&pod)).iter().map(|finding| finding.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(pod(json!([]))), [Verdict::Good]);
        assert_eq!(verdicts(pod(mount.clone())), [Verdict::Bad]);
    }
}
