"""Who gets a connection, and what it speaks."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator

import pytest
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import HTTPClientError
from stack import DEADLINE_SECONDS, DUMMY_KEYS, Certificates, Stack, client

REQUEST = b"GET /bucket/key HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def context_of(certificates: Certificates, identity: tuple[str, str] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates["ca.crt"])
    if identity is not None:
        context.load_cert_chain(*identity)
    return context


@contextlib.contextmanager
def connected(stack: Stack, context: ssl.SSLContext, name: str = "localhost") -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(stack.proxy.address, timeout=DEADLINE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        yield secure


def answer(stack: Stack, context: ssl.SSLContext) -> bytes:
    """All that comes back; with TLS 1.3 a client learns of its refusal only when it reads."""
    with connected(stack, context) as secure:
        secure.sendall(REQUEST)
        received = b""
        while chunk := secure.recv(65536):
            received += chunk
        return received


def assert_turned_away(stack: Stack, context: ssl.SSLContext) -> None:
    try:
        received = answer(stack, context)
    except TimeoutError:
        raise
    except (ssl.SSLError, ConnectionError):
        received = b""
    assert received == b"", "an answer to someone who should not have got a connection"


def test_a_client_of_the_authority_is_let_in(stack: Stack, certificates: Certificates) -> None:
    for identity in ("reader", "writer", "admin", "dns-client", "cn-client"):
        assert answer(stack, context_of(certificates, certificates.pair(identity))).startswith(b"HTTP/1.1 ")


def test_without_a_certificate(stack: Stack, certificates: Certificates) -> None:
    assert_turned_away(stack, context_of(certificates, None))
    with pytest.raises((HTTPClientError, BotoConnectionError)):
        client(stack.proxy.endpoint, certificates["ca.crt"], DUMMY_KEYS).list_buckets()


def test_certificate_of_another_authority(
    stack: Stack, certificates: Certificates, foreign_certificates: Certificates
) -> None:
    foreign = foreign_certificates.pair("writer")
    assert_turned_away(stack, context_of(certificates, foreign))
    with pytest.raises((HTTPClientError, BotoConnectionError)):
        client(stack.proxy.endpoint, certificates["ca.crt"], DUMMY_KEYS, foreign).list_buckets()


def test_certificate_of_a_server(stack: Stack, certificates: Certificates) -> None:
    assert_turned_away(stack, context_of(certificates, certificates.pair("server")))


def test_older_tls(stack: Stack, certificates: Certificates) -> None:
    context = context_of(certificates, certificates.pair("writer"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert_turned_away(stack, context)


def test_plain_http_is_answered(stack: Stack) -> None:
    with socket.create_connection(stack.proxy.address, timeout=DEADLINE_SECONDS) as plain:
        plain.sendall(REQUEST)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := plain.recv(65536):
                received += chunk
    assert received.startswith(b"HTTP/1.1 400 ")


def test_both_versions_of_http(stack: Stack, certificates: Certificates) -> None:
    for offered in ("h2", "http/1.1"):
        context = context_of(certificates, certificates.pair("writer"))
        context.set_alpn_protocols([offered])
        with connected(stack, context) as secure:
            assert secure.selected_alpn_protocol() == offered


def test_bucket_in_the_host_name(stack: Stack, certificates: Certificates) -> None:
    direct = stack.new_bucket()
    direct.put("a b/ä", b"body")
    context = context_of(certificates, certificates.pair("writer"))
    host = f"{direct.bucket}.s3.internal"
    with connected(stack, context, host) as secure:
        secure.sendall(f"GET /a%20b/%C3%A4 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(secure, method="GET")
        response.begin()
        assert (response.status, response.read()) == (200, b"body")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_administration(stack: Stack, path: str) -> None:
    connection = http.client.HTTPConnection(stack.proxy.admin, timeout=DEADLINE_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        body = response.read().decode()
        if path == "/metrics":
            assert "# TYPE " in body


def test_log_is_json(stack: Stack) -> None:
    for file in (stack.proxy.program.stdout, stack.proxy.program.stderr):
        for line in file.read_text(encoding="utf-8").split("\n")[:-1]:
            assert isinstance(json.loads(line), dict), line
