"""What the tests talk to: a store, the proxy in front of it, and clients of either.

Every program runs on loopback with its output in files, is waited for by looking at that output, and is ended by
whoever started it.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import itertools
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import boto3
import pytest
import requests
import yaml
from botocore.config import Config

REPOSITORY = Path(__file__).resolve().parents[2]
PROXY_BIN = Path(os.environ.get("PROXY_BIN", REPOSITORY / "target/debug/proxy"))
STORE_BIN = Path(os.environ.get("STORE_BIN", REPOSITORY / "target/debug/examples/store"))

# A hang is a failure; nothing here is expected to take a noticeable part of this.
DEADLINE_SECONDS = 60

# The clients' region and the proxy's differ, so that a signature passed on instead of made anew would show.
CLIENT_REGION = "us-east-1"
UPSTREAM_REGION = "eu-west-1"

T = TypeVar("T")


def until(find: Callable[[], T | None], what: str, failed: Callable[[], str | None] = lambda: None) -> T:
    """What `find` finds, asked again while that is nothing, empty or false, until the deadline or until `failed` knows better."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = find()
        if found:
            return found
        reason = failed()
        if reason is None and time.monotonic() > deadline:
            reason = "the deadline passed"
        if reason is not None:
            raise AssertionError(f"waiting for {what}: {reason}")
        time.sleep(0.01)


@dataclass(frozen=True)
class Keys:
    """An access key pair."""

    id: str
    secret: str

    @staticmethod
    def new(prefix: str) -> Keys:
        return Keys(prefix + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))

    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}


STORE_KEYS = Keys.new("AKIASTORE")
# What the clients sign with when they talk to the proxy: it must neither matter nor get any further.
DUMMY_KEYS = Keys.new("AKIADUMMY")


@dataclass(frozen=True)
class Certificates:
    """A directory that certs-dev/generate.sh filled."""

    directory: Path

    @staticmethod
    def make(directory: Path) -> Certificates:
        script = REPOSITORY / "certs-dev/generate.sh"
        subprocess.run(["bash", script, directory], check=True, stdout=subprocess.DEVNULL)
        return Certificates(directory)

    def __getitem__(self, name: str) -> str:
        return str(self.directory / name)

    def pair(self, name: str) -> tuple[str, str]:
        return self[f"{name}.crt"], self[f"{name}.key"]


class Program:
    """A child process whose standard output and standard error are files."""

    def __init__(
        self, name: str, command: list[str | Path], directory: Path, environment: Mapping[str, str] | None = None
    ):
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.stdout = directory / "stdout"
        self.stderr = directory / "stderr"
        foreign = ("AWS_", "S3PROXY_", "RUST_LOG")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        with self.stdout.open("wb") as stdout, self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**inherited, **(environment or {})},
                cwd=directory,
            )

    def output(self) -> str:
        """Everything it said so far, for the reader of a failed test."""
        return "".join(
            f"--- {self.name} {file.name}\n{file.read_text(errors='replace')}" for file in (self.stdout, self.stderr)
        )

    def ended(self) -> str | None:
        """How it ended, if it did."""
        code = self.process.poll()
        return None if code is None else f"{self.name} ended with {code}\n{self.output()}"

    def until(self, find: Callable[[], T | None], what: str) -> T:
        return until(find, what, self.ended)

    def stop(self) -> int:
        """Asks it to end, makes it end at the deadline, and says how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not end on SIGTERM\n{self.output()}") from None


def json_lines(file: Path) -> list[dict[str, Any]]:
    """The complete lines of a file that are JSON objects."""
    lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines if line.startswith("{")]


class Store(Protocol):
    """A store as the tests see it: over TLS with its own keys, and what it holds."""

    name: str
    endpoint: str
    ca: str
    program: Program

    def upstream(self) -> dict[str, Any]:
        """The proxy's `upstream` section that leads here."""

    def holds(self, bucket: str) -> dict[str, Any]:
        """All that a bucket holds, comparable to the same of another bucket."""

    def check_received(self) -> None:
        """Fails on a request that no proxy should have sent."""


class S3sStore:
    """`s3s-fs` over TLS (examples/store.rs), which verifies every signature."""

    name = "s3s"

    def __init__(self, directory: Path, certificates: Certificates):
        self.ca = certificates["ca.crt"]
        self.root = directory / "root"
        self.root.mkdir(parents=True)
        certificate, key = certificates.pair("server")
        command = [STORE_BIN, "--root", self.root, "--tls-cert", certificate, "--tls-key", key]
        self.program = Program("store", command, directory / "store", STORE_KEYS.environment())
        self.port = self.program.until(self._port, "the store's address")
        self.endpoint = f"https://127.0.0.1:{self.port}"

    def _port(self) -> int | None:
        line, complete, _ = self.program.stdout.read_text().partition("\n")
        return int(line.rpartition(":")[2]) if complete else None

    def upstream(self) -> dict[str, Any]:
        return {
            "region": UPSTREAM_REGION,
            "endpoint": f"https://localhost:{self.port}",
            "addressing": "path",
            "ca": self.ca,
        }

    def holds(self, bucket: str) -> dict[str, Any]:
        """The files themselves, with what the store notes beside them (metadata, entity tag, checksums)."""
        held: dict[str, Any] = {}
        for path in sorted((self.root / bucket).rglob("*")):
            held[str(path.relative_to(self.root / bucket))] = "a directory" if path.is_dir() else path.read_bytes()
        encoded = base64.urlsafe_b64encode(bucket.encode()).decode().rstrip("=")
        for note in self.root.glob(f".bucket-{encoded}.object-*"):
            _, _, name = note.name.partition(".object-")
            held[f"note {name}"] = json.loads(note.read_bytes())
        return held

    def check_received(self) -> None:
        """Nothing to add: it refuses what is not signed with its keys."""


class MotoStore:
    """moto over plain HTTP for the proxy, and over TLS for the tests' own client."""

    name = "moto"

    def __init__(self, directory: Path, certificates: Certificates):
        self.ca = certificates["ca.crt"]
        self.record = directory / "requests"
        directory.mkdir(parents=True, exist_ok=True)
        self.record.touch()
        self.checked = 0
        script = Path(__file__).with_name("moto_store.py")
        command = [sys.executable, script, *certificates.pair("server"), self.record]
        # Moto has its own account checks; these keys only have to be there.
        self.program = Program("moto", command, directory / "moto", STORE_KEYS.environment())
        self.plain_port, tls_port = self.program.until(self._ports, "moto's ports")
        self.endpoint = f"https://127.0.0.1:{tls_port}"

    def _ports(self) -> tuple[int, int] | None:
        line, complete, _ = self.program.stdout.read_text().partition("\n")
        if not complete:
            return None
        plain, tls = line.split()[-2:]
        return int(plain), int(tls)

    def upstream(self) -> dict[str, Any]:
        return {
            "region": UPSTREAM_REGION,
            "endpoint": f"http://127.0.0.1:{self.plain_port}",
            "addressing": "path",
            "allow_plaintext": True,
        }

    @property
    def _s3(self) -> Any:
        return lasting_client(self.endpoint, self.ca, STORE_KEYS)

    def holds(self, bucket: str) -> dict[str, Any]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key: self._object({"Bucket": bucket, "Key": key}) for key in keys}

    def _object(self, named: dict[str, str]) -> dict[str, Any]:
        found = self._s3.get_object(**named, ChecksumMode="ENABLED")
        found["Body"] = found["Body"].read()
        if found.get("TagCount"):
            found["Tags"] = self._s3.get_object_tagging(**named)["TagSet"]
        # Moto takes the `Expires` of a presigned query for that of the object; the case `expires` looks at the latter.
        for varying in ("ResponseMetadata", "LastModified", "VersionId", "Expires", "ExpiresString"):
            found.pop(varying, None)
        return found

    def check_received(self) -> None:
        received = json_lines(self.record)
        fresh, self.checked = received[self.checked :], len(received)
        for request in fresh:
            headers = dict(request["headers"])
            expected = f"AWS4-HMAC-SHA256 Credential={STORE_KEYS.id}/"
            assert headers.get("authorization", "").startswith(expected), request
            assert f"/{UPSTREAM_REGION}/s3/aws4_request" in headers["authorization"], request
            assert len(headers) == len(request["headers"]), f"a header twice: {request}"
            assert "transfer-encoding" not in headers, request
            assert "expect" not in headers, request
            assert headers["host"] == f"127.0.0.1:{self.plain_port}", request
            if request["method"] in ("PUT", "POST"):
                assert "content-length" in headers, request
            query = urllib.parse.urlsplit(request["target"]).query
            names = {name.lower() for name, _ in urllib.parse.parse_qsl(query, keep_blank_values=True)}
            of_presigned = {"x-amz-signature", "x-amz-credential", "signature", "awsaccesskeyid"}
            assert not names & of_presigned, request
            for secret in (STORE_KEYS.secret, DUMMY_KEYS.id, DUMMY_KEYS.secret):
                assert secret not in json.dumps(request), request


class Proxy:
    """`proxy run` in front of a store, with the grants that the tests speak of."""

    GRANTS = [
        {
            "name": "writers",
            "effect": "allow",
            "identities": ["spiffe://cluster.local/ns/app/sa/writer"],
            "buckets": ["*"],
            "actions": ["s3:*"],
        },
        {
            "name": "sealed",
            "effect": "deny",
            "identities": ["spiffe://cluster.local/**"],
            "buckets": ["*"],
            "prefixes": ["sealed/"],
            "actions": ["s3:DeleteObject"],
        },
        {
            "name": "readers",
            "effect": "allow",
            "identities": ["spiffe://cluster.local/ns/*/sa/reader"],
            "buckets": ["*"],
            "prefixes": ["granted/"],
            "actions": ["s3:GetObject", "s3:ListBucket"],
        },
        # May delete what it may not write, and write beside it: for copies and batch deletes of mixed rights.
        {
            "name": "admins",
            "effect": "allow",
            "identities": ["spiffe://cluster.local/ns/platform/sa/admin"],
            "buckets": ["*"],
            "prefixes": ["granted/", "by-namespace/${namespace}/"],
            "actions": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        },
        {
            "name": "by-dns-name",
            "effect": "allow",
            "identities": ["dns:*.app.svc"],
            "buckets": ["*"],
            "prefixes": ["dns/${dns}/"],
            "actions": ["s3:GetObject", "s3:PutObject"],
        },
        {
            "name": "by-common-name",
            "effect": "allow",
            "identities": ["cn:legacy-app"],
            "buckets": ["*"],
            "prefixes": ["cn/"],
            "actions": ["s3:GetObject", "s3:PutObject"],
        },
    ]

    # As they stand by default.
    GUARDRAILS: dict[str, Any] = {}

    def __init__(
        self,
        directory: Path,
        certificates: Certificates,
        store: Store,
        *options: str,
        environment: Mapping[str, str] | None = None,
        credentials: Mapping[str, Any] | None = None,
    ):
        directory.mkdir(parents=True, exist_ok=True)
        self.certificates = certificates
        self.store = store
        config = {
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "domains": ["s3.internal"],
            "tls": {
                "certificate": certificates["server.crt"],
                "private_key": certificates["server.key"],
                "client_ca": certificates["ca.crt"],
            },
            "upstream": store.upstream(),
            "credentials": dict(credentials or {"source": "environment"}),
            "grants": self.GRANTS,
            "guardrails": self.GUARDRAILS,
            "limits": {"drain_timeout": "2s"},
            "metrics": {"identities": 16},
        }
        file = directory / "proxy.yaml"
        file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        self.program = Program(
            "proxy",
            [PROXY_BIN, "run", "--config", file, *options],
            directory / "proxy",
            {**STORE_KEYS.environment(), **(environment or {})},
        )
        started = self.program.until(self._started, "the proxy's addresses")
        self.listen, self.admin = started["listen"], started["admin"]
        self.endpoint = f"https://{self.listen}"

    def _started(self) -> dict[str, Any] | None:
        lines = json_lines(self.program.stderr)
        return next((line for line in lines if line.get("message") == "listening"), None)

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host, int(port)

    def access_log(self, bucket: str) -> list[dict[str, Any]]:
        """The lines of the access log about a bucket, so far."""
        return [line for line in json_lines(self.program.stdout) if line.get("bucket") == bucket]

    def stop(self) -> None:
        """Ends it, and fails if that went wrong or a secret stands in its output."""
        code = self.program.stop()
        output = self.program.output()
        assert code == 0, f"the proxy ended with {code}\n{output}"
        for secret in (STORE_KEYS.secret, DUMMY_KEYS.secret):
            assert secret not in output, "a secret key stands in the proxy's output"


class Bridge:
    """`proxy connect` in front of a proxy, as one of the clients of certs-dev."""

    def __init__(
        self,
        directory: Path,
        certificates: Certificates,
        identity: str,
        to: int,
        listen: str = "127.0.0.1:0",
        ready: bool = True,
    ):
        certificate, key = certificates.pair(identity)
        command = [PROXY_BIN, "connect", "--to", f"localhost:{to}", "--cert", certificate, "--key", key]
        command += ["--ca", certificates["ca.crt"], "--admin", "127.0.0.1:0", "--drain-timeout", "2s"]
        command += ["--listen", listen]
        self.program = Program("bridge", command, directory / "bridge")
        started = self.program.until(lambda: self.said("listening"), "the bridge's addresses")
        self.listen, self.admin = started["listen"], started["admin"]
        self.endpoint = f"http://{self.listen}"
        if ready:
            self.program.until(lambda: self.said("ready"), "the bridge to be ready")

    def said(self, message: str) -> dict[str, Any] | None:
        lines = json_lines(self.program.stderr)
        return next((line for line in lines if line.get("message") == message), None)

    def memory(self) -> int:
        """The most that it ever had in memory, in bytes."""
        status = Path(f"/proc/{self.program.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def stop(self) -> None:
        """Ends it, and fails if that went wrong or a secret stands in its output."""
        code = self.program.stop()
        output = self.program.output()
        assert code == 0, f"the bridge ended with {code}\n{output}"
        for secret in (DUMMY_KEYS.secret, "PRIVATE KEY"):
            assert secret not in output, "a secret stands in the bridge's output"


SESSION = boto3.session.Session(region_name=CLIENT_REGION)


def client(endpoint: str, ca: str, keys: Keys, certificate: tuple[str, str] | None = None, **config: Any) -> Any:
    """A boto3 client with the SDK's defaults, but without retries: what fails once shall be seen."""
    defaults = Config(client_cert=certificate, retries={"total_max_attempts": 1}, read_timeout=DEADLINE_SECONDS)
    return SESSION.client(
        "s3",
        endpoint_url=endpoint,
        verify=ca,
        aws_access_key_id=keys.id,
        aws_secret_access_key=keys.secret,
        config=defaults.merge(Config(**config)),
    )


@functools.cache
def lasting_client(endpoint: str, ca: str, keys: Keys, certificate: tuple[str, str] | None = None) -> Any:
    # Not the store is tested: it closes some connections behind an early answer, just when the next request may be under
    # way. What goes through the proxy is still seen when it fails once.
    more = {"retries": {"total_max_attempts": 3}} if keys == STORE_KEYS else {}
    return client(endpoint, ca, keys, certificate, **more)


@dataclass
class Target:
    """One bucket as a client reaches it: directly at the store, or through the proxy."""

    endpoint: str
    ca: str
    keys: Keys
    certificate: tuple[str, str] | None
    bucket: str
    # The same bucket reached directly; a direct target is its own.
    direct: Target = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.direct = self.direct or self

    def client(self, **config: Any) -> Any:
        """A client with other settings than the defaults."""
        return client(self.endpoint, self.ca, self.keys, self.certificate, **config)

    @property
    def s3(self) -> Any:
        """The client with defaults, whose connections last from case to case."""
        return lasting_client(self.endpoint, self.ca, self.keys, self.certificate)

    @cached_property
    def http(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = self.ca
        session.cert = self.certificate
        return session

    @contextlib.contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """For requests that no client library makes, or makes only after changing the target."""
        address = urllib.parse.urlsplit(self.endpoint)
        if address.scheme == "http":
            plain = http.client.HTTPConnection(str(address.hostname), address.port, timeout=DEADLINE_SECONDS)
            with contextlib.closing(plain):
                yield plain
            return
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(*self.certificate)
        connection = http.client.HTTPSConnection(
            str(address.hostname), address.port, context=context, timeout=DEADLINE_SECONDS
        )
        try:
            yield connection
        finally:
            connection.close()

    def send(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request whose target is exactly that of `url`."""
        split = urllib.parse.urlsplit(url)
        target = split.path + (f"?{split.query}" if split.query else "")
        with self.connection() as connection:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    # Shorthand for the calls that nearly every case makes.

    def put(self, key: str, body: Any = b"", **more: Any) -> dict[str, Any]:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key: str, **more: Any) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key, **more)["Body"].read()

    def head(self, key: str, **more: Any) -> dict[str, Any]:
        return self.s3.head_object(Bucket=self.bucket, Key=key, **more)

    def stored(self, key: str) -> bytes:
        """The object's bytes at the store, not as the proxy shows them."""
        return self.direct.get(key)


class Stack:
    """A store with the proxy in front of it."""

    def __init__(self, store: Store, proxy: Proxy):
        self.store = store
        self.proxy = proxy
        self._numbers = itertools.count(1)

    def new_bucket(self) -> Target:
        """A fresh bucket, reached directly."""
        for program in (self.store.program, self.proxy.program):
            # Otherwise every test to come would fail with nothing but a refused connection.
            if ended := program.ended():
                pytest.exit(ended, returncode=1)
        bucket = f"bucket-{next(self._numbers):04}"
        target = Target(self.store.endpoint, self.store.ca, STORE_KEYS, None, bucket)
        target.s3.create_bucket(Bucket=bucket)
        return target

    def through(self, direct: Target, identity: str, proxy: Proxy | None = None) -> Target:
        """The same bucket through the proxy, as one of the clients of certs-dev."""
        proxy = proxy or self.proxy
        return Target(
            proxy.endpoint,
            proxy.certificates["ca.crt"],
            DUMMY_KEYS,
            proxy.certificates.pair(identity),
            direct.bucket,
            direct,
        )

    def over(self, direct: Target, bridge: Bridge) -> Target:
        """The same bucket through a bridge."""
        return Target(bridge.endpoint, direct.ca, DUMMY_KEYS, None, direct.bucket, direct)
