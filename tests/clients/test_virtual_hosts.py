"""Virtual-hosted style in both ways in: boto3 puts the bucket into the host name, the proxy finds it there."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from botocore.config import Config
from stack import CLIENT_REGION, DUMMY_KEYS, SESSION, Bridge, Stack

SUFFIX = "s3.internal"


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for a name server that leads every name below the suffix to this machine."""
    look_up = socket.getaddrinfo

    def answer(host: Any, *more: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        return look_up("127.0.0.1" if name.endswith(SUFFIX) else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize("way", ["own certificate", "bridge"])
def test_bucket_in_the_host_name(way: str, stack: Stack, bridge: Bridge) -> None:
    direct = stack.new_bucket()
    certificates = stack.proxy.certificates
    if way == "bridge":
        endpoint = f"http://{SUFFIX}:{bridge.listen.rpartition(':')[2]}"
        certificate = None
    else:
        endpoint = f"https://{SUFFIX}:{stack.proxy.address[1]}"
        certificate = certificates.pair("writer")
    config = Config(
        client_cert=certificate, retries={"total_max_attempts": 1}, s3={"addressing_style": "virtual"}
    )
    s3 = SESSION.client(
        "s3",
        endpoint_url=endpoint,
        verify=certificates["ca.crt"],
        region_name=CLIENT_REGION,
        aws_access_key_id=DUMMY_KEYS.id,
        aws_secret_access_key=DUMMY_KEYS.secret,
        config=config,
    )
    hosts: list[str] = []
    s3.meta.events.register("before-send.s3", lambda request, **_: hosts.append(request.url.split("/")[2]))
    named = {"Bucket": direct.bucket, "Key": "a b/ä+%2F"}
    s3.put_object(**named, Body=b"body")
    assert direct.get(named["Key"]) == b"body"
    assert s3.get_object(**named)["Body"].read() == b"body"
    s3.copy_object(Bucket=direct.bucket, Key="copy", CopySource=named)
    assert direct.get("copy") == b"body"
    deleted = s3.delete_objects(Bucket=direct.bucket, Delete={"Objects": [{"Key": named["Key"]}, {"Key": "copy"}]})
    assert len(deleted["Deleted"]) == 2
    assert set(hosts) == {f"{direct.bucket}.{SUFFIX}:{endpoint.rpartition(':')[2]}"}
