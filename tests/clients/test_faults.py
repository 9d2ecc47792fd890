"""What boto3 makes of faults behind the proxy, with its own retries: what passes is tried again, what stays is told as it
is, and a part of an object is never taken for the whole.

The upstream is a script of answers, so that each fault comes when it is wanted.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError

from stack import DUMMY_KEYS, Certificates, Program, Proxy, client

Answer = Callable[[socket.socket], None]


class Script:
    """A plain HTTP server that answers each request by the next entry of a script; the last one stays."""

    name = "script"

    def __init__(self, away: bool = False) -> None:
        # A port that is taken and not listened on refuses, and nobody else gets it.
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answers: list[Answer] = []
        self.asked = 0
        self.lock = threading.Lock()
        self.program: Program | None = None
        if not away:
            self.listener.listen()
            threading.Thread(target=self._accept, daemon=True).start()

    def upstream(self) -> dict[str, Any]:
        return {
            "region": "eu-west-1",
            "endpoint": f"http://127.0.0.1:{self.port}",
            "addressing": "path",
            "allow_plaintext": True,
        }

    def says(self, *answers: Answer) -> None:
        self.answers, self.asked = list(answers), 0

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as requests:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = requests.readline()
                if not line:
                    return
                head += line
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            requests.read(int(lengths[0].split(b":")[1]) if lengths else 0)
            with self.lock:
                answer = self.answers[min(self.asked, len(self.answers) - 1)]
                self.asked += 1
            answer(connection)

    def close(self) -> None:
        self.listener.close()


def http(status: str, body: str = "", *headers: str) -> Answer:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return lambda connection: connection.sendall("\r\n".join(head).encode())


def cut(connection: socket.socket) -> None:
    """The beginning of an object of 100 bytes, and a reset."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
    reset(connection)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def error(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>m</Message></Error>"


OK = http("200 OK", "", 'ETag: "e"')
SLOW_DOWN = http("503 Slow Down", error("SlowDown"), "Retry-After: 1")
ATTEMPTS = 3


@pytest.fixture(scope="module")
def script(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Script, Any]]:
    script = Script()
    proxy = Proxy(tmp_path_factory.mktemp("faults"), certificates, script)  # type: ignore[arg-type]
    retries = {"total_max_attempts": ATTEMPTS, "mode": "standard"}
    s3 = client(proxy.endpoint, certificates["ca.crt"], DUMMY_KEYS, certificates.pair("writer"), retries=retries)
    yield script, s3
    proxy.stop()
    script.close()


def get(s3: Any) -> bytes:
    return s3.get_object(Bucket="bucket", Key="key")["Body"].read()


def put(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="key", Body=b"body")


def delete(s3: Any) -> None:
    s3.delete_object(Bucket="bucket", Key="key")


@pytest.mark.parametrize("call", [get, put, delete])
@pytest.mark.parametrize("fault", [reset, SLOW_DOWN, http("500 x", error("InternalError"))], ids=["reset", "slow", "internal"])
def test_what_passes_is_tried_again(script: tuple[Script, Any], call: Callable[[Any], Any], fault: Answer) -> None:
    upstream, s3 = script
    upstream.says(fault, OK)
    call(s3)
    assert upstream.asked == 2


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(reset, 500, "InternalError"), (SLOW_DOWN, 503, "SlowDown")],
    ids=["reset", "slow"],
)
def test_what_stays_is_told_in_the_end(script: tuple[Script, Any], fault: Answer, status: int, code: str) -> None:
    upstream, s3 = script
    upstream.says(fault)
    with pytest.raises(ClientError) as caught:
        put(s3)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["Error"]["Code"] == code
    assert upstream.asked == ATTEMPTS


@pytest.mark.parametrize(
    ("status", "code"), [("403 x", "AccessDenied"), ("404 x", "NoSuchKey"), ("412 x", "PreconditionFailed"), ("501 x", "NotImplemented")]
)
def test_what_will_not_change_is_not_tried_again(script: tuple[Script, Any], status: str, code: str) -> None:
    upstream, s3 = script
    upstream.says(http(status, error(code)))
    with pytest.raises(ClientError) as caught:
        get(s3)
    assert caught.value.response["Error"]["Code"] == code
    assert upstream.asked == 1


def test_a_part_is_never_taken_for_the_whole(script: tuple[Script, Any]) -> None:
    upstream, s3 = script
    upstream.says(cut)
    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        get(s3)


def test_an_error_behind_a_success_is_tried_again(script: tuple[Script, Any]) -> None:
    upstream, s3 = script
    copied = "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"
    upstream.says(http("200 OK", error("InternalError")), http("200 OK", copied))
    answer = s3.copy_object(Bucket="bucket", Key="key", CopySource={"Bucket": "bucket", "Key": "other"})
    assert answer["CopyObjectResult"]["ETag"] == "e"
    assert upstream.asked == 2


def all_of(lines: list[dict[str, Any]], count: int) -> list[dict[str, Any]] | None:
    return lines if len(lines) >= count else None


def test_a_store_that_is_away_is_a_retry(certificates: Certificates, tmp_path: Path) -> None:
    script = Script(away=True)
    proxy = Proxy(tmp_path, certificates, script)  # type: ignore[arg-type]
    try:
        retries = {"total_max_attempts": ATTEMPTS}
        s3 = client(proxy.endpoint, certificates["ca.crt"], DUMMY_KEYS, certificates.pair("writer"), retries=retries)
        with pytest.raises(ClientError) as caught:
            put(s3)
        assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == ATTEMPTS - 1
        lines = proxy.program.until(lambda: all_of(proxy.access_log("bucket"), ATTEMPTS), "the log")
        assert [line["status"] for line in lines] == [503] * ATTEMPTS
    finally:
        proxy.stop()
        script.close()
