"""A plugin of pytest for s3-tests.sh: buckets are made, emptied and removed at the store itself, on both ways.

The proxy has no part in how buckets are set up, so the suite could not even begin; objects are what is compared.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.client import BaseClient

# And what the suite's own clean-up needs of an empty account.
AT_THE_STORE = {"CreateBucket", "DeleteBucket", "ListBuckets"}

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
    client = store if operation in AT_THE_STORE and self.meta.service_model.service_name == "s3" else self
    return make_api_call(client, operation, parameters)


BaseClient._make_api_call = call
