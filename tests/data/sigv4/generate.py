#!/usr/bin/env python3
"""Golden SigV4 cases for S3, one directory a case, made by an implementation that is not ours.

    pip install botocore==1.44.5
    python generate.py            # write the cases
    python generate.py --check    # fail if a file differs from what would be written

Every case is signed twice: by botocore's S3SigV4Auth, whose canonical request, string to sign and signature are what the
files hold, and by `recompute` below, which follows the SigV4 specification from the *decoded* key and query with nothing
but hashlib and hmac. The two must agree, so a case cannot depend on a habit of botocore. The cases named `docs-*` must
also match the signatures printed in the Amazon S3 API reference.

The time is frozen and nothing is random: the output depends on this file alone. To add a case, add a row to CASES.
"""

import datetime
import hashlib
import hmac
import json
import re
import shutil
import sys
from pathlib import Path
from unittest import mock
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode

HERE = Path(__file__).parent

# The credentials of the AWS signing test suite, and those of the examples in the S3 API reference.
SUITE = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
DOCS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1LXdlc3QtMSJHMEUCIQDexample+token/with=padding=="

SUITE_TIME = "2015-08-30T12:36:00Z"
DOCS_TIME = "2013-05-24T00:00:00Z"

VIRTUAL = "reports-prod.s3.eu-west-1.amazonaws.com"

EMPTY = hashlib.sha256(b"").hexdigest()
HELLO = hashlib.sha256(b"hello world").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


class Case:
    """One request: the path and query are given decoded, and are encoded once here."""

    def __init__(
        self,
        name,
        path,
        query=(),
        method="GET",
        host=None,
        headers=(),
        payload=EMPTY,
        region="us-east-1",
        token=None,
        credentials=SUITE,
        time=SUITE_TIME,
        published=None,
    ):
        self.name = name
        self.path = path
        self.query = query  # (name, value) in the order of the request; a value of None is a name without `=`
        self.method = method
        self.host = host or f"s3.{region}.amazonaws.com"
        self.headers = headers
        self.payload = payload
        self.region = region
        self.token = token
        self.credentials = credentials
        self.time = time
        self.published = published

    def target(self):
        """The request-target, as sent."""
        path = percent_encode(self.path, safe="/~")
        pairs = []
        for name, value in self.query:
            name = percent_encode(name, safe="~")
            pairs.append(name if value is None else f"{name}={percent_encode(value, safe='~')}")
        return path + ("?" + "&".join(pairs) if pairs else "")

    def all_headers(self):
        """What request.txt holds, in its order. The signer adds the date and the session token."""
        return [("Host", self.host), ("x-amz-content-sha256", self.payload), *self.headers]

    def timestamp(self):
        return re.sub("[-:]", "", self.time)


def key(name, object_key, **rest):
    """A GET of one object of the bucket `reports-prod`, path style."""
    return Case(name, "/reports-prod/" + object_key, **rest)


def bucket(name, query, **rest):
    """A GET of the bucket `reports-prod`, path style."""
    return Case(name, "/reports-prod", query, **rest)


CASES = [
    # The worked examples of the S3 API reference that sign no other headers than we do.
    Case(
        "docs-get-bucket-lifecycle",
        "/",
        [("lifecycle", None)],
        host="examplebucket.s3.amazonaws.com",
        credentials=DOCS,
        time=DOCS_TIME,
        published="fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    Case(
        "docs-list-objects",
        "/",
        [("max-keys", "2"), ("prefix", "J")],
        host="examplebucket.s3.amazonaws.com",
        credentials=DOCS,
        time=DOCS_TIME,
        published="34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
    # Where the request goes.
    Case("list-buckets", "/"),
    key("get-object", "daily/2015-08-30.csv"),
    key("get-object-security-token", "daily/2015-08-30.csv", token=TOKEN),
    key("head-object-version", "daily/2015-08-30.csv", method="HEAD", query=[("versionId", "3/L4kqtJlcpXroDTDmpUMLUo")]),
    Case("host-virtual", "/daily/2015-08-30.csv", host=VIRTUAL, region="eu-west-1"),
    Case("host-virtual-root", "/", host=VIRTUAL, region="eu-west-1", token=TOKEN),
    key("host-port", "daily/2015-08-30.csv", host="127.0.0.1:9000", region="eu-west-1"),
    # Keys are bytes: encoded once, never normalized.
    key("key-space", "my report (final) .csv"),
    key("key-plus", "a+b++c"),
    key("key-escaped-slash", "a%2Fb%2fc"),
    key("key-percent", "pct%/100%25/%zz/%"),
    key("key-double-slash", "a//b///c"),
    key("key-leading-slash", "/a"),
    key("key-dot-segments", "./a/./b/../../../c/..", region="eu-west-1"),
    key("key-trailing-slash", "folder/", method="PUT"),
    key("key-unicode", "données/日本語/🦀.txt"),
    key("key-unicode-decomposed", "e\u0301.txt"),  # `é` as two code points stays two: no Unicode normalization
    key("key-quotes", "q'uo(te)!*"),
    key("key-reserved", "@:=&$;,?#[]\"<>|\\^`{}"),
    key("key-unreserved", "AZaz09-._~"),
    key("key-control-bytes", "a\tb\nc\x7f"),
    # The query: sorted by encoded bytes, names first; a bare name signs as `name=`.
    key("query-uploads", "big.bin", query=[("uploads", None)], method="POST"),
    key("query-tagging", "a", query=[("tagging", None)], method="DELETE"),
    bucket(
        "query-delete",
        [("delete", None)],
        method="POST",
        payload=HELLO,
        headers=[("content-md5", "XrY7u+Ae7tCTyyK7j1rNww==")],
    ),
    bucket("query-empty-value", [("prefix", ""), ("delimiter", ""), ("versions", None)]),
    bucket(
        "query-list-v2",
        [
            ("list-type", "2"),
            ("prefix", "daily/"),
            ("delimiter", "/"),
            ("max-keys", "1000"),
            ("encoding-type", "url"),
            ("continuation-token", "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=+"),
            ("fetch-owner", "true"),
            ("start-after", "daily/2015"),
        ],
        token=TOKEN,
    ),
    key("query-order", "big.bin", query=[("uploadId", "VXBsb2FkSWQ"), ("partNumber", "10")], method="PUT", payload=HELLO),
    key("query-order-case", "a", query=[("b", "1"), ("a", "2"), ("B", "3"), ("A", "4"), ("_", "5"), ("9", "6")]),
    # `-` sorts before `=`, so sorting whole `name=value` strings puts these two the wrong way round.
    bucket("query-order-name-is-prefix", [("prefix-x", "1"), ("prefix", "2"), ("prefix.y", "0")]),
    # Decoded, `z` sorts before `é`; encoded, `%C3%A9` sorts before `z`. The encoded order counts.
    bucket("query-order-encoded", [("z", "1"), ("é", "2"), ("~", "3"), ("/", "4")]),
    bucket("query-order-same-name", [("a", "b"), ("a", "B"), ("a", ""), ("a", "a b"), ("a", "a/b")]),
    bucket("query-value-reserved", [("prefix", "a/b c+d=e&f?g#h%i"), ("marker", "q'uo(te)!*"), ("delimiter", "ü日🦀")]),
    key(
        "query-response-headers",
        "a.pdf",
        query=[
            ("response-content-disposition", 'attachment; filename="a b.pdf"'),
            ("response-content-type", "application/pdf; charset=utf-8"),
        ],
        region="eu-west-1",
    ),
    # Header values: trimmed, and runs of spaces collapsed, also within quotes; names in lower case, sorted.
    key(
        "header-spaces",
        "a",
        method="PUT",
        payload=HELLO,
        headers=[
            ("x-amz-meta-inner", "a   b  c"),
            ("x-amz-meta-outer", "   padded   "),
            ("x-amz-meta-quoted", '"x   y"'),
            ("x-amz-meta-empty", ""),
        ],
    ),
    key(
        "header-name-case-and-order",
        "a",
        method="PUT",
        payload=HELLO,
        headers=[
            ("X-Amz-Meta-Zebra", "Stays As It Is"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("X-AMZ-META-ALPHA", "1"),
            ("x-amz-meta-alpha-beta", "2"),
            ("x-amz-request-payer", "requester"),
        ],
    ),
    key(
        "header-repeated",
        "a",
        method="PUT",
        payload=HELLO,
        headers=[("x-amz-meta-tag", "second"), ("x-amz-meta-tag", "first"), ("x-amz-meta-tag", "a, b")],
    ),
    key("header-utf8", "a", method="PUT", payload=HELLO, headers=[("x-amz-meta-title", "naïve 日本語")]),
    key(
        "header-copy-source",
        "copy.csv",
        method="PUT",
        headers=[
            ("x-amz-copy-source", "/reports-prod/daily/my%20report%20%2B1.csv?versionId=3%2FL4kqtJlcpXroDTDmpUMLUo"),
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-copy-source-if-unmodified-since", "Sun, 30 Aug 2015 12:36:00 GMT"),
        ],
        token=TOKEN,
    ),
    key(
        "header-tagging",
        "a",
        method="PUT",
        payload=HELLO,
        headers=[("x-amz-tagging", "team=reports&note=two%20words%2Bplus&empty=")],
    ),
    key(
        "header-kms",
        "a",
        method="PUT",
        payload=HELLO,
        headers=[
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab"),
            ("x-amz-server-side-encryption-context", "eyJ0ZWFtIjoicmVwb3J0cyJ9"),
            ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
        ],
        region="eu-west-1",
        token=TOKEN,
    ),
    # Payload modes: the word in x-amz-content-sha256 is the last line of the canonical request.
    key(
        "payload-sha256",
        "a",
        method="PUT",
        payload=HELLO,
        headers=[("content-md5", "XrY7u+Ae7tCTyyK7j1rNww==")],
    ),
    key("payload-unsigned", "a", method="PUT", payload=UNSIGNED),
    key(
        "payload-streaming-unsigned-trailer",
        "a",
        method="PUT",
        payload=UNSIGNED_TRAILER,
        headers=[
            ("x-amz-decoded-content-length", "11"),
            ("x-amz-sdk-checksum-algorithm", "CRC64NVME"),
            ("x-amz-trailer", "x-amz-checksum-crc64nvme"),
        ],
        token=TOKEN,
    ),
    key(
        "payload-streaming-signed",
        "a",
        method="PUT",
        payload=SIGNED_CHUNKS,
        headers=[("x-amz-decoded-content-length", "66560")],
    ),
    key(
        "payload-streaming-signed-trailer",
        "a",
        method="PUT",
        payload=SIGNED_CHUNKS_TRAILER,
        headers=[("x-amz-decoded-content-length", "66560"), ("x-amz-trailer", "x-amz-checksum-crc32c")],
        region="eu-west-1",
    ),
]


class RecordingAuth(S3SigV4Auth):
    """botocore's signer, with the payload word given by the case and every intermediate kept."""

    def __init__(self, case):
        self.case = case
        super().__init__(Credentials(*case.credentials, case.token), "s3", case.region)

    def payload(self, request):
        return self.case.payload

    def canonical_request(self, request):
        self.recorded_canonical_request = super().canonical_request(request)
        return self.recorded_canonical_request

    def string_to_sign(self, request, canonical_request):
        self.recorded_string_to_sign = super().string_to_sign(request, canonical_request)
        return self.recorded_string_to_sign

    def signature(self, string_to_sign, request):
        self.recorded_signature = super().signature(string_to_sign, request)
        return self.recorded_signature


def sign(case):
    """(canonical request, string to sign, signature) by botocore."""
    request = AWSRequest(method=case.method, url=f"https://{case.host}{case.target()}")
    for name, value in case.all_headers():
        request.headers.add_header(name, value)
    now = datetime.datetime.strptime(case.time, "%Y-%m-%dT%H:%M:%SZ")
    auth = RecordingAuth(case)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        auth.add_auth(request)
    return auth.recorded_canonical_request, auth.recorded_string_to_sign, auth.recorded_signature


def recompute(case):
    """The same three by the specification, from the decoded path and query."""

    def encode(text, slash):
        return quote(text.encode(), safe=("/" if slash else ""))  # `quote` never touches A-Z a-z 0-9 - . _ ~

    headers = case.all_headers() + [("x-amz-date", case.timestamp())]
    if case.token:
        headers.append(("x-amz-security-token", case.token))
    values = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(re.sub(" +", " ", value.strip(" ")))
    names = sorted(values)
    query = sorted((encode(name, False), encode(value or "", False)) for name, value in case.query)
    canonical = "\n".join(
        [
            case.method,
            encode(case.path, True),
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{','.join(values[name])}" for name in names),
            "",
            ";".join(names),
            case.payload,
        ]
    )
    scope = f"{case.timestamp()[:8]}/{case.region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{case.timestamp()}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signing_key = ("AWS4" + case.credentials[1]).encode()
    for part in scope.split("/"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    return canonical, to_sign, hmac.digest(signing_key, to_sign.encode(), "sha256").hex()


def files(case):
    """file name -> text, in the layout of the AWS signing test suite."""
    signed = sign(case)
    assert signed == recompute(case), f"{case.name}: botocore and the specification disagree"
    assert case.published in (None, signed[2]), f"{case.name}: not the published signature"
    credentials = {"access_key_id": case.credentials[0], "secret_access_key": case.credentials[1]}
    if case.token:
        credentials["token"] = case.token
    context = {
        "credentials": credentials,
        "expiration_in_seconds": 3600,
        "normalize": False,
        "region": case.region,
        "service": "s3",
        "sign_body": True,
        "timestamp": case.time,
    }
    head = [f"{case.method} {case.target()} HTTP/1.1", *(f"{name}:{value}" for name, value in case.all_headers())]
    return {
        "context.json": json.dumps(context, indent=4) + "\n",
        "request.txt": "\n".join(head) + "\n",
        "header-canonical-request.txt": signed[0],
        "header-string-to-sign.txt": signed[1],
        "header-signature.txt": signed[2],
    }


def main():
    check = sys.argv[1:] == ["--check"]
    assert check or not sys.argv[1:], __doc__
    wanted = {f"{case.name}/{name}": text.encode() for case in CASES for name, text in files(case).items()}
    assert len(wanted) == 5 * len(CASES), "two cases share a name"
    present = {str(path.relative_to(HERE)): path.read_bytes() for path in HERE.glob("*/*")}
    if check:
        wrong = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        sys.exit("differ: " + ", ".join(wrong) if wrong else 0)
    for stale in {Path(name).parent for name in present.keys() - wanted.keys()}:
        shutil.rmtree(HERE / stale)
    for name, text in wanted.items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text)
    print(f"{len(CASES)} cases")


if __name__ == "__main__":
    main()
