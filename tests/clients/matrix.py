"""What is asked of every client of the matrix, each as a function of the client and a bucket.

Stored bytes are looked at in the store, without the client and without the proxy.
"""

from __future__ import annotations

import concurrent.futures
import functools
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from drivers import OWN, Absent, Client, Restic
from stack import S3sStore, Stack, Target, until

Operation = Callable[["Trial"], None]

# In the order of the table.
OPERATIONS: dict[str, Operation] = {}

MIB = 1024 * 1024
PART = 5 * MIB
# One page of a list is at most 1,000 keys long.
MANY = 1_003

# What programs, shells and encodings trip over. The store keeps objects as files, so `a//b` and `..` are not among them.
KEYS = [
    "a b",
    "a+b",
    "a%2Fb",
    "ä/ö",
    "cafe\u0301",
    "日本語",
    "😀",
    "q'uo(te)!*",
    "pct%41%zz",
    "eq=amp&q?x",
    "#hash",
    '<x>&amp;"',
    "at@:;,$",
    "~^`{|}[]",
]

# What s3s-fs cannot do, so that moto is the store: it takes an empty delimiter for one, lists no uploads, and fails at
# the head of a folder.
ON_MOTO = {
    "delete_batch": {"pyarrow"},
    "multipart": {"minio-js"},
    "large": {"minio-js"},
    "in_use": {"restic (minio-go)"},
}


def store_for(name: str, operation: str) -> str:
    """The store in which a client's operation is tried."""
    return "moto" if operation == "list" or name in ON_MOTO.get(operation, set()) else "s3s"


# What a client cannot do by itself, with or without a proxy, and why. An entry that passes is a failure.
LIMITS: dict[str, dict[str, str]] = {}


@dataclass
class Trial:
    """One client, one bucket, and room for files."""

    client: Client
    direct: Target
    folder: Path
    stack: Stack

    @property
    def bucket(self) -> str:
        return self.direct.bucket

    def file(self, body: bytes) -> Path:
        file = self.folder / "source"
        file.write_bytes(body)
        return file

    def stored(self, key: str) -> bytes:
        if isinstance(self.stack.store, S3sStore):
            # Its own file; reading 100 MiB through it would only be slower.
            return (self.stack.store.root / self.bucket / key).read_bytes()
        return self.direct.get(key)

    def got(self, key: str) -> bytes:
        file = self.folder / "got"
        file.unlink(missing_ok=True)
        self.client.get(self.bucket, key, file)
        return file.read_bytes()

    def called(self, operation: str, times: int = 1) -> None:
        """Waits until the proxy has logged so many successful requests of this kind for the bucket."""

        def logged() -> bool | None:
            lines = self.stack.proxy.access_log(self.bucket)
            count = sum(line["operation"] == operation and line["status"] < 300 for line in lines)
            return True if count >= times else None

        until(logged, f"{times} of {operation} in the access log")


def operation(function: Operation) -> Operation:
    OPERATIONS[function.__name__.rstrip("_")] = function
    return function


def noise(length: int) -> bytes:
    return random.Random(length).randbytes(length)


@operation
def put(trial: Trial) -> None:
    body = noise(100_000)
    trial.client.put(trial.bucket, "some/object", trial.file(body))
    assert trial.stored("some/object") == body


@operation
def get(trial: Trial) -> None:
    body = noise(100_000)
    trial.direct.put("some/object", body)
    assert trial.got("some/object") == body


@operation
def head(trial: Trial) -> None:
    trial.direct.put("some/object", noise(12_345))
    assert trial.client.head(trial.bucket, "some/object") == 12_345


@operation
def range_(trial: Trial) -> None:
    trial.direct.put("some/object", b"0123456789" * 1000)
    file = trial.folder / "part"
    trial.client.range(trial.bucket, "some/object", 4_003, 4_016, file)
    assert file.read_bytes() == b"34567890123456"


@operation
def list_(trial: Trial) -> None:
    bucket, names = many(trial.stack)
    assert sorted(trial.client.list(bucket, "many/")) == names


@functools.cache
def many(stack: Stack) -> tuple[str, list[str]]:
    """A bucket whose list has more than one page, made once."""
    direct = stack.new_bucket()
    names = [f"many/object {number:04}" for number in range(MANY)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(direct.put, name) for name in names]:
            done.result()
    return direct.bucket, names


@operation
def delete(trial: Trial) -> None:
    for key in ("kept", "some/object"):
        trial.direct.put(key, b"body")
    trial.client.delete(trial.bucket, "some/object")
    assert keys(trial) == ["kept"]


@operation
def delete_batch(trial: Trial) -> None:
    gone = [f"batch/{number}" for number in "1234"]
    for key in ["kept", *gone]:
        trial.direct.put(key, b"body")
    trial.client.delete_batch(trial.bucket, *gone)
    assert [key for key in keys(trial) if not key.endswith("/")] == ["kept"]
    trial.called("DeleteObjects")


@operation
def copy(trial: Trial) -> None:
    body = noise(54_321)
    trial.direct.put("a source", body)
    trial.client.copy(trial.bucket, "a source", "some/copy")
    assert trial.stored("some/copy") == body
    trial.called("CopyObject")


@operation
def multipart(trial: Trial) -> None:
    # Six parts of the least size that S3 takes; of twice as many where a client has its own idea of a size.
    body = noise(5 * PART + 1) * 2
    trial.client.multipart(trial.bucket, "some/object", trial.file(body), PART)
    assert trial.stored("some/object") == body
    trial.called("UploadPart", 6)
    trial.called("CompleteMultipartUpload")


@operation
def presign(trial: Trial) -> None:
    trial.direct.put("some/object", b"with an URL")
    url = trial.client.presign(trial.bucket, "some/object")
    way = trial.client.way
    certificate = (way.certificate, way.key) if trial.client.by == OWN else None
    answer = requests.get(url, cert=certificate, verify=way.ca, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"with an URL")


@operation
def odd_keys(trial: Trial) -> None:
    need(trial, "put")
    tried = [key for key in KEYS if not set(key) & set(trial.client.wildcards)]
    for key in tried:
        body = f"body of {key}".encode()
        trial.client.put(trial.bucket, key, trial.file(body))
        assert trial.direct.get(key) == body, key
        assert trial.got(key) == body, key
    # The same objects, and no other.
    root = trial.stack.store.root / trial.bucket  # type: ignore[attr-defined]
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == set(tried)


@operation
def empty(trial: Trial) -> None:
    need(trial, "put")
    trial.client.put(trial.bucket, "empty", trial.file(b""))
    assert trial.stored("empty") == trial.got("empty") == b""


@operation
def large(trial: Trial) -> None:
    need(trial, "get")
    body = noise(MIB) * 100
    if trial.client.offers("put"):
        trial.client.put(trial.bucket, "large", trial.file(body))
    else:
        trial.direct.put("large", body)
    assert digest(trial.stored("large")) == digest(trial.got("large")) == digest(body)


@operation
def in_use(trial: Trial) -> None:
    trial.client.in_use(trial.bucket, trial.folder)
    if isinstance(trial.client, Restic):
        trial.called("PutObject", 4)
    else:
        trial.called("UploadPart", 2)


def need(trial: Trial, operation: str) -> None:
    if not trial.client.offers(operation):
        raise Absent(operation)


def keys(trial: Trial) -> list[str]:
    pages = trial.direct.s3.get_paginator("list_objects_v2").paginate(Bucket=trial.bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
