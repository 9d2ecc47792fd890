#!/usr/bin/env python3
"""Golden signatures of the chunks and trailers of `aws-chunked` bodies, one JSON file a case. Standard library only.

    python generate.py            # write the cases
    python generate.py --check    # fail if a file differs from what would be written

The cases `docs-*` are the worked examples of the Amazon S3 API reference ("Signature calculations for the Authorization
header: transferring payload in multiple chunks" and its sibling "... including trailing headers"). Their seed, chunk and
trailer signatures are written down here as published and every one of them is computed again, so that the arithmetic
below is known to be right before it is used for the other cases. Checksums in trailers are computed from the body too.
"""

import base64
import hashlib
import hmac
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
EMPTY = hashlib.sha256(b"").hexdigest()
CRLF = "\r\n"

SUITE = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
DOCS = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

# A case: the request that gives the seed, the sizes of its chunks (all bytes are `fill`; the last chunk is always the
# empty one), and the checksum algorithm of its trailer. `published` lists seed, chunk and trailer signatures in order.
CASES = [
    {
        "name": "docs-chunks",
        "credentials": DOCS,
        "region": "us-east-1",
        "timestamp": "2013-05-24T00:00:00Z",
        "path": "/examplebucket/chunkObject.txt",
        "headers": {
            "host": "s3.amazonaws.com",
            "content-encoding": "aws-chunked",
            "content-length": "66824",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
        },
        "chunks": [65536, 1024, 0],
        "fill": "a",
        "published": [
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
    },
    {
        "name": "docs-chunks-trailer",
        "credentials": DOCS,
        "region": "us-east-1",
        "timestamp": "2013-05-24T00:00:00Z",
        "path": "/examplebucket/chunkObject.txt",
        "headers": {
            "host": "s3.amazonaws.com",
            "content-encoding": "aws-chunked",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
        },
        "chunks": [65536, 1024, 0],
        "fill": "a",
        "trailer": "crc32c",
        "published": [
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
        ],
    },
    {
        "name": "empty-body",
        "credentials": SUITE,
        "region": "us-east-1",
        "timestamp": "2015-08-30T12:36:00Z",
        "path": "/reports-prod/empty",
        "headers": {"host": "s3.us-east-1.amazonaws.com"},
        "chunks": [0],
        "fill": "a",
    },
    {
        "name": "empty-body-trailer",
        "credentials": SUITE,
        "region": "eu-west-1",
        "timestamp": "2015-08-30T12:36:00Z",
        "path": "/reports-prod/empty",
        "headers": {"host": "s3.eu-west-1.amazonaws.com"},
        "chunks": [0],
        "fill": "a",
        "trailer": "crc64nvme",
    },
    {
        "name": "one-byte",
        "credentials": SUITE,
        "region": "eu-west-1",
        "timestamp": "2015-08-30T12:36:00Z",
        "path": "/reports-prod/one",
        "headers": {"host": "s3.eu-west-1.amazonaws.com"},
        "chunks": [1, 0],
        "fill": "z",
    },
    {
        "name": "exactly-one-chunk",
        "credentials": SUITE,
        "region": "us-east-1",
        "timestamp": "2015-08-30T12:36:00Z",
        "path": "/reports-prod/full",
        "headers": {"host": "s3.us-east-1.amazonaws.com"},
        "chunks": [65536, 0],
        "fill": "b",
    },
    {
        "name": "exactly-one-chunk-trailer",
        "credentials": SUITE,
        "region": "us-east-1",
        "timestamp": "2015-08-30T12:36:00Z",
        "path": "/reports-prod/full",
        "headers": {"host": "s3.us-east-1.amazonaws.com"},
        "chunks": [65536, 0],
        "fill": "b",
        "trailer": "crc64nvme",
    },
]


def reflected_crc(data, width, polynomial):
    """A reflected CRC with all bits set before and inverted after; `polynomial` is the reflected one."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    mask = (1 << width) - 1
    crc = mask
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return (crc ^ mask).to_bytes(width // 8, "big")


CHECKSUMS = {
    "crc32c": lambda data: reflected_crc(data, 32, 0x82F63B78),
    "crc64nvme": lambda data: reflected_crc(data, 64, 0x9A6C9329AC4BC9B5),
}
# The check values of the CRC catalogue.
assert CHECKSUMS["crc32c"](b"123456789").hex() == "e3069283"
assert CHECKSUMS["crc64nvme"](b"123456789").hex() == "ae8b14860a799888"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Signer:
    """The signing key, date and scope of one request: everything that its chunks share."""

    def __init__(self, case):
        self.date = re.sub("[-:]", "", case["timestamp"])
        self.scope = f"{self.date[:8]}/{case['region']}/s3/aws4_request"
        self.key = ("AWS4" + case["credentials"]["secret_access_key"]).encode()
        for part in self.scope.split("/"):
            self.key = hmac.digest(self.key, part.encode(), "sha256")

    def sign(self, *lines):
        """(string to sign, signature): the first line is the algorithm, the rest follows date and scope."""
        text = "\n".join([lines[0], self.date, self.scope, *lines[1:]])
        return text, hmac.digest(self.key, text.encode(), "sha256").hex()


def seed(case, signer, decoded_length, trailer_name):
    """The signature of the request itself, over the headers of the case and those that streaming needs."""
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer_name else "")
    headers = dict(case["headers"])
    headers["x-amz-content-sha256"] = mode
    headers["x-amz-date"] = signer.date
    headers["x-amz-decoded-content-length"] = str(decoded_length)
    if trailer_name:
        headers["x-amz-trailer"] = trailer_name
    names = sorted(headers)
    lines = ["PUT", case["path"], "", *(f"{name}:{headers[name]}" for name in names), "", ";".join(names), mode]
    return mode, signer.sign("AWS4-HMAC-SHA256", sha256("\n".join(lines)))[1]


def golden(case):
    """The case with everything that follows from it."""
    signer = Signer(case)
    fill = case["fill"].encode()
    body_length = sum(case["chunks"])
    algorithm = case.get("trailer")
    trailer_name = f"x-amz-checksum-{algorithm}" if algorithm else None
    mode, seed_signature = seed(case, signer, body_length, trailer_name)

    previous = seed_signature
    encoded_length = 0
    chunks = []
    for size in case["chunks"]:
        text, signature = signer.sign(
            "AWS4-HMAC-SHA256-PAYLOAD", previous, EMPTY, hashlib.sha256(fill * size).hexdigest()
        )
        header = f"{size:x};chunk-signature={signature}{CRLF}"
        chunks.append({"size": size, "string_to_sign": text, "signature": signature, "header": header})
        # A chunk with data ends in CRLF. The last one is followed by the trailer, if any, and an empty line.
        encoded_length += len(header) + (size + len(CRLF) if size else 0)
        previous = signature

    trailer = None
    if algorithm:
        value = base64.b64encode(CHECKSUMS[algorithm](fill * body_length)).decode()
        text, signature = signer.sign("AWS4-HMAC-SHA256-TRAILER", previous, sha256(f"{trailer_name}:{value}\n"))
        encoded = f"{trailer_name}:{value}{CRLF}x-amz-trailer-signature:{signature}{CRLF}"
        trailer = {
            "headers": [[trailer_name, value]],
            "string_to_sign": text,
            "signature": signature,
            "encoded": encoded,
        }
        encoded_length += len(encoded)
    encoded_length += len(CRLF)

    signatures = [seed_signature, *(chunk["signature"] for chunk in chunks)] + ([trailer["signature"]] if trailer else [])
    assert case.get("published", signatures) == signatures, f"{case['name']}: not what was published"
    assert int(case["headers"].get("content-length", encoded_length)) == encoded_length, case["name"]
    return {
        "name": case["name"],
        "credentials": case["credentials"],
        "region": case["region"],
        "service": "s3",
        "timestamp": case["timestamp"],
        "payload": mode,
        "seed_signature": seed_signature,
        "fill": case["fill"],
        "decoded_length": body_length,
        "encoded_length": encoded_length,
        "chunks": chunks,
        "trailer": trailer,
    }


def main():
    check = sys.argv[1:] == ["--check"]
    assert check or not sys.argv[1:], __doc__
    wanted = {}
    for case in CASES:
        assert f"{case['name']}.json" not in wanted, "two cases share a name"
        wanted[f"{case['name']}.json"] = (json.dumps(golden(case), indent=2) + "\n").encode()
    present = {path.name: path.read_bytes() for path in HERE.glob("*.json")}
    if check:
        wrong = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        sys.exit("differ: " + ", ".join(wrong) if wrong else 0)
    for stale in present.keys() - wanted.keys():
        (HERE / stale).unlink()
    for name, text in wanted.items():
        (HERE / name).write_bytes(text)
    print(f"{len(CASES)} cases")


if __name__ == "__main__":
    main()
