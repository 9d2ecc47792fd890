"""Sessions of the proxy's role, given by moto's STS: an implementation that is not ours."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from stack import STORE_KEYS, UPSTREAM_REGION, Certificates, MotoStore, Proxy, Stack, json_lines

ROLE = "arn:aws:iam::123456789012:role/s3-proxy"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpiIn0.c2lnbmF0dXJl"

IDENTITIES = {
    "writer": "app,writer@cluster.local",
    "reader": "app,reader@cluster.local",
    "dns-client": "dns=client.app.svc",
    "cn-client": "cn=legacy-app",
}


@pytest.fixture
def moto(certificates: Certificates, tmp_path: Path) -> Iterator[MotoStore]:
    store = MotoStore(tmp_path / "moto", certificates)
    yield store
    store.program.stop()
    output = store.program.output() + store.record.read_text(encoding="utf-8")
    assert STORE_KEYS.secret not in output


def sts_of(moto: MotoStore) -> str:
    return f"http://127.0.0.1:{moto.plain_port}"


def web_identity(moto: MotoStore, directory: Path, **more: Any) -> dict[str, Any]:
    token = directory / "token"
    token.write_text(TOKEN + "\n", encoding="utf-8")
    return {
        "source": "web_identity",
        "role_arn": ROLE,
        "token_file": str(token),
        "sts_endpoint": sts_of(moto),
        "allow_plaintext": True,
        **more,
    }


def ready(proxy: Proxy) -> int:
    host, _, port = proxy.admin.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()


def until_ready(proxy: Proxy) -> None:
    proxy.program.until(lambda: ready(proxy) == 200, "readiness")


def session_of(moto: MotoStore, bucket: str) -> str:
    """Whose session signed the last request about a bucket, as moto's STS names the caller."""
    about = [line for line in json_lines(moto.record) if line["target"].startswith(f"/{bucket}")]
    headers = dict(about[-1]["headers"])
    key = re.search(r"Credential=([^/]+)/", headers["authorization"])
    assert key is not None
    sts = boto3.client(
        "sts",
        endpoint_url=sts_of(moto),
        region_name=UPSTREAM_REGION,
        aws_access_key_id=key[1],
        aws_secret_access_key="does-not-matter-to-moto",
        aws_session_token=headers["x-amz-security-token"],
    )
    return sts.get_caller_identity()["Arn"]


def test_web_identity_signs_for_everybody(moto: MotoStore, certificates: Certificates, tmp_path: Path) -> None:
    credentials = web_identity(moto, tmp_path, session_name="the-proxy", expect_role=ROLE)
    proxy = Proxy(tmp_path, certificates, moto, credentials=credentials)
    try:
        until_ready(proxy)
        stack = Stack(moto, proxy)
        writer = stack.through(stack.new_bucket(), "writer")
        writer.put("granted/x", b"body")
        assert writer.get("granted/x") == b"body"
        assert session_of(moto, writer.bucket) == "arn:aws:sts::123456789012:assumed-role/s3-proxy/the-proxy"
        assert TOKEN not in proxy.program.output()
    finally:
        proxy.stop()


@pytest.mark.parametrize("source", ["web_identity", "environment"])
def test_each_identity_has_a_session(
    moto: MotoStore, certificates: Certificates, tmp_path: Path, source: str
) -> None:
    """By AssumeRoleWithWebIdentity, and by AssumeRole with tags and a source identity. Moto checks names and lengths."""
    if source == "web_identity":
        credentials = web_identity(moto, tmp_path, sessions="per_identity", expect_role="arn:aws:iam::*:role/s3-*")
    else:
        credentials = {
            "source": "environment",
            "sessions": "per_identity",
            "role_arn": ROLE,
            "source_identity": True,
            "session_tags": True,
            "sts_endpoint": sts_of(moto),
            "allow_plaintext": True,
        }
    proxy = Proxy(tmp_path, certificates, moto, credentials=credentials)
    keys = {"writer": "w", "reader": "granted/r", "dns-client": "dns/client.app.svc/d", "cn-client": "cn/c"}
    try:
        until_ready(proxy)
        stack = Stack(moto, proxy)
        direct = stack.new_bucket()
        for _ in range(2):
            for identity, name in IDENTITIES.items():
                direct.put(keys[identity], identity.encode())
                target = stack.through(direct, identity)
                assert target.get(keys[identity]) == identity.encode()
                expected = f"arn:aws:sts::123456789012:assumed-role/s3-proxy/{name}"
                assert session_of(moto, direct.bucket) == expected
        assert TOKEN not in proxy.program.output()
    finally:
        proxy.stop()


def test_credentials_of_a_user_are_not_of_the_expected_role(
    moto: MotoStore, certificates: Certificates, tmp_path: Path
) -> None:
    credentials = {
        "source": "environment",
        "expect_role": "arn:aws:iam::*:role/*",
        "sts_endpoint": sts_of(moto),
        "allow_plaintext": True,
    }
    proxy = Proxy(tmp_path, certificates, moto, credentials=credentials)
    try:
        proxy.program.until(lambda: "expect_role is" in proxy.program.output(), "the mismatch in the log")
        assert ready(proxy) == 503
    finally:
        proxy.stop()
