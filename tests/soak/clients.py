"""What the clients of the soak do, and what they make of the answers. Every object's content follows from its name and
version, so that a wrong byte is seen; what a failed write has left is one of two things."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from pathlib import Path
from random import Random
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

SESSION = boto3.session.Session(region_name="us-east-1")
PART = 5 * 1024 * 1024


def content(key: str, version: int, size: int) -> bytes:
    return hashlib.shake_128(f"{key} {version}".encode()).digest(size)


class Counts:
    """Of all clients together."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests = self.failed = self.in_phase = 0
        self.problems: list[str] = []
        self.last = ""

    def request(self) -> None:
        with self.lock:
            self.requests += 1

    def wrong(self, what: str) -> None:
        with self.lock:
            self.problems.append(what)

    def lost(self, what: str) -> None:
        """A failure that is none if a fault has hit it; the end of the phase tells."""
        with self.lock:
            self.failed += 1
            self.in_phase += 1
            self.last = what

    def end_phase(self, faults: int) -> None:
        with self.lock:
            failed, self.in_phase = self.in_phase, 0
            if failed > faults:
                self.problems.append(f"{failed} requests failed while {faults} faults were made; the last: {self.last}")


class Failed(Exception):
    """A request that did not succeed, and whose client knows."""


class Worker:
    def __init__(self, programs: Any, account: str, counts: Counts, random: Random):
        self.programs, self.account, self.counts, self.random = programs, account, counts, random
        self.generation, self.rounds, self.failed = 0, 0, False
        # By key, what it may hold: version and size, or None where there may be nothing.
        self.held: dict[str, list[tuple[int, int] | None]] = {}
        self.version = 0

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self.programs.port}"

    @property
    def pair(self) -> tuple[str, str]:
        folder = self.programs.folder / f"clients-{self.generation}"
        return str(folder / f"{self.account}.crt"), str(folder / f"{self.account}.key")

    def run(self, over: threading.Event) -> None:
        try:
            while not over.is_set():
                if self.generation != self.programs.generation:
                    self.generation = self.programs.generation
                    self.renew()
                self.act()
                self.rounds += 1
        except Exception as error:  # a thread's failure has to reach the summary
            self.failed = True
            self.counts.wrong(f"{self.account}: {error!r}")

    def renew(self) -> None:
        """There is another certificate."""

    def act(self) -> None:
        raise NotImplementedError

    def write(self, key: str, size: int) -> tuple[bytes, int]:
        self.version += 1
        return content(key, self.version, size), self.version

    def may_hold(self, key: str) -> list[tuple[int, int] | None]:
        return self.held.get(key, [None])

    def check(self, key: str, found: bytes | None) -> None:
        for state in self.may_hold(key):
            if found == (None if state is None else content(key, *state)):
                # Now it is known.
                self.held[key] = [state]
                return
        what = "nothing" if found is None else f"{len(found)} bytes"
        self.counts.wrong(f"{key}: {what} in place of {self.may_hold(key)}")

    def key(self) -> str:
        # The store's own lists show other keys than these wrongly; tests/it/keys.rs is about them.
        name = self.random.choice(["a", "b c", "d@e", "ä", "f/g"])
        return f"{self.account}/{name}-{self.random.randrange(5)}"

    def size(self) -> int:
        return int(10 ** self.random.uniform(0, 6))


class OverHttp1(Worker):
    """boto3 with its defaults, but without retries: what fails shall be seen."""

    def renew(self) -> None:
        config = Config(client_cert=self.pair, retries={"total_max_attempts": 1}, read_timeout=60, s3={"addressing_style": "path"})
        ca = str(self.programs.folder / "server-ca.crt")
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        self.s3 = SESSION.client("s3", endpoint_url=self.endpoint, verify=ca, config=config, **keys)

    def call(self, name: str, **named: Any) -> Any:
        self.counts.request()
        try:
            answer = getattr(self.s3, name)(Bucket="soak", **named)
            return answer["Body"].read() if name == "get_object" else answer
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404", "AccessDenied"):
                raise
            self.counts.lost(f"{name}: {error}")
        except BotoCoreError as error:
            self.counts.lost(f"{name}: {error!r}")
        except Exception as error:  # what breaks off in the middle of a body has many names
            if not type(error).__module__.startswith(("urllib3", "http.client", "botocore", "builtins", "ssl")):
                raise
            self.counts.lost(f"{name}: {error!r}")
        raise Failed

    def act(self) -> None:
        actions = [self.put] * 6 + [self.get] * 10 + [self.list] * 2 + [self.delete] * 2 + [self.denied] * 3 + [self.copy, self.parts]
        try:
            self.random.choice(actions)()
        except Failed:
            pass

    def put(self) -> None:
        key = self.key()
        body, version = self.write(key, self.size())
        self.changed(key, (version, len(body)), lambda: self.call("put_object", Key=key, Body=body))

    def changed(self, key: str, state: tuple[int, int] | None, change: Any) -> None:
        """What is there after a change that may have failed on its way back."""
        before = self.may_hold(key)
        self.held[key] = [*before, state]
        change()
        self.held[key] = [state]

    def get(self) -> None:
        key = self.key()
        try:
            self.check(key, self.call("get_object", Key=key))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                self.counts.wrong(f"{key}: {error}")
            self.check(key, None)

    def list(self) -> None:
        prefix = f"{self.account}/"
        listed = self.call("list_objects_v2", Prefix=prefix)
        # A copy that failed on its way may have left something, which nobody asks for.
        found = {entry["Key"] for entry in listed.get("Contents", [])} - {f"{self.account}/copy"}
        certain = {key for key, states in self.held.items() if None not in states}
        possible = {key for key, states in self.held.items() if states != [None]}
        if not certain <= found <= possible:
            self.counts.wrong(f"a list of {sorted(found)} in place of {sorted(certain)} to {sorted(possible)}")

    def delete(self) -> None:
        key = self.key()
        self.changed(key, None, lambda: self.call("delete_object", Key=key))

    def denied(self) -> None:
        other = f"worker-x/{self.random.randrange(10)}"
        try:
            if self.random.random() < 0.5:
                self.call("get_object", Key=other)
            else:
                self.call("put_object", Key=other, Body=b"x" * self.size())
            self.counts.wrong(f"{other} was allowed")
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                self.counts.wrong(f"{other}: {error}")

    def copy(self) -> None:
        source, key = self.key(), f"{self.account}/copy"
        states = self.may_hold(source)
        if len(states) != 1 or states[0] is None:
            return
        version, size = states[0]
        self.call("copy_object", Key=key, CopySource={"Bucket": "soak", "Key": source})
        if self.call("get_object", Key=key) != content(source, version, size):
            self.counts.wrong(f"the copy of {source} differs")
        self.call("delete_object", Key=key)

    def parts(self) -> None:
        key = f"{self.account}/parts"
        body, version = self.write(key, PART + self.size())
        upload = self.call("create_multipart_upload", Key=key)["UploadId"]
        done = []
        for number, at in ((1, 0), (2, PART)):
            part = body[at : at + PART]
            answer = self.call("upload_part", Key=key, UploadId=upload, PartNumber=number, Body=part)
            done.append({"PartNumber": number, "ETag": answer["ETag"]})
        named = {"Key": key, "UploadId": upload, "MultipartUpload": {"Parts": done}}
        self.changed(key, (version, len(body)), lambda: self.call("complete_multipart_upload", **named))
        self.check(key, self.call("get_object", Key=key))


class OverHttp2(Worker):
    """curl, several requests at a time on one connection."""

    def act(self) -> None:
        if self.random.random() < 0.4:
            self.put()
        else:
            self.get()

    def curl(self, *arguments: str) -> list[tuple[int, int]]:
        """Status and exit code of each transfer, in their order."""
        certificate, key = self.pair
        command = ["curl", "--silent", "--http2", "--path-as-is", "--cert", certificate, "--key", key, "--max-time", "60"]
        command += ["--cacert", str(self.programs.folder / "server-ca.crt"), "--write-out", "%{urlnum} %{http_code} %{exitcode} %{http_version}\\n"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        lines = sorted((int(line.split()[0]), line.split()[1:]) for line in done.stdout.splitlines())
        for _, (status, _, http) in lines:
            self.counts.request()
            if status != "000" and http != "2":
                self.counts.wrong(f"HTTP/{http} in place of HTTP/2")
        return [(int(status), int(code)) for _, (status, code, _) in lines]

    def url(self, key: str) -> str:
        return f"{self.endpoint}/soak/" + key.replace(" ", "%20").replace("ä", "%C3%A4")

    def put(self) -> None:
        key, file = self.key(), self.programs.folder / f"{self.account}.up"
        body, version = self.write(key, self.size())
        file.write_bytes(body)
        before = self.may_hold(key)
        self.held[key] = [*before, (version, len(body))]
        for status, code in self.curl("--upload-file", str(file), "--output", "/dev/null", self.url(key)):
            if (status, code) == (200, 0):
                self.held[key] = [(version, len(body))]
            else:
                self.failed_with("PUT", status, code)

    def failed_with(self, method: str, status: int, code: int) -> None:
        if code == 0 and status < 500:
            self.counts.wrong(f"{method} over HTTP/2: {status}")
        else:
            self.counts.lost(f"{method} over HTTP/2: status {status}, curl's exit code {code}")

    def get(self) -> None:
        keys = list(dict.fromkeys(self.key() for _ in range(6)))
        folder: Path = self.programs.folder
        arguments = ["--parallel", "--parallel-max", "6"]
        files = []
        for number, key in enumerate(keys):
            files.append(folder / f"{self.account}.down{number}")
            files[-1].unlink(missing_ok=True)
            arguments += ["--output", str(files[-1]), self.url(key)]
        refused = folder / f"{self.account}.refused"
        arguments += ["--output", str(refused), self.url("worker-x/1")]
        *answers, denied = self.curl(*arguments)
        for key, file, (status, code) in zip(keys, files, answers):
            if (status, code) == (200, 0):
                self.check(key, file.read_bytes() if file.exists() else b"")
            elif (status, code) == (404, 0):
                self.check(key, None)
            else:
                self.failed_with("GET", status, code)
        if denied != (403, 0):
            self.failed_with("a denied GET", *denied)
