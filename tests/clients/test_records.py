"""What the proxy writes about its requests, and what it never writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cases import refused
from stack import Certificates, Proxy, Stack, Target

FIELDS = (
    "time identity operation bucket key status error_code bytes_in bytes_out duration_ms upstream_ms request_id "
    "upstream_request_id grant"
).split()


def lines_of(proxy: Proxy, target: Target, count: int) -> list[dict[str, Any]]:
    """The access log about a bucket, when it has at least so many lines."""

    def enough() -> list[dict[str, Any]] | None:
        lines = proxy.access_log(target.bucket)
        return lines if len(lines) >= count else None

    return proxy.program.until(enough, f"{count} lines in the access log about {target.bucket}")


def test_one_line_a_request(stack: Stack) -> None:
    writer = stack.through(stack.new_bucket(), "writer")
    body = b"x" * 100_000
    writer.put("ä +", body)
    writer.get("ä +")
    writer.head("ä +")
    writer.s3.list_objects_v2(Bucket=writer.bucket, Prefix="ä")
    refused(404, "NoSuchKey", writer.get, key="missing")
    writer.s3.delete_object(Bucket=writer.bucket, Key="ä +")
    writer.s3.head_bucket(Bucket=writer.bucket)

    lines = lines_of(stack.proxy, writer, 7)
    for line in lines:
        assert set(FIELDS) <= set(line)
        assert line["identity"] == "spiffe://cluster.local/ns/app/sa/writer"
        assert line["grant"] == "writers"
        assert line["request_id"]
    # Lines are written when a request is over, which the client may learn a moment earlier.
    assert sorted([line["operation"], line["key"] or "", line["status"]] for line in lines) == [
        ["DeleteObject", "ä +", 204],
        ["GetObject", "missing", 404],
        ["GetObject", "ä +", 200],
        ["HeadBucket", "", 200],
        ["HeadObject", "ä +", 200],
        ["ListObjectsV2", "ä", 200],
        ["PutObject", "ä +", 200],
    ]
    by_operation = {line["operation"]: line for line in lines if line["status"] == 200}
    assert by_operation["PutObject"]["bytes_in"] >= len(body)
    assert by_operation["GetObject"]["bytes_out"] == len(body)
    assert by_operation["HeadObject"]["bytes_out"] == 0


def test_line_of_a_refusal(stack: Stack) -> None:
    reader = stack.through(stack.new_bucket(), "reader")
    error = refused(403, "AccessDenied", reader.put, key="other/key", body=b"body")
    (line,) = lines_of(stack.proxy, reader, 1)
    assert set(FIELDS) <= set(line)
    assert line["identity"] == "spiffe://cluster.local/ns/app/sa/reader"
    assert (line["operation"], line["key"]) == ("PutObject", "other/key")
    assert (line["status"], line["error_code"]) == (403, "AccessDenied")
    assert line["request_id"] == error.response["ResponseMetadata"]["RequestId"]
    assert line["upstream_request_id"] is None


def test_names_of_other_identities(stack: Stack) -> None:
    for client, identity in (("dns-client", "dns:client.app.svc"), ("cn-client", "cn:legacy-app")):
        target = stack.through(stack.new_bucket(), client)
        refused(403, "AccessDenied", target.get, key="other")
        (line,) = lines_of(stack.proxy, target, 1)
        assert line["identity"] == identity


def test_secrets_stay_out_of_the_most_talkative_log(stack: Stack, certificates: Certificates, tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, certificates, stack.store, "--verbose", environment={"RUST_LOG": "trace"})
    try:
        writer = stack.through(stack.new_bucket(), "writer", proxy)
        writer.put("key", b"body")
        writer.get("key")
        refused(404, "NoSuchKey", writer.get, key="missing")
        for version in ("s3", "s3v4"):
            named = {"Bucket": writer.bucket, "Key": "key"}
            url = writer.client(signature_version=version).generate_presigned_url("get_object", named)
            assert writer.http.get(url).content == b"body"
        lines_of(proxy, writer, 5)
    finally:
        # Looks for the secrets in everything that the proxy wrote.
        proxy.stop()
