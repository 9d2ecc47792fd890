"""Uploads that boto3 does not make by itself: a declared hash of any value, and bodies whose chunks are signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from collections.abc import Iterable
from http.client import HTTPMessage

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from stack import CLIENT_REGION, Target

EMPTY = hashlib.sha256(b"").hexdigest()


class _Declared(S3SigV4Auth):
    """SigV4 with `x-amz-content-sha256` as the caller says."""

    def __init__(self, target: Target, declared: str):
        super().__init__(Credentials(target.keys.id, target.keys.secret), "s3", CLIENT_REGION)
        self.declared = declared

    def payload(self, request: AWSRequest) -> str:
        return self.declared

    def signing_key(self, scope: str) -> bytes:
        key = f"AWS4{self.credentials.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key


def put(target: Target, key: str, body: bytes, declared: str) -> tuple[int, HTTPMessage, bytes]:
    """PutObject with a declared payload hash, right or wrong, and nothing else."""
    request = AWSRequest("PUT", f"{target.endpoint}/{target.bucket}/{key}", data=body)
    _Declared(target, declared).add_auth(request)
    return target.send("PUT", request.url, body, dict(request.headers))


def put_signed(target: Target, key: str, pieces: Iterable[bytes], trailer: bool) -> tuple[int, HTTPMessage, bytes]:
    """PutObject as aws-chunked with every piece signed, and a signed CRC32 trailer if wanted."""
    pieces = list(pieces)
    body = b"".join(pieces)
    declared = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body))}
    if trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"

    request = AWSRequest("PUT", f"{target.endpoint}/{target.bucket}/{key}", headers=headers)
    auth = _Declared(target, declared)
    auth.add_auth(request)
    authorization = request.headers["Authorization"]
    scope = authorization.partition("Credential=")[2].partition(",")[0].partition("/")[2]
    time = request.headers["X-Amz-Date"]
    signing_key = auth.signing_key(scope)
    previous = authorization.partition("Signature=")[2]

    def sign(algorithm: str, *parts: str) -> str:
        nonlocal previous
        text = "\n".join([algorithm, time, scope, previous, *parts])
        previous = hmac.new(signing_key, text.encode(), hashlib.sha256).hexdigest()
        return previous

    framed = bytearray()
    for piece in [*pieces, b""]:
        signature = sign("AWS4-HMAC-SHA256-PAYLOAD", EMPTY, hashlib.sha256(piece).hexdigest())
        framed += f"{len(piece):x};chunk-signature={signature}\r\n".encode() + piece
        if piece or not trailer:
            framed += b"\r\n"
    if trailer:
        line = f"x-amz-checksum-crc32:{checksum}"
        signature = sign("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
        framed += f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
    return target.send("PUT", request.url, bytes(framed), dict(request.headers))
