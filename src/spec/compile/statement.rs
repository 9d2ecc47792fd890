//! Statements of policies, with fields in the order in which people read them.

use serde_json::{Value, json};

pub(super) struct Statement(Value);

/// A policy document.
pub(super) fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

impl Statement {
    pub(super) fn allow(sid: &str) -> Self {
        Self(json!({ "Sid": sid, "Effect": "Allow" }))
    }

    pub(super) fn deny(sid: &str) -> Self {
        Self(json!({ "Sid": sid, "Effect": "Deny" }))
    }

    pub(super) fn anybody(self) -> Self {
        self.with("Principal", "*".into())
    }

    pub(super) fn aws(self, arns: impl Into<Value>) -> Self {
        self.with("Principal", json!({ "AWS": arns.into() }))
    }

    pub(super) fn service(self, name: impl Into<Value>) -> Self {
        self.with("Principal", json!({ "Service": name.into() }))
    }

    pub(super) fn federated(self, arn: impl Into<Value>) -> Self {
        self.with("Principal", json!({ "Federated": arn.into() }))
    }

    pub(super) fn actions(self, actions: impl Into<Value>) -> Self {
        self.with("Action", actions.into())
    }

    pub(super) fn on(self, resources: impl Into<Value>) -> Self {
        self.with("Resource", resources.into())
    }

    pub(super) fn when(self, condition: Value) -> Value {
        self.with("Condition", condition).0
    }

    pub(super) fn always(self) -> Value {
        self.0
    }

    fn with(mut self, field: &str, value: Value) -> Self {
        self.0[field] = value;
        self
    }
}
