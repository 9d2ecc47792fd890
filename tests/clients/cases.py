"""What an S3 client does, each as a function of a bucket: it runs against a store directly and through the proxy.

A case asserts what must hold on either way. What is in the bucket afterwards is compared by the runner.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import random
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import chunks
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from botocore.handlers import set_list_objects_encoding_type_url
from stack import Target

Case = Callable[[Target], None]

CASES: dict[str, Case] = {}

MIB = 1024 * 1024

KEYS = [
    "plain/object.txt",
    "a b",
    "a+b",
    "a%2Fb",
    "a//b",
    "dot/../x",
    "a/./b",
    "...",
    "ä/ö",
    "cafe\u0301",
    "日本語",
    "😀",
    "q'uo(te)!*",
    "pct%",
    "pct%41%zz",
    "trail/",
    "/lead",
    "eq=amp&q?x",
    "#hash",
    "back\\slash",
    '<x>&amp;"',
    "at@:;,$",
    "~^`{|}[]",
    "line\nbreak\ttab",
    "long/" + "/".join(["segment-" + "x" * 91] * 10),
]

ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"]


def name_of(case: str, value: str) -> str:
    """`case[value]`, readable also for a value that is long or not printable."""
    shown = value if len(value) < 40 else f"{value[:20]}…"
    return f"{case}[{shown.encode('unicode_escape').decode() if not shown.isprintable() else shown}]"


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def case_for(values: Iterable[str]) -> Callable[[Callable[[Target, str], None]], Callable[[Target, str], None]]:
    def register(function: Callable[[Target, str], None]) -> Callable[[Target, str], None]:
        for value in values:
            CASES[name_of(function.__name__, value)] = lambda target, value=value: function(target, value)
        return function

    return register


def noise(length: int, seed: int = 1) -> bytes:
    """Bytes that do not compress and are the same each time."""
    return random.Random(seed).randbytes(length)


def refused(status: int, code: str | None, call: Callable[..., object], **parameters: object) -> ClientError:
    """Makes a call that must fail in exactly this way."""
    try:
        call(**parameters)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response
        assert code is None or error.response["Error"]["Code"] == code, error.response
        return error
    raise AssertionError(f"went through instead of ending in {status} {code}")


def unencoded(target: Target) -> Any:
    """A client that does not ask for URL-encoded keys in lists, as boto3 does by default."""
    s3 = target.client()
    for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        event = f"before-parameter-build.s3.{operation}"
        s3.meta.events.unregister(event, set_list_objects_encoding_type_url)
    return s3


def listed(lister: Any, target: Target, **more: Any) -> list[str]:
    pages = lister.get_paginator("list_objects_v2").paginate(Bucket=target.bucket, **more)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


# Objects, under every kind of name.


@case_for(KEYS)
def put_get(target: Target, key: str) -> None:
    body = f"body of {key}".encode()
    put = target.put(key, body)
    head = target.head(key)
    assert head["ContentLength"] == len(body)
    assert head["ETag"] == put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert target.get(key) == body
    assert target.get(key, Range="bytes=3-6") == body[3:7]
    assert target.stored(key) == body


@case_for(KEYS)
def list_one(target: Target, key: str) -> None:
    only(target, key, target.s3)


@case_for(KEYS)
def list_one_unencoded(target: Target, key: str) -> None:
    only(target, key, unencoded(target))


def only(target: Target, key: str, lister: Any) -> None:
    target.direct.put(key, b"listed")
    for prefix in ("", key[:1], key):
        assert listed(lister, target, Prefix=prefix) == [key]
        found = lister.list_objects(Bucket=target.bucket, Prefix=prefix)
        assert [entry["Key"] for entry in found["Contents"]] == [key]
    assert listed(lister, target, Prefix=key + "x") == []


@case_for(KEYS)
def copy_from(target: Target, key: str) -> None:
    target.direct.put(key, b"to be copied")
    target.s3.copy_object(Bucket=target.bucket, Key="copy", CopySource={"Bucket": target.bucket, "Key": key})
    assert target.stored("copy") == b"to be copied"


@case_for(KEYS)
def copy_to(target: Target, key: str) -> None:
    target.put("source", b"to be copied")
    target.s3.copy_object(Bucket=target.bucket, Key=key, CopySource=f"{target.bucket}/source")
    assert target.stored(key) == b"to be copied"


@case_for(KEYS)
def delete(target: Target, key: str) -> None:
    target.direct.put(key, b"to be deleted")
    target.direct.put("kept", b"kept")
    target.s3.delete_object(Bucket=target.bucket, Key=key)
    refused(404, None, target.direct.head, key=key)
    assert target.stored("kept") == b"kept"


@case_for(KEYS)
def delete_in_batch(target: Target, key: str) -> None:
    target.direct.put(key, b"to be deleted")
    target.direct.put("kept", b"kept")
    answer = target.s3.delete_objects(Bucket=target.bucket, Delete={"Objects": [{"Key": key}]})
    assert [entry["Key"] for entry in answer["Deleted"]] == [key]
    refused(404, None, target.direct.head, key=key)
    assert target.stored("kept") == b"kept"


@case_for(KEYS)
def multipart(target: Target, key: str) -> None:
    named = {"Bucket": target.bucket, "Key": key}
    upload = target.s3.create_multipart_upload(**named)["UploadId"]
    part = target.s3.upload_part(**named, UploadId=upload, PartNumber=1, Body=b"the only part")
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    target.s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": parts})
    assert target.stored(key) == b"the only part"


@case_for(KEYS)
def tags(target: Target, key: str) -> None:
    target.direct.put(key, b"tagged")
    named = {"Bucket": target.bucket, "Key": key}
    wanted = [{"Key": "a b", "Value": "c+d/ä"}, {"Key": "empty", "Value": ""}]
    target.s3.put_object_tagging(**named, Tagging={"TagSet": wanted})
    assert target.s3.get_object_tagging(**named)["TagSet"] == wanted
    assert target.direct.s3.get_object_tagging(**named)["TagSet"] == wanted


@case_for(KEYS)
def presigned_v2(target: Target, key: str) -> None:
    presigned(target, key, target.s3, "AWSAccessKeyId=")


@case_for(KEYS)
def presigned_v4(target: Target, key: str) -> None:
    presigned(target, key, target.client(signature_version="s3v4"), "X-Amz-Signature=")


def presigned(target: Target, key: str, signer: object, mark: str) -> None:
    named = {"Bucket": target.bucket, "Key": key}
    url = signer.generate_presigned_url("put_object", named)
    assert mark in url
    # Not with `requests`, which takes `..` out of a path.
    status, _, body = target.send("PUT", url, b"put with an URL")
    assert status == 200, body
    assert target.stored(key) == b"put with an URL"
    status, _, body = target.send("GET", signer.generate_presigned_url("get_object", named))
    assert (status, body) == (200, b"put with an URL")


# Bodies and how they are sent.


@case
def put_empty(target: Target) -> None:
    target.put("empty")
    assert target.head("empty")["ContentLength"] == 0
    assert target.get("empty") == target.stored("empty") == b""


@case
def put_folder(target: Target) -> None:
    target.put("folder/")


@case
def put_large(target: Target) -> None:
    body = noise(6 * MIB + 1)
    target.put("large", body)
    assert target.stored("large") == body
    assert target.get("large") == body


@case
def put_file(target: Target) -> None:
    body = noise(3 * MIB)
    target.put("file", io.BytesIO(body))
    assert target.stored("file") == body


@case
def put_overwrites(target: Target) -> None:
    target.put("key", b"before", Metadata={"a": "1"}, ContentType="text/plain")
    target.put("key", b"after")
    assert target.stored("key") == b"after"
    assert target.head("key")["Metadata"] == {}


class Unseekable(io.RawIOBase):
    """A stream that can be read once, like a pipe."""

    def __init__(self, body: bytes):
        self.body = io.BytesIO(body)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        return self.body.readinto(buffer)


@case
def put_unseekable(target: Target) -> None:
    body = noise(2 * MIB + 7)
    target.put("stream", Unseekable(body), ContentLength=len(body))
    assert target.stored("stream") == body


@case
def put_of_unknown_length(target: Target) -> None:
    refused(411, "MissingContentLength", target.put, key="stream", body=Unseekable(b"body"))


@case
def upload_unseekable(target: Target) -> None:
    body = noise(9 * MIB)
    target.s3.upload_fileobj(Unseekable(body), target.bucket, "stream")
    assert target.stored("stream") == body


SETTINGS = {
    "no checksum": {"request_checksum_calculation": "when_required"},
    "signed body": {"s3": {"payload_signing_enabled": True}},
    "signed body, no checksum": {
        "request_checksum_calculation": "when_required",
        "s3": {"payload_signing_enabled": True},
    },
    "no checksum of responses": {"response_checksum_validation": "when_required"},
    "SigV2": {"signature_version": "s3"},
}


@case_for(SETTINGS)
def client_settings(target: Target, setting: str) -> None:
    s3 = target.client(**SETTINGS[setting])
    body = noise(100_000)
    s3.put_object(Bucket=target.bucket, Key="ä +", Body=body, Metadata={"k": "v"})
    assert target.stored("ä +") == body
    assert s3.get_object(Bucket=target.bucket, Key="ä +")["Body"].read() == body
    assert target.head("ä +")["Metadata"] == {"k": "v"}


@case
def declared_hash(target: Target) -> None:
    body = noise(70_000)
    status, _, answer = chunks.put(target, "right", body, hashlib.sha256(body).hexdigest())
    assert status == 200, answer
    assert target.stored("right") == body
    status, _, answer = chunks.put(target, "unsigned", body, "UNSIGNED-PAYLOAD")
    assert status == 200, answer
    assert target.stored("unsigned") == body


@case
def declared_hash_is_wrong(target: Target) -> None:
    status, _, answer = chunks.put(target, "wrong", b"body", hashlib.sha256(b"other").hexdigest())
    assert status >= 400, answer
    refused(404, None, target.direct.head, key="wrong")


@case
def signed_chunks(target: Target) -> None:
    pieces = [noise(64 * 1024, seed) for seed in range(4)] + [b"and the rest"]
    status, _, answer = chunks.put_signed(target, "chunked", pieces, trailer=False)
    assert status == 200, answer
    assert target.stored("chunked") == b"".join(pieces)


@case
def signed_chunks_of_nothing(target: Target) -> None:
    status, _, answer = chunks.put_signed(target, "chunked", [], trailer=False)
    assert status == 200, answer
    assert target.stored("chunked") == b""


@case
def signed_chunks_and_trailer(target: Target) -> None:
    pieces = [noise(64 * 1024, seed) for seed in range(4)] + [b"and the rest"]
    status, _, answer = chunks.put_signed(target, "chunked", pieces, trailer=True)
    assert status == 200, answer
    assert target.stored("chunked") == b"".join(pieces)


# Checksums.


@case_for(ALGORITHMS)
def checksum(target: Target, algorithm: str) -> None:
    body = noise(200_000)
    answer = target.put("key", body, ChecksumAlgorithm=algorithm)
    assert target.stored("key") == body
    member = f"Checksum{algorithm}"
    head = target.head("key", ChecksumMode="ENABLED")
    assert head[member] == answer[member] == target.direct.head("key", ChecksumMode="ENABLED")[member]
    # boto3 checks the body against it while reading.
    got = target.s3.get_object(Bucket=target.bucket, Key="key", ChecksumMode="ENABLED")
    assert got[member] == answer[member]
    assert got["Body"].read() == body


CHECKSUMS = {
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
}


@case_for(CHECKSUMS)
def checksum_given(target: Target, algorithm: str) -> None:
    body = noise(50_000)
    value = base64.b64encode(CHECKSUMS[algorithm](body)).decode()
    target.put("key", body, **{f"Checksum{algorithm}": value})
    assert target.stored("key") == body


@case
def content_md5(target: Target) -> None:
    body = noise(50_000)
    target.put("key", body, ContentMD5=base64.b64encode(hashlib.md5(body).digest()).decode())
    assert target.stored("key") == body


@case_for(["CRC32", "CRC64NVME", "SHA256"])
def multipart_checksum(target: Target, algorithm: str) -> None:
    named = {"Bucket": target.bucket, "Key": "key"}
    member = f"Checksum{algorithm}"
    upload = target.s3.create_multipart_upload(**named, ChecksumAlgorithm=algorithm)["UploadId"]
    parts = []
    bodies = [noise(5 * MIB, 1), noise(1000, 2)]
    for number, body in enumerate(bodies, 1):
        part = target.s3.upload_part(
            **named, UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm
        )
        checksums = {member: part[member]} if member in part else {}
        parts.append({"PartNumber": number, "ETag": part["ETag"], **checksums})
    target.s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": parts})
    assert target.stored("key") == b"".join(bodies)


# What is kept beside the bytes.


@case
def metadata(target: Target) -> None:
    wanted = {
        "plain": "value",
        "two-words": "one two",
        "many": "one   two  three",
        "under_score": "x",
        "list": "a,b, c",
        "marks": "!\"#$%&'()*+-./:;<=>?@[]^_`{|}~",
        "long": "x" * 1000,
    }
    target.put("key", b"body", Metadata=wanted)
    assert target.head("key")["Metadata"] == wanted
    assert target.direct.head("key")["Metadata"] == wanted


@case
def metadata_with_underscore(target: Target) -> None:
    target.put("key", b"body", Metadata={"under_score": "x"})
    assert target.head("key")["Metadata"] == target.direct.head("key")["Metadata"] == {"under_score": "x"}


@case
def metadata_of_nothing(target: Target) -> None:
    target.put("key", b"body", Metadata={"empty": ""})
    assert target.head("key")["Metadata"] == target.direct.head("key")["Metadata"] == {"empty": ""}


@case
def headers(target: Target) -> None:
    wanted = {
        "ContentType": 'text/html; charset=utf-8; x="a  b"',
        "ContentDisposition": "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt",
        "ContentLanguage": "de, en",
        "CacheControl": "no-cache,  max-age=60",
    }
    target.put("key", b"body", **wanted)
    for seen in (target.head("key"), target.direct.head("key")):
        assert {name: seen.get(name) for name in wanted} == wanted


@case
def expires(target: Target) -> None:
    when = datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    target.put("key", b"body", Expires=when)
    assert target.head("key")["Expires"] == target.direct.head("key")["Expires"] == when


@case
def storage_class(target: Target) -> None:
    target.put("key", b"body", StorageClass="REDUCED_REDUNDANCY")
    assert target.head("key")["StorageClass"] == target.direct.head("key")["StorageClass"] == "REDUCED_REDUNDANCY"


@case
def encoding_without_framing(target: Target) -> None:
    target.put("key", b"body")
    assert "ContentEncoding" not in target.head("key")
    target.put("zipped", gzip.compress(b"body", mtime=0), ContentEncoding="gzip")
    assert target.head("zipped")["ContentEncoding"] == "gzip"


@case
def encoding_gzip(target: Target) -> None:
    body = gzip.compress(b"compressed by the client " * 100, mtime=0)
    # Without a checksum, so that the SDK does not add a coding of its own.
    plain = target.client(request_checksum_calculation="when_required")
    plain.put_object(Bucket=target.bucket, Key="key", Body=body, ContentEncoding="gzip", ContentType="text/plain")
    assert target.stored("key") == target.get("key") == body
    head = target.head("key")
    assert (head["ContentLength"], head["ContentEncoding"]) == (len(body), "gzip")
    assert target.direct.head("key")["ContentEncoding"] == "gzip"
    url = target.s3.generate_presigned_url("get_object", {"Bucket": target.bucket, "Key": "key"})
    for accepted in ("gzip", "identity"):
        status, headers, got = target.send("GET", url, headers={"accept-encoding": accepted})
        assert (status, headers["content-encoding"], got) == (200, "gzip", body)


@case
def tags_with_put(target: Target) -> None:
    target.put("key", b"body", Tagging="a=1&b%20c=2%2F3")
    named = {"Bucket": target.bucket, "Key": "key"}
    wanted = [{"Key": "a", "Value": "1"}, {"Key": "b c", "Value": "2/3"}]
    assert target.s3.get_object_tagging(**named)["TagSet"] == wanted
    assert target.direct.s3.get_object_tagging(**named)["TagSet"] == wanted
    target.s3.delete_object_tagging(**named)
    assert target.direct.s3.get_object_tagging(**named)["TagSet"] == []
    # Without its query, the request to delete the tags would have deleted the object.
    assert target.stored("key") == b"body"


@case
def attributes(target: Target) -> None:
    target.put("key", b"some body")
    answer = target.s3.get_object_attributes(
        Bucket=target.bucket, Key="key", ObjectAttributes=["ETag", "ObjectSize", "StorageClass"]
    )
    assert answer["ObjectSize"] == 9
    assert answer["ETag"] == hashlib.md5(b"some body").hexdigest()


# Reading: ranges, conditions, errors.


@case
def ranges(target: Target) -> None:
    body = noise(10_000)
    target.direct.put("key", body)
    for asked, begin, end in [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        ("bytes=9000-", 9000, 10_000),
        ("bytes=-10", 9990, 10_000),
        ("bytes=9999-20000", 9999, 10_000),
    ]:
        answer = target.s3.get_object(Bucket=target.bucket, Key="key", Range=asked)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert answer["ContentRange"] == f"bytes {begin}-{end - 1}/10000"
        assert answer["ContentLength"] == end - begin
        assert answer["Body"].read() == body[begin:end]


@case
def range_beyond_the_end(target: Target) -> None:
    target.direct.put("key", b"short")
    refused(416, "InvalidRange", target.get, key="key", Range="bytes=10-20")


@case
def range_of_head(target: Target) -> None:
    target.direct.put("key", noise(1000))
    head = target.head("key", Range="bytes=10-19")
    assert (head["ResponseMetadata"]["HTTPStatusCode"], head["ContentLength"]) == (206, 10)


@case
def get_if_none_match(target: Target) -> None:
    tag = target.direct.put("key", b"body")["ETag"]
    assert target.get("key", IfNoneMatch='"other"') == b"body"
    refused(304, None, target.get, key="key", IfNoneMatch=tag)
    # The connection goes on: a 304 has no body, whatever its headers say.
    assert target.get("key") == b"body"


@case
def head_if_none_match(target: Target) -> None:
    tag = target.direct.put("key", b"body")["ETag"]
    refused(304, None, target.head, key="key", IfNoneMatch=tag)
    assert target.head("key")["ContentLength"] == 4


@case
def get_if_match(target: Target) -> None:
    tag = target.direct.put("key", b"body")["ETag"]
    assert target.get("key", IfMatch=tag) == b"body"
    refused(412, "PreconditionFailed", target.get, key="key", IfMatch='"other"')
    assert target.get("key") == b"body"


@case
def get_if_modified(target: Target) -> None:
    target.direct.put("key", b"body")
    now = datetime.now(timezone.utc)
    past, future = now - timedelta(days=1), now + timedelta(days=1)
    assert target.get("key", IfModifiedSince=past) == b"body"
    refused(412, "PreconditionFailed", target.get, key="key", IfUnmodifiedSince=past)
    assert target.get("key", IfUnmodifiedSince=future) == b"body"


@case
def put_if_none_match(target: Target) -> None:
    target.put("key", b"first", IfNoneMatch="*")
    refused(412, "PreconditionFailed", target.put, key="key", body=b"second", IfNoneMatch="*")
    assert target.stored("key") == b"first"


@case
def put_if_match(target: Target) -> None:
    tag = target.put("key", b"first")["ETag"]
    refused(412, "PreconditionFailed", target.put, key="key", body=b"second", IfMatch='"other"')
    target.put("key", b"third", IfMatch=tag)
    assert target.stored("key") == b"third"


@case
def response_headers_asked_for(target: Target) -> None:
    target.direct.put("key", b"body")
    answer = target.s3.get_object(
        Bucket=target.bucket,
        Key="key",
        ResponseContentType="text/x; charset=utf-8",
        ResponseContentDisposition='attachment; filename="a b+c.txt"',
    )
    assert answer["ContentType"] == "text/x; charset=utf-8"
    assert answer["ContentDisposition"] == 'attachment; filename="a b+c.txt"'
    assert answer["Body"].read() == b"body"


@case
def missing_key(target: Target) -> None:
    error = refused(404, "NoSuchKey", target.get, key="missing")
    assert isinstance(error, target.s3.exceptions.NoSuchKey)
    refused(404, "404", target.head, key="missing")
    target.s3.delete_object(Bucket=target.bucket, Key="missing")


@case
def missing_bucket(target: Target) -> None:
    error = refused(404, "NoSuchBucket", target.s3.list_objects_v2, Bucket="there-is-no-such-bucket")
    assert isinstance(error, target.s3.exceptions.NoSuchBucket)


@case
def missing_upload(target: Target) -> None:
    named = {"Bucket": target.bucket, "Key": "key", "UploadId": "none"}
    error = refused(404, "NoSuchUpload", target.s3.list_parts, **named)
    assert isinstance(error, target.s3.exceptions.NoSuchUpload)


@case
def head_keeps_the_connection(target: Target) -> None:
    body = noise(5000)
    target.direct.put("key", body)
    signer = target.client(signature_version="s3v4")
    named = {"Bucket": target.bucket, "Key": "key"}
    with target.connection() as connection:
        for operation, method in (("head_object", "HEAD"), ("get_object", "GET")) * 3:
            url = signer.generate_presigned_url(operation, named)
            connection.request(method, url.removeprefix(target.endpoint))
            response = connection.getresponse()
            assert (response.status, response.headers["content-length"]) == (200, "5000")
            assert response.read() == (body if method == "GET" else b"")


@case
def bucket_calls(target: Target) -> None:
    assert target.s3.head_bucket(Bucket=target.bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    target.s3.get_bucket_location(Bucket=target.bucket)
    target.direct.put("key", b"body")
    target.s3.get_waiter("bucket_exists").wait(Bucket=target.bucket, WaiterConfig={"MaxAttempts": 1})
    target.s3.get_waiter("object_exists").wait(Bucket=target.bucket, Key="key", WaiterConfig={"MaxAttempts": 1})


# Lists.

# In the order in which S3 lists: by the bytes of the key.
TREE = [
    "a b/1",
    "a b/2",
    "a%2Fb/1",
    "a+b/1",
    "a-1",
    "a-2",
    "a-3",
    "deep/er/1",
    "deep/er/2",
    "deep/est/1",
    "pct%/1",
    "q?&=/1",
    "ä/ö/1",
    "ä/ö/2",
    "日本語/1",
]


def planted(target: Target) -> None:
    for key in TREE:
        target.direct.put(key, key.encode())


# How keys are written in the answer: boto3 asks for URL encoding, and undoes it.
LISTERS: dict[str, Callable[[Target], Any]] = {"encoded": lambda target: target.s3, "unencoded": unencoded}


@case_for(LISTERS)
def list_all(target: Target, lister: str) -> None:
    planted(target)
    assert listed(LISTERS[lister](target), target) == TREE


@case_for(LISTERS)
def list_pages(target: Target, lister: str) -> None:
    planted(target)
    pages = (
        LISTERS[lister](target)
        .get_paginator("list_objects_v2")
        .paginate(Bucket=target.bucket, PaginationConfig={"PageSize": 4})
    )
    found = [[entry["Key"] for entry in page["Contents"]] for page in pages]
    assert found == [TREE[0:4], TREE[4:8], TREE[8:12], TREE[12:]]


@case_for(LISTERS)
def list_pages_v1(target: Target, lister: str) -> None:
    planted(target)
    pages = (
        LISTERS[lister](target)
        .get_paginator("list_objects")
        .paginate(Bucket=target.bucket, PaginationConfig={"PageSize": 4})
    )
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == TREE


@case_for(LISTERS)
def list_prefixes(target: Target, lister: str) -> None:
    planted(target)
    s3 = LISTERS[lister](target)
    for prefix in (
        "a b/",
        "a%2Fb/",
        "a+b/",
        "a",
        "deep/",
        "deep/e",
        "pct%/",
        "q?&=/",
        "ä/",
        "ä/ö/",
        "日本語/",
        "none/",
    ):
        assert listed(s3, target, Prefix=prefix) == [key for key in TREE if key.startswith(prefix)]


@case_for(LISTERS)
def list_folders(target: Target, lister: str) -> None:
    planted(target)
    s3 = LISTERS[lister](target)

    def folders(prefix: str) -> tuple[list[str], list[str]]:
        page = s3.list_objects_v2(Bucket=target.bucket, Delimiter="/", Prefix=prefix)
        prefixes = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        return prefixes, [entry["Key"] for entry in page.get("Contents", [])]

    top = ["a b/", "a%2Fb/", "a+b/", "deep/", "pct%/", "q?&=/", "ä/", "日本語/"]
    assert folders("") == (top, ["a-1", "a-2", "a-3"])
    assert folders("deep/") == (["deep/er/", "deep/est/"], [])
    assert folders("ä/ö/") == ([], ["ä/ö/1", "ä/ö/2"])


@case_for(LISTERS)
def list_start_after(target: Target, lister: str) -> None:
    planted(target)
    s3 = LISTERS[lister](target)
    assert listed(s3, target, StartAfter="pct%/1") == ["q?&=/1", "ä/ö/1", "ä/ö/2", "日本語/1"]
    assert listed(s3, target, StartAfter="ä/ö/1", Prefix="ä/") == ["ä/ö/2"]


@case
def list_nothing(target: Target) -> None:
    page = target.s3.list_objects_v2(Bucket=target.bucket)
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)


# Copies.


@case
def copy_keeps_metadata(target: Target) -> None:
    target.put("source", b"body", Metadata={"a": "1"}, ContentType="text/plain")
    target.s3.copy_object(Bucket=target.bucket, Key="copy", CopySource={"Bucket": target.bucket, "Key": "source"})
    head = target.direct.head("copy")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "text/plain")
    assert target.stored("copy") == b"body"


@case
def copy_replaces_metadata(target: Target) -> None:
    target.put("source", b"body", Metadata={"a": "1"})
    target.s3.copy_object(
        Bucket=target.bucket,
        Key="source",
        CopySource={"Bucket": target.bucket, "Key": "source"},
        Metadata={"b": "2"},
        MetadataDirective="REPLACE",
    )
    assert target.direct.head("source")["Metadata"] == {"b": "2"}
    assert target.stored("source") == b"body"


@case
def copy_if_match(target: Target) -> None:
    tag = target.put("source", b"body")["ETag"]
    copy = {"Bucket": target.bucket, "Key": "copy", "CopySource": f"{target.bucket}/source"}
    refused(412, "PreconditionFailed", target.s3.copy_object, **copy, CopySourceIfMatch='"other"')
    target.s3.copy_object(**copy, CopySourceIfMatch=tag)
    assert target.stored("copy") == b"body"


@case
def copy_of_missing(target: Target) -> None:
    refused(
        404, "NoSuchKey", target.s3.copy_object, Bucket=target.bucket, Key="copy", CopySource=f"{target.bucket}/none"
    )


@case_for(
    ["{}/%C3%A4%20b%2Bc", "/{}/%C3%A4%20b%2Bc", "{}/%c3%a4%20b%2bc", "{}%2F%C3%A4%20b%2Bc", "{}/%C3%A4%20%62%2Bc"]
)
def copy_source_spelled(target: Target, source: str) -> None:
    target.direct.put("ä b+c", b"body")
    s3 = target.client()

    def spell(params: dict[str, Any], **_: Any) -> None:
        params["headers"]["x-amz-copy-source"] = source.format(target.bucket)

    s3.meta.events.register("before-call.s3.CopyObject", spell)
    s3.copy_object(Bucket=target.bucket, Key="copy", CopySource="replaced/by-the-above")
    assert target.stored("copy") == b"body"


@case
def copy_managed(target: Target) -> None:
    body = noise(11 * MIB)
    target.direct.put("source +", body)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    target.s3.copy({"Bucket": target.bucket, "Key": "source +"}, target.bucket, "copy", Config=config)
    assert target.stored("copy") == body


@case
def upload_part_copy(target: Target) -> None:
    body = noise(6 * MIB)
    target.direct.put("source", body)
    named = {"Bucket": target.bucket, "Key": "copy"}
    upload = target.s3.create_multipart_upload(**named)["UploadId"]
    parts = []
    for number, asked in enumerate([f"bytes=0-{5 * MIB - 1}", f"bytes={5 * MIB}-{6 * MIB - 1}"], 1):
        answer = target.s3.upload_part_copy(
            **named,
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": target.bucket, "Key": "source"},
            CopySourceRange=asked,
        )
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    target.s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": parts})
    assert target.stored("copy") == body


# Many at once.


@case
def delete_hundred(target: Target) -> None:
    awkward = {"trail/", "line\nbreak\ttab", KEYS[-1]}
    odd = [key for key in KEYS if key not in awkward]
    keys = [f"{number:02}/{odd[number % len(odd)]}" for number in range(100)]
    for key in keys:
        target.direct.put(key, b"to be deleted")
    target.direct.put("kept", b"kept")
    answer = target.s3.delete_objects(Bucket=target.bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == sorted(keys)
    assert "Errors" not in answer
    assert listed(target.direct.s3, target) == ["kept"]


@case
def delete_quietly(target: Target) -> None:
    for key in ("1", "2", "3"):
        target.direct.put(key, b"body")
    objects = [{"Key": key} for key in ("1", "3")]
    answer = target.s3.delete_objects(Bucket=target.bucket, Delete={"Objects": objects, "Quiet": True})
    assert "Errors" not in answer
    assert listed(target.direct.s3, target) == ["2"]


@case_for(ALGORITHMS[:5])
def delete_with_checksum(target: Target, algorithm: str) -> None:
    target.direct.put("1", b"body")
    target.s3.delete_objects(Bucket=target.bucket, Delete={"Objects": [{"Key": "1"}]}, ChecksumAlgorithm=algorithm)
    assert listed(target.direct.s3, target) == []


# Multipart uploads and managed transfers.


@case
def multipart_steps(target: Target) -> None:
    named = {"Bucket": target.bucket, "Key": "key"}
    bodies = [noise(5 * MIB, 1), noise(5 * MIB, 2), b"the rest"]
    upload = target.s3.create_multipart_upload(
        **named, Metadata={"a": "1"}, ContentType="text/plain", ContentEncoding="gzip"
    )["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        part = target.s3.upload_part(**named, UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    sizes = {part["PartNumber"]: part["Size"] for part in target.s3.list_parts(**named, UploadId=upload)["Parts"]}
    assert sizes == {number: len(body) for number, body in enumerate(bodies, 1)}
    answer = target.s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": parts})
    assert answer["ETag"].endswith('-3"')
    assert target.stored("key") == b"".join(bodies)
    head = target.direct.head("key")
    assert (head["Metadata"], head["ContentType"], head["ContentEncoding"]) == ({"a": "1"}, "text/plain", "gzip")


@case
def multipart_aborted(target: Target) -> None:
    named = {"Bucket": target.bucket, "Key": "key"}
    upload = target.s3.create_multipart_upload(**named)["UploadId"]
    target.s3.upload_part(**named, UploadId=upload, PartNumber=1, Body=b"part")
    target.s3.abort_multipart_upload(**named, UploadId=upload)
    refused(404, None, target.direct.head, key="key")


@case
def multipart_listed(target: Target) -> None:
    upload = target.s3.create_multipart_upload(Bucket=target.bucket, Key="ä/key +")["UploadId"]
    uploads = target.s3.list_multipart_uploads(Bucket=target.bucket, Prefix="ä/")["Uploads"]
    assert [(entry["Key"], entry["UploadId"]) for entry in uploads] == [("ä/key +", upload)]
    target.s3.abort_multipart_upload(Bucket=target.bucket, Key="ä/key +", UploadId=upload)


@case
def multipart_part_too_small(target: Target) -> None:
    named = {"Bucket": target.bucket, "Key": "key"}
    upload = target.s3.create_multipart_upload(**named)["UploadId"]
    parts = []
    for number in (1, 2):
        part = target.s3.upload_part(**named, UploadId=upload, PartNumber=number, Body=b"small")
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    refused(
        400,
        "EntityTooSmall",
        target.s3.complete_multipart_upload,
        **named,
        UploadId=upload,
        MultipartUpload={"Parts": parts},
    )


@case
def transfer_in_parts(target: Target) -> None:
    body = noise(26 * MIB + 5)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    more = {"Metadata": {"a": "1"}, "ContentType": "application/x-noise"}
    target.s3.upload_fileobj(io.BytesIO(body), target.bucket, "key", Config=config, ExtraArgs=more)
    head = target.direct.head("key")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "application/x-noise")
    assert head["ETag"].endswith('-6"')
    assert target.stored("key") == body
    read = io.BytesIO()
    target.s3.download_fileobj(target.bucket, "key", read, Config=config)
    assert read.getvalue() == body


@case
def transfer_at_once(target: Target) -> None:
    body = noise(1 * MIB)
    target.s3.upload_fileobj(io.BytesIO(body), target.bucket, "key")
    assert target.stored("key") == body
    read = io.BytesIO()
    target.s3.download_fileobj(target.bucket, "key", read)
    assert read.getvalue() == body


# Presigned addresses, with `requests`.


@case_for(["s3", "s3v4"])
def presigned_requests(target: Target, version: str) -> None:
    signer = target.client(signature_version=version)
    named = {"Bucket": target.bucket, "Key": "folder/a b+ä"}
    body = noise(300_000)
    put = target.http.put(signer.generate_presigned_url("put_object", named), data=body)
    assert put.status_code == 200, put.text
    assert target.stored(named["Key"]) == body
    url = signer.generate_presigned_url("get_object", named)
    assert target.http.get(url).content == body
    part = target.http.get(url, headers={"range": "bytes=5-14"})
    assert (part.status_code, part.content) == (206, body[5:15])
    head = target.http.head(signer.generate_presigned_url("head_object", named))
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(body)))
    gone = target.http.delete(signer.generate_presigned_url("delete_object", named))
    assert gone.status_code == 204
    missing = target.http.get(url)
    assert missing.status_code == 404
    assert ElementTree.fromstring(missing.content).findtext("Code") == "NoSuchKey"


@case_for(["s3", "s3v4"])
def presigned_with_headers(target: Target, version: str) -> None:
    signer = target.client(signature_version=version)
    wanted = {"ContentType": "text/plain", "Metadata": {"owner": "a b"}}
    url = signer.generate_presigned_url("put_object", {"Bucket": target.bucket, "Key": "key", **wanted})
    sent = {"content-type": "text/plain", "x-amz-meta-owner": "a b"}
    put = target.http.put(url, data=b"body", headers=sent)
    assert put.status_code == 200, put.text
    head = target.direct.head("key")
    assert (head["ContentType"], head["Metadata"]) == ("text/plain", {"owner": "a b"})


@case_for(["s3", "s3v4"])
def presigned_response_headers(target: Target, version: str) -> None:
    target.direct.put("key", b"body")
    signer = target.client(signature_version=version)
    asked = {"ResponseContentType": "text/x", "ResponseContentDisposition": 'attachment; filename="a b.txt"'}
    url = signer.generate_presigned_url("get_object", {"Bucket": target.bucket, "Key": "key", **asked})
    answer = target.http.get(url)
    assert (answer.status_code, answer.content) == (200, b"body")
    assert answer.headers["content-type"] == "text/x"
    assert answer.headers["content-disposition"] == 'attachment; filename="a b.txt"'


# Versions.


@case
def versions(target: Target) -> None:
    target.direct.s3.put_bucket_versioning(Bucket=target.bucket, VersioningConfiguration={"Status": "Enabled"})
    first = target.put("a +", b"first")["VersionId"]
    second = target.put("a +", b"second")["VersionId"]
    assert target.get("a +") == b"second"
    assert target.get("a +", VersionId=first) == b"first"
    named = {"Bucket": target.bucket, "Key": "a +"}
    source = {**named, "VersionId": first}
    target.s3.copy_object(Bucket=target.bucket, Key="copy", CopySource=source)
    assert target.stored("copy") == b"first"
    marker = target.s3.delete_object(**named)
    assert marker["DeleteMarker"]
    found = target.s3.list_object_versions(Bucket=target.bucket, Prefix="a ")
    assert {entry["VersionId"] for entry in found["Versions"]} == {first, second}
    assert [entry["VersionId"] for entry in found["DeleteMarkers"]] == [marker["VersionId"]]
    target.s3.delete_objects(
        Bucket=target.bucket,
        Delete={"Objects": [{"Key": "a +", "VersionId": marker["VersionId"]}, {"Key": "a +", "VersionId": second}]},
    )
    assert target.stored("a +") == b"first"
