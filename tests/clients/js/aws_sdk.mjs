// The AWS SDK for JavaScript v3 with a client certificate, given to Node's https agent.

import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { Agent } from "node:https";
import { pipeline } from "node:stream/promises";

import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { NodeHttpHandler } from "@smithy/node-http-handler";

import { obey } from "./lines.mjs";

const { ENDPOINT, CERT, KEY, CA } = process.env;

const tls = { cert: readFileSync(CERT), key: readFileSync(KEY), ca: readFileSync(CA), keepAlive: true };
const s3 = new S3Client({
  endpoint: ENDPOINT,
  forcePathStyle: true,
  requestHandler: new NodeHttpHandler({ httpsAgent: new Agent(tls) }),
});

await obey({
  put: (Bucket, Key, file) => s3.send(new PutObjectCommand({ Bucket, Key, Body: readFileSync(file) })).then(() => null),
  get: async (Bucket, Key, file) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    await pipeline(Body, createWriteStream(file));
  },
  range: async (Bucket, Key, first, last, file) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key, Range: `bytes=${first}-${last}` }));
    await pipeline(Body, createWriteStream(file));
  },
  head: async (Bucket, Key) => (await s3.send(new HeadObjectCommand({ Bucket, Key }))).ContentLength,
  list: async (Bucket, Prefix) => {
    const keys = [];
    for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket, Prefix })) {
      keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
    }
    return keys;
  },
  delete: (Bucket, Key) => s3.send(new DeleteObjectCommand({ Bucket, Key })).then(() => null),
  delete_batch: async (Bucket, ...keys) => {
    const Delete = { Objects: keys.map((Key) => ({ Key })) };
    const { Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete }));
    if (Errors?.length) throw new Error(JSON.stringify(Errors));
  },
  copy: (Bucket, source, Key) =>
    s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${source}` })).then(() => null),
  multipart: async (Bucket, Key, file, partSize) => {
    const params = { Bucket, Key, Body: createReadStream(file) };
    await new Upload({ client: s3, params, partSize: Number(partSize) }).done();
  },
  presign: (Bucket, Key) => getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 }),
});
