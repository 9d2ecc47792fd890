"""s3fs, which lives in an environment of its own: it does what each line of standard input says, as the clients of js/
and rust/ do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import s3fs

PART = 5 * 1024 * 1024

FS = s3fs.S3FileSystem(endpoint_url=os.environ["ENDPOINT"], use_listings_cache=False)


def put(bucket: str, key: str, file: str) -> None:
    FS.put_file(file, f"{bucket}/{key}")


def get(bucket: str, key: str, file: str) -> None:
    FS.get_file(f"{bucket}/{key}", file)


def range_(bucket: str, key: str, first: str, last: str, file: str) -> None:
    with open(file, "wb") as out:
        out.write(FS.cat_file(f"{bucket}/{key}", start=int(first), end=int(last) + 1))


def head(bucket: str, key: str) -> int:
    return int(FS.info(f"{bucket}/{key}")["size"])


def list_(bucket: str, prefix: str) -> list[str]:
    return [path.partition("/")[2] for path in FS.find(f"{bucket}/{prefix}")]


def delete(bucket: str, key: str) -> None:
    FS.rm_file(f"{bucket}/{key}")


def delete_batch(bucket: str, *keys: str) -> None:
    FS.rm([f"{bucket}/{key}" for key in keys])


def copy(bucket: str, source: str, destination: str) -> None:
    FS.cp_file(f"{bucket}/{source}", f"{bucket}/{destination}")


def multipart(bucket: str, key: str, file: str, part_size: str) -> None:
    with open(file, "rb") as source, FS.open(f"{bucket}/{key}", "wb", block_size=int(part_size)) as out:
        while piece := source.read(1024 * 1024):
            out.write(piece)


def presign(bucket: str, key: str) -> str:
    return str(FS.url(f"{bucket}/{key}", expires=60))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "put": put,
    "get": get,
    "range": range_,
    "head": head,
    "list": list_,
    "delete": delete,
    "delete_batch": delete_batch,
    "copy": copy,
    "multipart": multipart,
    "presign": presign,
}

for line in sys.stdin:
    name, *words = json.loads(line)
    try:
        answer = {"ok": OPERATIONS[name](*words)} if name in OPERATIONS else {"absent": True}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
