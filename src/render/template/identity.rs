//! Policies, roles, and how pods come by them.

use serde_json::{Value, json};

use super::{Template, attribute, logical, reference};
use crate::spec::{Desired, Duty, RoleKind};

pub(super) fn write(template: &mut Template<'_>) {
    for policy in &template.desired.policies {
        let properties = json!({
            "ManagedPolicyName": policy.name,
            "Description": policy.description,
            "PolicyDocument": template.references.document(&policy.document),
        });
        template.resource(&logical("Policy", &policy.name), "IAM::ManagedPolicy", properties);
    }
    for role in &template.desired.roles {
        let references = template.references;
        let managed = |arn: &String| -> Value {
            let policy = template.desired.policies.iter().find(|policy| policy.arn == *arn);
            policy.map_or_else(|| arn.as_str().into(), |policy| reference(&logical("Policy", &policy.name)))
        };
        let inline: Vec<Value> = role
            .inline
            .iter()
            .map(|policy| json!({ "PolicyName": policy.name, "PolicyDocument": references.document(&policy.document) }))
            .collect();
        let mut properties = json!({
            "RoleName": role.name,
            "Description": role.description,
            "AssumeRolePolicyDocument": references.trust(&role.trust),
            "Tags": template.own_tags(),
        });
        if !inline.is_empty() {
            properties["Policies"] = inline.into();
        }
        if !role.attached.is_empty() {
            properties["ManagedPolicyArns"] = role.attached.iter().map(managed).collect();
        }
        if let Some(boundary) = &role.boundary {
            properties["PermissionsBoundary"] = managed(boundary);
        }
        let id = logical("Role", &role.name);
        template.resource(&id, "IAM::Role", properties);
        if has_provider(template.desired)
            && references.trust(&role.trust).to_string().contains("oidc-provider")
        {
            template.after(&id, vec!["OidcProvider".to_owned()]);
        }
        if let RoleKind::Workload { namespace, service_account } = &role.kind {
            let description = format!("The role of {namespace}/{service_account}");
            template.output(&id, &description, attribute(&id, "Arn"));
        }
    }
    providers(template);
}

/// Whether the provider is one of the template's resources.
fn has_provider(desired: &Desired) -> bool {
    let made = desired.account_wide.oidc_provider == Duty::Manage || desired.cluster.create.is_some();
    made && desired.oidc.is_some()
}

fn providers(template: &mut Template<'_>) {
    if let Some(oidc) = &template.desired.oidc {
        let asks = template.references.text(&oidc.issuer) != oidc.issuer.as_str();
        if asks && !template.references.own_cluster {
            let description =
                "The cluster's OIDC issuer without https:// (aws eks describe-cluster, identity.oidc.issuer)";
            template.parameter("OidcIssuer", "String", description);
        }
        if has_provider(template.desired) {
            let properties = json!({
                "Url": template.references.text(&format!("https://{}", oidc.issuer)),
                "ClientIdList": oidc.audiences,
                "Tags": template.own_tags(),
            });
            template.resource("OidcProvider", "IAM::OIDCProvider", properties);
        }
    }
    for association in &template.desired.pod_identities {
        let name = association.role.rsplit('/').next().unwrap_or_default();
        let properties = json!({
            "ClusterName": association.cluster,
            "Namespace": association.namespace,
            "ServiceAccount": association.service_account,
            "RoleArn": attribute(&logical("Role", name), "Arn"),
            "Tags": template.own_tags(),
        });
        let id = logical("PodIdentity", name);
        template.resource(&id, "EKS::PodIdentityAssociation", properties);
        if template.desired.cluster.create.is_some() {
            template.after(&id, vec!["Cluster".to_owned()]);
        }
    }
}
