//! One admission review, from the bytes of the request to those of the answer: `cargo bench --bench webhook`. A thousand
//! a second on one core is a millisecond each.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use s3_access_proxy::config::Injection;
use s3_access_proxy::inject::{Endpoint, review};
use serde_json::{Value, json};

/// A pod as a Deployment makes it: ten containers with thirty variables each.
fn request() -> Vec<u8> {
    let env: Vec<Value> =
        (0..30).map(|i| json!({"name": format!("VARIABLE_{i}"), "value": "x".repeat(40)})).collect();
    let container =
        |i| json!({"name": format!("container-{i}"), "image": "registry.example/app:1", "env": env});
    let containers: Vec<Value> = (0..10).map(container).collect();
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "object": {
                "metadata": {
                    "generateName": "api-",
                    "labels": {"s3-access-proxy.io/inject": "true"},
                    "annotations": {"s3-access-proxy.io/role-arn": "arn:aws:iam::123456789012:role/api"},
                },
                "spec": {"containers": containers},
            },
        },
    });
    review.to_string().into_bytes()
}

fn reviews(c: &mut Criterion) {
    let settings =
        Injection::parse("injection: {region: eu-west-1}", &[]).unwrap_or_else(|error| panic!("{error}"));
    let request = request();
    c.bench_function("review/mutate", |b| {
        b.iter(|| review(Endpoint::Mutate, black_box(&request), &settings).is_ok());
    });
}

criterion_group!(benches, reviews);
criterion_main!(benches);
