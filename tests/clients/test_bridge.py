"""Everything that boto3 does directly it does through the bridge, and leaves the same in the store."""

from __future__ import annotations

import concurrent.futures
import http.client
import os
import socket
import subprocess
import tempfile
from pathlib import Path

import chunks
import pytest
from cases import CASES, MIB, noise
from stack import Bridge, Proxy, Stack
from unsupported import UNSUPPORTED

# Over plain HTTP boto3 hashes bodies before it sends them, which needs one that can be read twice.
OVER_PLAIN_HTTP = {"put_unseekable", "put_of_unknown_length"}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, stack: Stack, bridge: Bridge) -> None:
    if stack.store.name != "s3s":
        pytest.skip("one store is enough for the way there; what the proxy makes of it is tested without the bridge")
    if name in UNSUPPORTED[stack.store.name]:
        pytest.skip("not supported by the store")
    if name in OVER_PLAIN_HTTP:
        pytest.skip("not supported by boto3 over plain HTTP")
    CASES[name](stack.over(stack.new_bucket(), bridge))


@pytest.mark.parametrize("trailer", [False, True])
def test_large_upload_in_signed_chunks(stack: Stack, bridge: Bridge, trailer: bool) -> None:
    target = stack.over(stack.new_bucket(), bridge)
    pieces = [noise(MIB, seed) for seed in range(20)]
    status, _, answer = chunks.put_signed(target, "chunked", pieces, trailer)
    assert status == 200, answer
    assert target.stored("chunked") == b"".join(pieces)


def test_memory_does_not_grow_with_the_object(stack: Stack, bridge: Bridge) -> None:
    target = stack.over(stack.new_bucket(), bridge)
    body = noise(MIB) * 100
    target.put("warm", body[: 8 * MIB])
    assert target.get("warm") == body[: 8 * MIB]
    before = bridge.memory()
    target.put("large", body)
    assert target.get("large") == body
    assert bridge.memory() - before < 16 * MIB


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_gets_no_answer_on_the_socket(stack: Stack) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        path = directory / "s3.sock"
        proxy = stack.proxy
        bridge = Bridge(directory, proxy.certificates, "writer", proxy.address[1], f"unix:{path}")
        try:
            assert path.stat().st_mode & 0o777 == 0o600
            # Even where the file's mode would let them in, the bridge asks who they are.
            path.chmod(0o777)
            assert asked_as(0, path) == 0
            assert asked_as(65534, path) != 0
            bridge.program.until(lambda: bridge.said("a connection of another user was closed"), "a warning")
        finally:
            bridge.stop()
        assert not path.exists()


def asked_as(user: int, path: Path) -> int:
    command = ["curl", "--silent", "--unix-socket", path, "http://localhost/bucket/key"]
    return subprocess.run(command, user=user, cwd="/", stdout=subprocess.DEVNULL, check=False).returncode


def test_administration(bridge: Bridge) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        connection = http.client.HTTPConnection(bridge.admin, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        body = response.read().decode()
        connection.close()
        if path == "/metrics":
            assert "s3bridge_requests_total" in body


def test_it_listens_on_loopback_only(bridge: Bridge) -> None:
    port = int(bridge.listen.rpartition(":")[2])
    for _, _, _, _, address in socket.getaddrinfo(socket.gethostname(), port, type=socket.SOCK_STREAM):
        host = str(address[0])
        if host.startswith("127.") or host == "::1":
            continue
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            assert probe.connect_ex(address) != 0, f"reachable on {host}"


def test_sdks_try_again_while_the_proxy_is_away(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What SDKs do with the bridge's answer when no proxy is there, and that it comes through when there is one."""
    directory = tmp_path_factory.mktemp("away")
    certificates = stack.proxy.certificates
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    bridge = Bridge(directory, certificates, "writer", port, ready=False)
    target = stack.over(stack.new_bucket(), bridge)
    s3 = target.client(retries={"total_max_attempts": 8, "mode": "standard"})
    named = {"Bucket": target.bucket, "Key": "key"}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        try:
            upload = pool.submit(s3.put_object, **named, Body=b"body")
            bridge.program.until(lambda: bridge.said("the proxy did not answer"), "a first attempt")
            proxy = Proxy(directory, certificates, stack.store, environment={"S3PROXY_LISTEN": f"127.0.0.1:{port}"})
            try:
                assert upload.result()["ResponseMetadata"]["RetryAttempts"] > 0
                assert target.stored("key") == b"body"
            finally:
                proxy.stop()
        finally:
            bridge.stop()
