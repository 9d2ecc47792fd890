"""What no grant allows is refused, as S3 would refuse it, and nothing of it happens."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cases import refused
from stack import Stack, Target

PLANTED = {"granted/one": b"1", "granted/two": b"2", "other/three": b"3", "sealed/four": b"4"}


@pytest.fixture
def planted(stack: Stack) -> Target:
    """A bucket with objects inside and outside what the reader may read."""
    direct = stack.new_bucket()
    for key, body in PLANTED.items():
        direct.put(key, body)
    return direct


@pytest.fixture
def as_client(stack: Stack, planted: Target) -> Callable[[str], Target]:
    return lambda identity: stack.through(planted, identity)


@pytest.fixture
def reader(as_client: Callable[[str], Target]) -> Target:
    return as_client("reader")


def unchanged(planted: Target) -> bool:
    found = planted.s3.list_objects_v2(Bucket=planted.bucket)["Contents"]
    return {entry["Key"]: planted.stored(entry["Key"]) for entry in found} == PLANTED


def denied(call: Callable[..., object], **parameters: Any) -> None:
    error = refused(403, "AccessDenied", call, **parameters)
    answer = error.response["ResponseMetadata"]
    assert answer["RequestId"]
    assert answer["HTTPHeaders"]["x-amz-request-id"] == answer["RequestId"]
    assert answer["HTTPHeaders"]["content-type"] == "application/xml"


# What the reader may and may not do.


def test_granted_is_read(reader: Target) -> None:
    assert reader.get("granted/one") == b"1"
    assert reader.head("granted/two")["ContentLength"] == 1


def test_granted_prefix_is_listed(reader: Target) -> None:
    for prefix in ("granted/", "granted/o"):
        found = reader.s3.list_objects_v2(Bucket=reader.bucket, Prefix=prefix)["Contents"]
        assert [entry["Key"] for entry in found] == [key for key in PLANTED if key.startswith(prefix)]
    assert reader.s3.list_objects(Bucket=reader.bucket, Prefix="granted/")["Prefix"] == "granted/"


@pytest.mark.parametrize("prefix", [None, "", "/", "g", "granted", "other/", "granted-too/"])
def test_other_lists_are_refused(reader: Target, prefix: str | None) -> None:
    parameters = {} if prefix is None else {"Prefix": prefix}
    denied(reader.s3.list_objects_v2, Bucket=reader.bucket, **parameters)
    denied(reader.s3.list_objects, Bucket=reader.bucket, **parameters)


def test_list_of_buckets_is_refused(reader: Target) -> None:
    denied(reader.s3.list_buckets)


@pytest.mark.parametrize("key", ["other/three", "granted", "Granted/one", "/granted/one", "granted%2Fone"])
def test_other_keys_are_refused(reader: Target, key: str) -> None:
    denied(reader.get, key=key)


def test_refusal_of_head_has_no_body(reader: Target) -> None:
    error = refused(403, "403", reader.head, key="other/three")
    assert error.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    # The connection goes on.
    assert reader.get("granted/one") == b"1"


def test_missing_and_existing_look_the_same(reader: Target) -> None:
    messages = {
        refused(403, "AccessDenied", reader.get, key=key).response["Error"]["Message"].replace(key, "KEY")
        for key in ("other/three", "other/there")
    }
    assert len(messages) == 1


def test_put_is_refused(reader: Target, planted: Target) -> None:
    denied(reader.put, key="granted/one", body=b"overwritten")
    denied(reader.put, key="granted/new", body=b"x" * 3_000_000)
    assert unchanged(planted)


def test_delete_is_refused(reader: Target, planted: Target) -> None:
    denied(reader.s3.delete_object, Bucket=reader.bucket, Key="granted/one")
    objects = [{"Key": "granted/one"}]
    denied(reader.s3.delete_objects, Bucket=reader.bucket, Delete={"Objects": objects})
    assert unchanged(planted)


def test_multipart_upload_is_refused(reader: Target) -> None:
    denied(reader.s3.create_multipart_upload, Bucket=reader.bucket, Key="granted/new")


def test_presigned_address_grants_nothing(reader: Target) -> None:
    for version in ("s3", "s3v4"):
        signer = reader.client(signature_version=version)
        granted = signer.generate_presigned_url("get_object", {"Bucket": reader.bucket, "Key": "granted/one"})
        assert reader.http.get(granted).content == b"1"
        other = signer.generate_presigned_url("get_object", {"Bucket": reader.bucket, "Key": "other/three"})
        answer = reader.http.get(other)
        assert answer.status_code == 403
        error = ElementTree.fromstring(answer.content)
        assert error.tag == "Error"
        assert error.findtext("Code") == "AccessDenied"
        assert error.findtext("Message")
        assert error.findtext("Resource") == f"/{reader.bucket}/other/three"
        assert error.findtext("RequestId") == answer.headers["x-amz-request-id"]


def test_identity_comes_from_no_header(reader: Target) -> None:
    path = f"{reader.endpoint}/{reader.bucket}/other/three"
    writer = "spiffe://cluster.local/ns/app/sa/writer"
    for name in ("x-forwarded-client-cert", "x-client-identity", "x-spiffe-id", "x-amzn-mtls-clientcert-subject"):
        for value in (writer, f"By=spiffe://cluster.local/ns/x/sa/y;URI={writer}"):
            status, _, _ = reader.send("GET", path, headers={name: value})
            assert status == 403


# Accesses that hide in a header or a body.


def test_copy_needs_its_source(as_client: Callable[[str], Target], planted: Target) -> None:
    admin = as_client("admin")
    copy = {"Bucket": admin.bucket, "Key": "granted/copy"}
    denied(admin.s3.copy_object, **copy, CopySource={"Bucket": admin.bucket, "Key": "other/three"})
    denied(admin.s3.copy_object, **copy, CopySource={"Bucket": admin.bucket, "Key": "granted/one", "VersionId": "1"})
    assert unchanged(planted)
    admin.s3.copy_object(**copy, CopySource={"Bucket": admin.bucket, "Key": "granted/one"})
    assert planted.stored("granted/copy") == b"1"


def test_copy_needs_its_target(as_client: Callable[[str], Target], planted: Target) -> None:
    admin = as_client("admin")
    source = {"Bucket": admin.bucket, "Key": "granted/one"}
    denied(admin.s3.copy_object, Bucket=admin.bucket, Key="other/copy", CopySource=source)
    assert unchanged(planted)


def test_part_copy_needs_its_source(as_client: Callable[[str], Target]) -> None:
    admin = as_client("admin")
    named = {"Bucket": admin.bucket, "Key": "granted/copy"}
    upload = admin.s3.create_multipart_upload(**named)["UploadId"]
    denied(
        admin.s3.upload_part_copy,
        **named,
        UploadId=upload,
        PartNumber=1,
        CopySource={"Bucket": admin.bucket, "Key": "other/three"},
    )


def test_batch_is_refused_as_a_whole(as_client: Callable[[str], Target], planted: Target) -> None:
    admin = as_client("admin")

    def batch(*keys: str) -> dict[str, Any]:
        return {"Bucket": admin.bucket, "Delete": {"Objects": [{"Key": key} for key in keys]}}

    denied(admin.s3.delete_objects, **batch("granted/one", "other/three"))
    denied(admin.s3.delete_objects, **batch(*[f"granted/{number}" for number in range(999)], "other/three"))
    assert unchanged(planted)
    admin.s3.delete_objects(**batch("granted/one"))
    refused(404, None, planted.head, key="granted/one")


def test_denial_wins(as_client: Callable[[str], Target], planted: Target) -> None:
    writer = as_client("writer")
    denied(writer.s3.delete_object, Bucket=writer.bucket, Key="sealed/four")
    objects = [{"Key": "granted/one"}, {"Key": "sealed/four"}]
    denied(writer.s3.delete_objects, Bucket=writer.bucket, Delete={"Objects": objects})
    assert unchanged(planted)
    writer.s3.delete_object(Bucket=writer.bucket, Key="granted/one")
    refused(404, None, planted.head, key="granted/one")


def test_query_selects_the_operation(reader: Target) -> None:
    path = f"{reader.endpoint}/{reader.bucket}/granted/one"
    assert reader.send("GET", f"{path}?x-id=GetObject")[2] == b"1"
    for query in ("acl", "tagging", "torrent", "versionId=1", "uploadId=1", "unheard-of", "acl&x-id=GetObject"):
        status, _, body = reader.send("GET", f"{path}?{query}")
        assert status in (400, 403, 501), query
        assert ElementTree.fromstring(body).findtext("Code"), query


# Every identity form.


def test_prefix_of_the_namespace(as_client: Callable[[str], Target], planted: Target) -> None:
    admin = as_client("admin")
    admin.put("by-namespace/platform/key", b"mine")
    assert planted.stored("by-namespace/platform/key") == b"mine"
    denied(admin.put, key="by-namespace/app/key", body=b"not mine")


@pytest.mark.parametrize(
    ("identity", "prefix"), [("dns-client", "dns/client.app.svc/"), ("cn-client", "cn/")], ids=["dns", "cn"]
)
def test_other_identity_forms(as_client: Callable[[str], Target], planted: Target, identity: str, prefix: str) -> None:
    target = as_client(identity)
    target.put(f"{prefix}key", b"body")
    assert target.get(f"{prefix}key") == planted.stored(f"{prefix}key") == b"body"
    for key in ("granted/one", "key", "dns/other.app.svc/key", "by-namespace//key"):
        denied(target.get, key=key)
        denied(target.put, key=key, body=b"body")


# What nobody may do, whatever is granted.


def never(call: Callable[..., object], **parameters: Any) -> None:
    """Refused by a guardrail, or because the proxy does not offer it at all."""
    try:
        call(**parameters)
    except ClientError as error:
        answer = error.response["ResponseMetadata"]
        assert (answer["HTTPStatusCode"], error.response["Error"]["Code"]) in [
            (403, "AccessDenied"),
            (501, "NotImplemented"),
        ]
        assert answer["RequestId"]
    else:
        raise AssertionError("went through")


def test_access_lists_are_refused(as_client: Callable[[str], Target]) -> None:
    writer = as_client("writer")
    named = {"Bucket": writer.bucket, "Key": "granted/one"}
    everyone = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    never(writer.put, key="new", body=b"body", ACL="public-read")
    never(writer.put, key="new", body=b"body", GrantRead=everyone)
    never(writer.s3.copy_object, Bucket=writer.bucket, Key="new", CopySource=named, ACL="public-read")
    never(writer.s3.create_multipart_upload, Bucket=writer.bucket, Key="new", ACL="public-read")
    never(writer.s3.put_object_acl, **named, ACL="public-read")
    never(writer.s3.put_bucket_acl, Bucket=writer.bucket, GrantRead=everyone)
    refused(404, None, writer.direct.head, key="new")


def test_public_access_is_refused(as_client: Callable[[str], Target]) -> None:
    writer = as_client("writer")
    bucket = {"Bucket": writer.bucket}
    public = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{writer.bucket}/*"}}]}}'
    )
    nothing_blocked = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False
    )
    anyone = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    never(writer.s3.put_bucket_policy, **bucket, Policy=public)
    never(writer.s3.delete_bucket_policy, **bucket)
    never(writer.s3.put_public_access_block, **bucket, PublicAccessBlockConfiguration=nothing_blocked)
    never(writer.s3.delete_public_access_block, **bucket)
    never(writer.s3.put_bucket_website, **bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    never(writer.s3.put_bucket_cors, **bucket, CORSConfiguration=anyone)
