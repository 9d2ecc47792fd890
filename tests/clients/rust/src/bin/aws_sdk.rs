//! The AWS SDK for Rust with a client certificate: an HTTP client of hyper and rustls under the SDK.

use std::time::Duration;

use anyhow::Context;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use s3_access_proxy_clients::{obey, variable};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

// recipe: begin
mod mtls {
    use aws_sdk_s3::primitives::SdkBody;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use hyper_util::client::legacy::{Client, connect};
    use hyper_util::rt::TokioExecutor;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

    type Https = hyper_rustls::HttpsConnector<connect::HttpConnector>;

    #[derive(Debug)]
    struct Mtls(Client<Https, SdkBody>);

    impl HttpConnector for Mtls {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let client = self.0.clone();
            HttpConnectorFuture::new(async move {
                let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
                let response = client.request(request).await.map_err(|e| ConnectorError::io(e.into()))?;
                HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                    .map_err(|e| ConnectorError::other(e.into(), None))
            })
        }
    }

    /// For the `http_client` of the SDK's configuration.
    pub fn http_client(certificate: &str, key: &str, ca: &str) -> anyhow::Result<SharedHttpClient> {
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(ca)? {
            roots.add(root?)?;
        }
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(key)?;
        let tls =
            rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)?;
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .build();
        let connector = SharedHttpConnector::new(Mtls(Client::builder(TokioExecutor::new()).build(https)));
        Ok(http_client_fn(move |_, _| connector.clone()))
    }
}
// recipe: end

fn client() -> anyhow::Result<Client> {
    let keys = Credentials::new(
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
        None,
        None,
        "dummy",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_REGION")?))
        .credentials_provider(keys)
        .endpoint_url(variable("ENDPOINT")?)
        .force_path_style(true)
        .http_client(mtls::http_client(&variable("CERT")?, &variable("KEY")?, &variable("CA")?)?);
    Ok(Client::from_conf(config.build()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let client = client()?;
    obey(|operation, words| {
        let client = client.clone();
        async move { carry_out(&client, &operation, &words.iter().map(String::as_str).collect::<Vec<_>>()).await }
    })
    .await
}

async fn carry_out(s3: &Client, operation: &str, words: &[&str]) -> anyhow::Result<Option<Value>> {
    Ok(Some(match (operation, words) {
        ("put", [bucket, key, file]) => {
            let body = ByteStream::from_path(file).await?;
            s3.put_object().bucket(*bucket).key(*key).body(body).send().await?;
            Value::Null
        }
        ("get", [bucket, key, file]) => {
            let answer = s3.get_object().bucket(*bucket).key(*key).send().await?;
            save(answer.body, file).await?
        }
        ("range", [bucket, key, first, last, file]) => {
            let range = format!("bytes={first}-{last}");
            let answer = s3.get_object().bucket(*bucket).key(*key).range(range).send().await?;
            save(answer.body, file).await?
        }
        ("head", [bucket, key]) => {
            json!(s3.head_object().bucket(*bucket).key(*key).send().await?.content_length())
        }
        ("list", [bucket, prefix]) => {
            let mut pages = s3.list_objects_v2().bucket(*bucket).prefix(*prefix).into_paginator().send();
            let mut keys = Vec::new();
            while let Some(page) = pages.next().await {
                keys.extend(page?.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
            }
            json!(keys)
        }
        ("delete", [bucket, key]) => {
            s3.delete_object().bucket(*bucket).key(*key).send().await?;
            Value::Null
        }
        ("delete_batch", [bucket, keys @ ..]) => {
            let named = keys.iter().map(|key| ObjectIdentifier::builder().key(*key).build());
            let batch = Delete::builder().set_objects(Some(named.collect::<Result<_, _>>()?)).build()?;
            let answer = s3.delete_objects().bucket(*bucket).delete(batch).send().await?;
            anyhow::ensure!(answer.errors().is_empty(), "{:?}", answer.errors());
            Value::Null
        }
        ("copy", [bucket, source, destination]) => {
            let source = format!("{bucket}/{source}");
            s3.copy_object().bucket(*bucket).key(*destination).copy_source(source).send().await?;
            Value::Null
        }
        ("multipart", [bucket, key, file, part_size]) => {
            multipart(s3, bucket, key, file, part_size.parse()?).await?;
            Value::Null
        }
        ("presign", [bucket, key]) => {
            let soon = PresigningConfig::expires_in(Duration::from_secs(60))?;
            json!(s3.get_object().bucket(*bucket).key(*key).presigned(soon).await?.uri())
        }
        _ => return Ok(None),
    }))
}

async fn save(mut body: ByteStream, file: &str) -> anyhow::Result<Value> {
    let mut file = tokio::fs::File::create(file).await?;
    while let Some(bytes) = body.try_next().await? {
        file.write_all(&bytes).await?;
    }
    file.flush().await?;
    Ok(Value::Null)
}

async fn multipart(s3: &Client, bucket: &str, key: &str, file: &str, part_size: u64) -> anyhow::Result<()> {
    let length = tokio::fs::metadata(file).await?.len();
    let upload = s3.create_multipart_upload().bucket(bucket).key(key).send().await?;
    let upload = upload.upload_id().context("no upload ID")?;
    let mut parts = Vec::new();
    for (number, offset) in (1..).zip((0..length).step_by(usize::try_from(part_size)?)) {
        let size = part_size.min(length - offset);
        let body =
            ByteStream::read_from().path(file).offset(offset).length(Length::Exact(size)).build().await?;
        let part = s3.upload_part().bucket(bucket).key(key).upload_id(upload).part_number(number).body(body);
        let part = part.send().await?;
        let done = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag().map(str::to_owned));
        parts.push(done.set_checksum_crc32(part.checksum_crc32().map(str::to_owned)).build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    s3.complete_multipart_upload()
        .bucket(bucket)
        .key(key)
        .upload_id(upload)
        .multipart_upload(parts)
        .send()
        .await?;
    Ok(())
}
