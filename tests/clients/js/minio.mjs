// minio for JavaScript, which cannot present a certificate, through the bridge.

import { createReadStream, readFileSync, statSync, writeFileSync } from "node:fs";

import { Client, CopyDestinationOptions, CopySourceOptions } from "minio";

import { obey } from "./lines.mjs";

const { ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION } = process.env;
const endpoint = new URL(ENDPOINT);
const minio = (more) =>
  new Client({
    endPoint: endpoint.hostname,
    port: Number(endpoint.port),
    useSSL: false,
    region: AWS_REGION,
    accessKey: AWS_ACCESS_KEY_ID,
    secretKey: AWS_SECRET_ACCESS_KEY,
    ...more,
  });
const s3 = minio({});

async function save(stream, file) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  writeFileSync(file, Buffer.concat(pieces));
}

await obey({
  put: (bucket, key, file) => s3.putObject(bucket, key, readFileSync(file)).then(() => null),
  get: async (bucket, key, file) => save(await s3.getObject(bucket, key), file),
  range: async (bucket, key, first, last, file) =>
    save(await s3.getPartialObject(bucket, key, Number(first), Number(last) - Number(first) + 1), file),
  head: async (bucket, key) => (await s3.statObject(bucket, key)).size,
  list: async (bucket, prefix) => {
    const keys = [];
    for await (const entry of s3.listObjectsV2(bucket, prefix, true)) keys.push(entry.name);
    return keys;
  },
  delete: (bucket, key) => s3.removeObject(bucket, key).then(() => null),
  delete_batch: async (bucket, ...keys) => {
    const errors = (await s3.removeObjects(bucket, keys)).filter((entry) => entry?.Error ?? entry?.Code);
    if (errors.length) throw new Error(JSON.stringify(errors));
  },
  copy: (bucket, source, destination) =>
    s3
      .copyObject(
        new CopySourceOptions({ Bucket: bucket, Object: source }),
        new CopyDestinationOptions({ Bucket: bucket, Object: destination }),
      )
      .then(() => null),
  multipart: (bucket, key, file, partSize) =>
    minio({ partSize: Number(partSize) }).putObject(bucket, key, createReadStream(file), statSync(file).size).then(() => null),
  presign: (bucket, key) => s3.presignedGetObject(bucket, key, 60),
});
