"""AWS, as far as it can be had on one machine: LocalStack, moto for EKS and CloudTrail, and a door in front of both.

The door tells the services apart by what a request is signed for, records each call, and does on demand what AWS does
on bad days: refuses, or holds a call so that whoever made it can be killed. An access key is its account's number, so
each test has an account of its own.
"""

from __future__ import annotations

import datetime
import fcntl
import http.client
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pod_identity import PATH as POD_IDENTITY
from pod_identity import PodIdentity

REGION = "eu-west-1"
DEADLINE_SECONDS = 120

# What LocalStack does not have, by the service that a request is signed for.
OF_MOTO = {"eks", "cloudtrail"}
READS = re.compile("^(Get|List|Describe|Head|Lookup|Simulate|Test)")
# The door's own name for it: sub-resources of S3 that say what a request is about.
SUBRESOURCE = re.compile(
    "^(policy|encryption|versioning|tagging|lifecycle|logging|inventory|replication|metrics|object-lock"
    "|ownershipControls|publicAccessBlock|versions|uploads|location|delete|acl|notification|policyStatus)$"
)


def raise_loopback() -> None:
    """A new network namespace has a loopback interface that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up_and_running = struct.pack("16sH14x", b"lo", 0x1 | 0x40)
        fcntl.ioctl(any_socket, 0x8914, up_and_running)


def until(find: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not find():
        assert time.monotonic() < deadline, f"waiting for {what}: the deadline passed"
        time.sleep(0.02)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


class Program:
    """A server, with its output in a file."""

    def __init__(self, arguments: list[str], log: Path, url: str, **environment: str) -> None:
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                arguments, stdout=output, stderr=output, env={**keep, **environment}, start_new_session=True
            )
        until(lambda: self.is_up(url, log), arguments[-1])

    def is_up(self, url: str, log: Path) -> bool:
        assert self.process.poll() is None, log.read_text()[-2000:]
        return answers(url)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Call:
    """What somebody asked of AWS."""

    account: str
    service: str
    operation: str
    target: str
    is_write: bool
    is_secure: bool

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"


@dataclass
class Fault:
    """What befalls the next `times` calls that match."""

    matches: Callable[[Call], bool]
    code: str
    message: str = "said by the tests"
    status: int = 400
    times: int = 1


@dataclass
class Hold:
    """The next write that matches is held: before it is done, or after, without its answer."""

    matches: Callable[[Call], bool]
    before: bool
    reached: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Door(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, backends: dict[str, int], folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tls, self.authority = certified(folder)
        self.backends = backends
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.holds: list[Hold] = []
        self.lock = threading.Lock()
        self.pod_identity = PodIdentity()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}"

    @property
    def secure_url(self) -> str:
        return f"https://aws.localhost:{self.server_port}"

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        """With and without TLS on one port, as the first byte says: a proxy's probe changes the scheme only."""
        if request.recv(1, socket.MSG_PEEK) == b"\x16":
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def writes(self, account: str) -> list[str]:
        return [call.name for call in self.calls if call.account == account and call.is_write]

    def fault_for(self, call: Call) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.matches(call):
                    fault.times -= 1
                    return fault
        return None

    def hold_for(self, call: Call) -> Hold | None:
        with self.lock:
            for hold in self.holds:
                if not hold.reached.is_set() and hold.matches(call):
                    return hold
        return None

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever was killed does not read its answer."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Door

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def serve(self) -> None:
        body = self.body()
        call = self.understood(body)
        with self.server.lock:
            self.server.calls.append(call)
        hold = self.server.hold_for(call)
        if hold and hold.before:
            return self.keep(hold)
        fault = self.server.fault_for(call)
        if fault:
            return self.answer(fault.status, self.refusal(call, fault))
        status, headers, answer = self.forward(call, understandable(call, body))
        if hold:
            return self.keep(hold)
        self.answer(status, answer, headers)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = serve

    def keep(self, hold: Hold) -> None:
        hold.reached.set()
        hold.over.wait(DEADLINE_SECONDS)
        self.close_connection = True

    def body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def understood(self, body: bytes) -> Call:
        signed = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/", self.headers.get("Authorization", ""))
        account, service = signed.groups() if signed else ("nobody", "s3")
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        if "X-Amz-Target" in self.headers:
            operation = self.headers["X-Amz-Target"].rsplit(".", 1)[-1]
        elif "/operation/" in url.path:
            operation = url.path.rsplit("/", 1)[-1]
        elif service not in {"s3", "eks"}:
            operation = urllib.parse.parse_qs(body.decode("utf-8", "replace")).get("Action", ["?"])[0]
        elif service == "s3" and not url.path.startswith("/v20180820"):
            about = next((name for name in query if SUBRESOURCE.match(name)), "")
            kind = "object" if url.path.strip("/").count("/") else "bucket"
            operation = f"{self.command} {about or kind}"
        else:
            operation = f"{self.command} {url.path}"
        is_read = self.command in {"GET", "HEAD"} or bool(READS.match(operation)) or service == "sts"
        is_secure = isinstance(self.connection, ssl.SSLSocket)
        return Call(account, service, operation, self.path, not is_read, is_secure)

    def forward(self, call: Call, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        if call.service == "eks" and POD_IDENTITY.match(call.target):
            status, answer = self.server.pod_identity.answer(call.account, self.command, call.target, body)
            return status, [("Content-Type", "application/json")], answer
        port = self.server.backends["moto" if call.service in OF_MOTO else "localstack"]
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}
        }
        headers["Content-Length"] = str(len(body))
        if call.service in OF_MOTO:
            headers["x-moto-account-id"] = call.account
        backend = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
        try:
            backend.request(self.command, self.path, body, headers)
            answer = backend.getresponse()
            return answer.status, answer.getheaders(), corrected(call, answer.read())
        finally:
            backend.close()

    def refusal(self, call: Call, fault: Fault) -> bytes:
        if call.service in {"s3"}:
            return f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>".encode()
        if call.service in {"iam", "sns", "sts"}:
            error = f"<Type>Sender</Type><Code>{fault.code}</Code><Message>{fault.message}</Message>"
            return f"<ErrorResponse><Error>{error}</Error><RequestId>r</RequestId></ErrorResponse>".encode()
        if call.service == "ec2":
            error = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
            return f"<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>".encode()
        return f'{{"__type":"{fault.code}","message":"{fault.message}"}}'.encode()

    def answer(self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers or [("x-amz-request-id", "REFUSED-BY-THE-TESTS")]:
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                self.send_header(name, value)
        length = len(body)
        if self.command == "HEAD" and headers:
            length = int(dict(headers).get("Content-Length", 0))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


# A column of inventories that AWS documents and LocalStack 2026.3 refuses.
OWNER_COLUMN = b"<Field>ObjectOwner</Field>"


def understandable(call: Call, body: bytes) -> bytes:
    return body.replace(OWNER_COLUMN, b"") if call.operation == "PUT inventory" else body


def corrected(call: Call, answer: bytes) -> bytes:
    """What LocalStack does not give out again: the version of an endpoint's policy, and the column from above."""
    if call.operation == "DescribeVpcEndpoints":
        return answer.replace(b'{"Statement"', b'{"Version": "2012-10-17", "Statement"')
    if call.operation == "GET inventory":
        return answer.replace(b"<OptionalFields>", b"<OptionalFields>" + OWNER_COLUMN)
    return answer


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A certificate for this run, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("aws.localhost"), x509.DNSName("*.aws.localhost")]
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    authority, secret = folder / "authority.pem", folder / "key.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *kind))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, secret)
    return context, authority


def free_port() -> int:
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return any_socket.getsockname()[1]


class Emulators:
    """Both emulators and the door."""

    def __init__(self, folder: Path) -> None:
        localstack, moto = free_port(), free_port()
        (folder / "cache").mkdir()
        self.programs = [
            Program(
                [sys.executable, "-m", "localstack.runtime.main"],
                folder / "localstack.log",
                f"http://127.0.0.1:{localstack}/_localstack/health",
                GATEWAY_LISTEN=f"127.0.0.1:{localstack}",
                DISABLE_EVENTS="1",
                SKIP_SSL_CERT_DOWNLOAD="1",
                # What it caches of an installation outlives the installation.
                XDG_CACHE_HOME=str(folder / "cache"),
                FILESYSTEM_ROOT=str(folder),
            ),
            Program(
                [os.environ["MOTO_PYTHON"], "-m", "moto.server", "-H", "127.0.0.1", "-p", str(moto)],
                folder / "moto.log",
                f"http://127.0.0.1:{moto}/moto-api/data.json",
            ),
        ]
        self.moto_url = f"http://127.0.0.1:{moto}"
        self.door = Door({"localstack": localstack, "moto": moto}, folder)

    def stop(self) -> None:
        self.door.shutdown()
        for program in self.programs:
            program.stop()
