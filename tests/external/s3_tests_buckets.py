"""A plugin of pytest for s3-tests.sh: buckets are made and removed at the store itself, on both ways.

The proxy has no part in how buckets are set up, so the suite could not even begin; objects are what is compared.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
import requests
from botocore.client import BaseClient

AT_THE_STORE = ("CreateBucket", "DeleteBucket", "ListBuckets", "PutBucket", "GetBucket")
AT_THE_STORE += ("PutObjectLockConfiguration", "GetObjectLockConfiguration")
# What the proxy knows of buckets.
ON_THE_WAY = {"GetBucketLocation", "GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging"}

make_api_call = BaseClient._make_api_call
store = boto3.client(
    "s3",
    endpoint_url=os.environ["STORE_ENDPOINT"],
    verify=os.environ["STORE_CA"],
    region_name="us-east-1",
    aws_access_key_id=os.environ["STORE_ACCESS_KEY"],
    aws_secret_access_key=os.environ["STORE_SECRET_KEY"],
)


def call(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
    set_up = operation.startswith(AT_THE_STORE) and operation not in ON_THE_WAY
    client = store if set_up and self.meta.service_model.service_name == "s3" else self
    return make_api_call(client, operation, parameters)


BaseClient._make_api_call = call


def empty_store(*_: object, **__: object) -> None:
    """In place of the suite's own clean-up, which needs lists of versions and any name of a bucket."""
    url = f"{os.environ['STORE_ENDPOINT']}/moto-api/reset"
    requests.post(url, verify=os.environ["STORE_CA"], timeout=60).raise_for_status()


def pytest_configure() -> None:
    import s3tests.functional as suite

    suite.nuke_prefixed_buckets = empty_store
