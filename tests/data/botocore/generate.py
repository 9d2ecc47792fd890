#!/usr/bin/env python3
"""A request of every operation in botocore's service model of S3, serialised by botocore itself.

    pip install botocore==1.44.5
    python generate.py            # write requests.jsonl
    python generate.py --check    # fail if the file differs from what would be written

Each operation comes four times: path style and virtual-hosted style, with its required parameters only and with all
that it takes. What depends on the moment (dates, signatures, identifiers of the attempt) is left out.
"""

import datetime
import json
import sys
import urllib.parse
from pathlib import Path

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

FILE = Path(__file__).parent / "requests.jsonl"
ENDPOINT = "https://s3.internal"
BUCKET, KEY = "the-bucket", "a key/with+odd&chars/ä"

# Members with a meaning that a sample value would miss.
VALUES = {
    "Bucket": BUCKET,
    "Key": KEY,
    "CopySource": {"Bucket": "source-bucket", "Key": "source/key", "VersionId": "v1"},
    "RenameSource": "/the-bucket/old",
    "ContentMD5": "XUFAKrxLKna5cZ2REBfFkg==",
    "CopySourceRange": "bytes=0-9",
    "Range": "bytes=0-9",
    "SSECustomerKey": "0" * 32,
    "CopySourceSSECustomerKey": "0" * 32,
    "RequestRoute": "route",
    "Policy": '{"Version":"2012-10-17","Statement":[]}',
    "ContentLength": 4,
}
# Parameters of S3 Express One Zone, of a select while restoring, or that botocore works out itself. The proxy refuses
# the first two by name.
LEFT_OUT = {
    "PutObject": {"WriteOffsetBytes"},
    "CreateBucket": {"Location", "Bucket"},
    "RestoreObject": {"Type", "SelectParameters", "OutputLocation"},
}
DERIVED = {"SSECustomerKeyMD5", "CopySourceSSECustomerKeyMD5"}
# Of these the values are made anew each time; `host` some signers add and others leave to the connection.
MOMENTARY = {"host", "authorization", "x-amz-date", "x-amz-client-token", "amz-sdk-invocation-id", "amz-sdk-request", "user-agent"}


def sample(shape, operation, name="", depth=0):
    """A value of a shape."""
    if depth and name in VALUES and shape.type_name == "string":
        return VALUES[name]
    match shape.type_name:
        case "structure":
            members = {n: s for n, s in shape.members.items() if n not in LEFT_OUT.get(operation, set())}
            return {n: sample(s, operation, n, depth + 1) for n, s in members.items()}
        case "list":
            return [sample(shape.member, operation, name, depth + 1)]
        case "map":
            return {"name": "value"}
        case "string":
            return shape.enum[0] if getattr(shape, "enum", None) else "text"
        case "integer" | "long":
            return 1
        case "float" | "double":
            return 1.0
        case "boolean":
            return True
        case "timestamp":
            return datetime.datetime(2027, 1, 1, tzinfo=datetime.timezone.utc)
        case "blob":
            return b"body"
    raise NotImplementedError(shape.type_name)


def parameters(model, everything):
    shape = model.input_shape
    if shape is None:
        return {}
    left_out = (DERIVED | LEFT_OUT.get(model.name, set())) - {"Bucket"}
    # Location parameters are in the path, whether the model calls them required or not.
    wanted = {*shape.required_members, *(n for n in ("Bucket", "Key") if n in shape.members)}
    names = [n for n in shape.members if n not in left_out and (everything or n in wanted)]
    return {n: VALUES[n] if n in VALUES else sample(shape.members[n], model.name, n, 1) for n in names}


def capture(client, model, values):
    """The request that botocore would send."""
    seen = []

    def answer(request, **_):
        seen.append(request)
        return AWSResponse(request.url, 200, {}, None)

    client.meta.events.register("before-send.s3", answer)
    try:
        client._make_api_call(model.name, values)
    except Exception:  # The made-up answer is no answer to most operations.
        if not seen:
            raise
    finally:
        client.meta.events.unregister("before-send.s3", answer)
    return seen[0]


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def row(model, style, everything, client):
    request = capture(client, model, parameters(model, everything))
    url = urllib.parse.urlsplit(request.url)
    headers = sorted((n.lower(), text(v)) for n, v in request.headers.items() if n.lower() not in MOMENTARY)
    body = request.body
    body = body if isinstance(body, (bytes, str)) else b""
    members = model.input_shape.members if model.input_shape else {}
    return {
        "name": f"{model.name} {style} {'all' if everything else 'required'}",
        "operation": model.name,
        "bucket": BUCKET if "Bucket" in members else None,
        "key": KEY if "Key" in members else None,
        "method": request.method,
        "target": url.path + (f"?{url.query}" if url.query else ""),
        "headers": [["host", url.netloc], *map(list, headers)],
        "body": text(body),
    }


def rows():
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    model = session.get_service_model("s3")
    for style in ("path", "virtual"):
        config = Config(s3={"addressing_style": style}, parameter_validation=False, retries={"total_max_attempts": 1})
        client = session.create_client("s3", region_name="eu-west-1", endpoint_url=ENDPOINT, config=config)
        for name in model.operation_names:
            for everything in (False, True):
                yield row(model.operation_model(name), style, everything, client)


def main():
    written = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows())
    if "--check" not in sys.argv:
        FILE.write_text(written)
    elif FILE.read_text() != written:
        sys.exit(f"{FILE.name} differs from what botocore would send now; run {Path(__file__).name}")


main()
