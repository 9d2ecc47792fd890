"""Log lines as the proxy, S3 server access logging and CloudTrail write them."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone
from pathlib import Path

PROXY = "arn:aws:sts::123456789012:assumed-role/proxy/s3-access-proxy"
ALICE = "arn:aws:iam::123456789012:user/alice"
API = "spiffe://cluster.local/ns/reports/sa/api"
OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"


def at(minute: int) -> datetime:
    return datetime(2026, 11, 24, 12, minute, tzinfo=timezone.utc)


def passed(request_id: str, minute: int = 0, **values) -> dict:
    """A request that the proxy let through and S3 answered."""
    return {
        "time": f"{at(minute):%Y-%m-%dT%H:%M:%S}.000Z",
        "identity": API,
        "operation": "GetObject",
        "bucket": "data",
        "key": "daily/x",
        "status": 200,
        "error_code": None,
        "bytes_in": 0,
        "bytes_out": 1024,
        "duration_ms": 3.0,
        "upstream_ms": 2.0,
        "request_id": "0",
        "upstream_request_id": request_id,
        "grant": "readers",
    } | values


def denied(minute: int = 0, **values) -> dict:
    """A request that the proxy refused."""
    return passed(None, minute) | {
        "status": 403,
        "error_code": "AccessDenied",
        "upstream_ms": None,
        "grant": None,
    } | values


def server_line(request_id: str, minute: int = 0, **values) -> str:
    """As in the user guide, "Amazon S3 server access log format"."""
    fields = {
        "bucket": "data",
        "requester": PROXY,
        "operation": "REST.GET.OBJECT",
        "key": "daily/x",
        "uri": "GET /daily/x HTTP/1.1",
        "status": "200",
        "error": "-",
        "ip": "10.1.2.3",
    } | values
    return (
        f'{OWNER} {fields["bucket"]} [{at(minute):%d/%b/%Y:%H:%M:%S +0000}] {fields["ip"]} {fields["requester"]} '
        f'{request_id} {fields["operation"]} {fields["key"]} "{fields["uri"]}" {fields["status"]} '
        f'{fields["error"]} 1024 1024 7 5 "-" "aws-sdk" - hostid= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader '
        f"data.s3.eu-west-1.amazonaws.com TLSv1.3 - -"
    )


def event(request_id: str, minute: int = 0, **values) -> dict:
    """A data event of S3 in CloudTrail."""
    return {
        "eventVersion": "1.11",
        "eventTime": f"{at(minute):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "sourceIPAddress": "10.1.2.3",
        "requestID": request_id,
        "userIdentity": {"type": "AssumedRole", "arn": PROXY, "principalId": "AROA:s3-access-proxy"},
        "requestParameters": {"bucketName": "data", "key": "daily/x", "Host": "data.s3.amazonaws.com"},
        "additionalEventData": {"x-amz-id-2": "hostid=", "bytesTransferredOut": 1024},
    } | values


def json_lines(path: Path, *requests: dict) -> Path:
    path.write_text("".join(json.dumps(request) + "\n" for request in requests))
    return path


def lines(path: Path, *text: str) -> Path:
    path.write_text("".join(line + "\n" for line in text))
    return path


def trail(path: Path, *events: dict) -> Path:
    path.write_bytes(gzip.compress(json.dumps({"Records": events}).encode()))
    return path
