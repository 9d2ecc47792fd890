//! Marks as CloudFormation's references: what only the account can say, the template asks its other resources for, or its
//! parameters.

use serde_json::{Value, json};

use crate::spec::{Fact, resolve_text};

/// Where in the template each fact comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct References {
    /// Whether the endpoint is one of the template's resources.
    pub(super) own_endpoint: bool,
    /// Whether the cluster is.
    pub(super) own_cluster: bool,
}

impl References {
    fn of(self, fact: &Fact) -> &'static str {
        match fact {
            Fact::KeyArn => "${Key.Arn}",
            Fact::EndpointId if self.own_endpoint => "${S3Endpoint}",
            Fact::EndpointId => "${S3EndpointId}",
            Fact::OidcIssuer => "${OidcIssuer}",
        }
    }

    /// Text, or what CloudFormation has to fill in.
    pub(super) fn text(self, text: &str) -> Value {
        // IAM's own variables look like CloudFormation's.
        let escaped = text.replace("${", "${!");
        let filled = resolve_text(&escaped, &|fact| Some(self.of(fact).to_owned())).unwrap_or_default();
        if filled == escaped {
            return text.into();
        }
        if filled.contains("${OidcIssuer}") && self.own_cluster {
            return json!({ "Fn::Sub": [filled, { "OidcIssuer": Self::issuer_of_own_cluster() }] });
        }
        json!({ "Fn::Sub": filled })
    }

    /// A document in which marks stand in values.
    pub(super) fn document(self, document: &Value) -> Value {
        match document {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().map(|item| self.document(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (key.clone(), self.document(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// A document in which marks stand in keys too, which CloudFormation fills in in text only: the document as text.
    pub(super) fn trust(self, document: &Value) -> Value {
        if document.to_string().contains(&Fact::OidcIssuer.to_string()) {
            self.text(&format!("{document:#}"))
        } else {
            self.document(document)
        }
    }

    /// The issuer's URL without its scheme.
    fn issuer_of_own_cluster() -> Value {
        let url = json!({ "Fn::GetAtt": ["Cluster", "OpenIdConnectIssuerUrl"] });
        json!({ "Fn::Select": [1, { "Fn::Split": ["//", url] }] })
    }
}
