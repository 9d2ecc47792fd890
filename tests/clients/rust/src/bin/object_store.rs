//! The crate `object_store`, which cannot present a certificate, through the bridge.

use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::stream::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use s3_access_proxy_clients::{obey, variable};
use serde_json::{Value, json};

fn store(bucket: &str) -> anyhow::Result<AmazonS3> {
    let endpoint = variable("ENDPOINT")?;
    // recipe: begin
    let store = AmazonS3Builder::from_env() // AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_bucket_name(bucket)
        .build()?;
    // recipe: end
    Ok(store)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    obey(|operation, words| async move {
        carry_out(&operation, &words.iter().map(String::as_str).collect::<Vec<_>>()).await
    })
    .await
}

async fn carry_out(operation: &str, words: &[&str]) -> anyhow::Result<Option<Value>> {
    let Some((bucket, words)) = words.split_first() else { return Ok(None) };
    let s3 = store(bucket)?;
    Ok(Some(match (operation, words) {
        ("put", [key, file]) => {
            s3.put(&Path::parse(key)?, tokio::fs::read(file).await?.into()).await?;
            Value::Null
        }
        ("get", [key, file]) => {
            tokio::fs::write(file, s3.get(&Path::parse(key)?).await?.bytes().await?).await?;
            Value::Null
        }
        ("range", [key, first, last, file]) => {
            let bytes = s3.get_range(&Path::parse(key)?, first.parse()?..last.parse::<u64>()? + 1).await?;
            tokio::fs::write(file, bytes).await?;
            Value::Null
        }
        ("head", [key]) => json!(s3.head(&Path::parse(key)?).await?.size),
        ("list", [prefix]) => {
            let prefix = Path::parse(prefix)?;
            let found: Vec<_> =
                s3.list(Some(&prefix)).map_ok(|found| found.location.to_string()).try_collect().await?;
            json!(found)
        }
        ("delete", [key]) => {
            s3.delete(&Path::parse(key)?).await?;
            Value::Null
        }
        ("delete_batch", keys) => {
            let keys: Vec<_> = keys.iter().map(|key| Ok(Path::parse(key)?)).collect();
            s3.delete_stream(futures_util::stream::iter(keys).boxed()).try_collect::<Vec<_>>().await?;
            Value::Null
        }
        ("copy", [source, destination]) => {
            s3.copy(&Path::parse(source)?, &Path::parse(destination)?).await?;
            Value::Null
        }
        ("multipart", [key, file, part_size]) => {
            let mut upload = s3.put_multipart(&Path::parse(key)?).await?;
            for part in tokio::fs::read(file).await?.chunks(part_size.parse()?) {
                upload.put_part(PutPayload::from(part.to_vec())).await?;
            }
            upload.complete().await?;
            Value::Null
        }
        ("presign", [key]) => {
            json!(
                s3.signed_url(http::Method::GET, &Path::parse(key)?, Duration::from_secs(60)).await?.as_str()
            )
        }
        _ => return Ok(None),
    }))
}
