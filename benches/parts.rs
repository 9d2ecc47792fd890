//! The parts of the hot path on their own: `cargo bench`. Figures are comparable within one run on one machine.

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::Request;
use http::request::Parts;
use s3_access_proxy::policy::{Effect, Grant, Policy};
use s3_access_proxy::s3::{Classified, Domains, classify};
use s3_access_proxy::sigv4::{PayloadMode, Reframer, Signer, SigningCredentials, TrailerNames};

/// A GET as an SDK sends it: a client signature, SDK noise, a key with escapes.
fn head() -> Parts {
    let request =
        Request::get("/reports-prod/daily/2026/11/24/part-00000%20of%2000042.parquet?x-id=GetObject")
            .header("host", "s3.internal")
            .header("user-agent", "aws-sdk-rust/1.3 os/linux lang/rust/1.95")
            .header("x-amz-date", "20261124T000000Z")
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .header("x-amz-checksum-mode", "ENABLED")
            .header("amz-sdk-invocation-id", "6f2d1f0e-6d2b-4d0c-9c56-0d8f6a6f9e51")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=x/20261124/eu-west-1/s3/aws4_request, Signature=y",
            )
            .body(());
    request.map_or_else(|error| panic!("{error}"), |request| request.into_parts().0)
}

fn classification(c: &mut Criterion) {
    let domains = Domains::new(["s3.internal".to_owned()]);
    c.bench_function("classify/get_object", |b| {
        b.iter_batched(head, |mut head| classify(black_box(&mut head), &domains), BatchSize::SmallInput);
    });
}

fn grant(i: usize) -> Grant {
    let pattern = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text}"));
    Grant {
        name: format!("grant-{i}").into(),
        effect: Effect::Allow,
        identities: vec![pattern("spiffe://cluster.local/ns/reports/sa/*")],
        buckets: vec!["reports-prod".parse().unwrap_or_else(|_| panic!("bucket"))],
        prefixes: Some(vec![format!("team-{i}/").parse().unwrap_or_else(|_| panic!("prefix"))]),
        actions: vec!["s3:GetObject".parse().unwrap_or_else(|_| panic!("action"))],
        role: None,
    }
}

fn authorization(c: &mut Criterion) {
    let identity = "spiffe://cluster.local/ns/reports/sa/api".parse().unwrap_or_else(|_| panic!("identity"));
    for count in [10, 1000] {
        let mut grants: Vec<Grant> = (0..count).map(grant).collect();
        grants[count - 1].prefixes = None;
        let entitlements = Policy::new(grants).entitle(&identity);
        c.bench_function(&format!("authorize/{count}_grants"), |b| {
            let asked = || match classify(&mut head(), &Domains::default()) {
                Ok(Classified::Whole(asked)) => asked,
                other => panic!("{other:?}"),
            };
            b.iter_batched(asked, |asked| entitlements.authorize(black_box(asked)), BatchSize::SmallInput);
        });
    }
}

fn credentials() -> SigningCredentials {
    Credentials::new(
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        Some("t".repeat(400)),
        None,
        "bench",
    )
    .into()
}

fn upstream_head() -> Request<()> {
    let uri =
        "https://reports-prod.s3.eu-west-1.amazonaws.com/daily/2026/11/24/part-00000%20of%2000042.parquet";
    let request = Request::get(uri)
        .header("host", "reports-prod.s3.eu-west-1.amazonaws.com")
        .header("user-agent", "aws-sdk-rust/1.3 os/linux lang/rust/1.95")
        .header("x-amz-checksum-mode", "ENABLED")
        .body(());
    request.unwrap_or_else(|error| panic!("{error}"))
}

fn signing(c: &mut Criterion) {
    let (signer, keys) = (Signer::new("eu-west-1"), credentials());
    let time = SystemTime::UNIX_EPOCH + Duration::from_hours(498_744);
    c.bench_function("sign/get_object", |b| {
        let sign =
            |mut request: Request<()>| signer.sign(&mut request, &PayloadMode::Unsigned, &keys, time).is_ok();
        b.iter_batched(upstream_head, sign, BatchSize::SmallInput);
    });
}

const BODY: usize = 8 * 1024 * 1024;

/// A body in the client's framing, cut into frames as they come from a TLS stream.
fn frames(extension: &str, trailer: &str) -> Vec<Bytes> {
    let mut wire = Vec::with_capacity(BODY + BODY / 8);
    for chunk in vec![7_u8; BODY].chunks(64 * 1024) {
        wire.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
    wire.chunks(16 * 1024).map(Bytes::copy_from_slice).collect()
}

fn run(mut reframer: Reframer, frames: &[Bytes]) -> u64 {
    let mut sent = 0;
    for frame in frames {
        reframer.push(frame.clone()).unwrap_or_else(|error| panic!("{error}"));
        while let Some(piece) = reframer.pop() {
            sent += piece.len() as u64;
        }
    }
    reframer.finish().unwrap_or_else(|error| panic!("{error}"));
    sent
}

fn chunks(c: &mut Criterion) {
    let (signer, keys) = (Signer::new("eu-west-1"), credentials());
    let mut group = c.benchmark_group("rechunk/8MiB");
    group.throughput(Throughput::Bytes(BODY as u64)).sample_size(20);
    let signed = frames(&format!(";chunk-signature={}", "0".repeat(64)), "");
    group.bench_function("signed", |b| {
        let chunk_signer =
            || signer.sign(&mut upstream_head(), &PayloadMode::SignedChunks, &keys, SystemTime::UNIX_EPOCH);
        let start = || match chunk_signer() {
            Ok(chunks) => Reframer::signed(BODY as u64, None, chunks),
            Err(error) => panic!("{error}"),
        };
        b.iter_batched(start, |reframer| run(reframer, &signed), BatchSize::SmallInput);
    });
    let unsigned = frames("", "x-amz-checksum-crc32:AAAAAA==\r\n");
    // Slices of what came, which nobody copies: the figure is the cost of the chunks, not of their bytes.
    group.bench_function("unsigned (slices)", |b| {
        let names = || TrailerNames::parse("x-amz-checksum-crc32").unwrap_or_else(|error| panic!("{error}"));
        b.iter(|| run(Reframer::unsigned(BODY as u64, names()), &unsigned));
    });
    group.finish();
}

criterion_group!(benches, classification, authorization, signing, chunks);
criterion_main!(benches);
