"""Each setting, changed from outside one by one, is found by the plan under its own name and fails under its control when
it is applied; apply puts it right, and then everything passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from account import NAME, Account, failing
from emulators import REGION

OPEN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
ROLE = "reports-reports-reports-api"


def bucket(part: str, base: str = "data") -> Callable[[Account], str]:
    return lambda account: f"bucket {account.bucket(base)}: {part}"


def key_id(account: Account) -> str:
    return account.client("kms").describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]["KeyId"]


def topic(account: Account) -> str:
    return f"arn:aws:sns:{REGION}:{account.number}:reports-alerts"


def endpoint(account: Account) -> str:
    found = account.client("ec2").describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [account.vpc]}])
    return found["VpcEndpoints"][0]["VpcEndpointId"]


def rule_name(account: Account) -> str:
    names = [rule["Name"] for rule in account.client("events").list_rules()["Rules"]]
    return min(name for name in names if name.startswith(NAME))


def s3(call: str, base: str = "data", **arguments: Any) -> Callable[[Account], Any]:
    return lambda a: getattr(a.client("s3"), call)(Bucket=a.bucket(base), **arguments)


def weaken_bucket_policy(account: Account) -> None:
    client, name = account.client("s3"), account.bucket("data")
    policy = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])
    policy["Statement"] = policy["Statement"][1:]
    client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))


def add_target(account: Account) -> None:
    target = {"Id": "other", "Arn": f"arn:aws:sqs:{REGION}:{account.number}:other"}
    account.client("events").put_targets(Rule=rule_name(account), Targets=[target])


def attach(account: Account) -> None:
    iam = account.client("iam")
    arn = iam.create_policy(PolicyName="theirs", PolicyDocument=json.dumps(OPEN))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)


def widen_boundary(account: Account) -> None:
    arn = f"arn:aws:iam::{account.number}:policy/reports-boundary"
    account.client("iam").create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(OPEN), SetAsDefault=True)


def other_key_policy(account: Account) -> None:
    root = {"AWS": f"arn:aws:iam::{account.number}:root"}
    statement = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client("kms").put_key_policy(KeyId=key_id(account), PolicyName="default", Policy=policy)


def unsubscribe(account: Account) -> None:
    sns = account.client("sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic(account))["Subscriptions"]
    arn = subscription["SubscriptionArn"]
    arn = arn if arn.startswith("arn:") else [
        it["SubscriptionArn"] for it in sns.list_subscriptions()["Subscriptions"] if it["TopicArn"] == topic(account)
    ][0]
    sns.unsubscribe(SubscriptionArn=arn)


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
AES = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
DRIFTS: list[tuple[str, Callable[[Account], Any], Callable[[Account], str]]] = [
    ("ownership", s3("delete_bucket_ownership_controls"), bucket("ownership")),
    ("public access", s3("delete_public_access_block"), bucket("public access")),
    (
        "public access in part",
        s3("put_public_access_block", PublicAccessBlockConfiguration={"BlockPublicAcls": True}),
        bucket("public access"),
    ),
    ("policy gone", s3("delete_bucket_policy"), bucket("policy")),
    ("policy weaker", weaken_bucket_policy, bucket("policy")),
    ("encryption", s3("put_bucket_encryption", ServerSideEncryptionConfiguration=AES), bucket("encryption")),
    ("lifecycle", s3("delete_bucket_lifecycle"), bucket("lifecycle")),
    ("inventory", s3("delete_bucket_inventory_configuration", Id="s3ap-inventory"), bucket("inventory")),
    ("metrics", s3("delete_bucket_metrics_configuration", Id="s3ap-metrics-1"), bucket("metrics")),
    ("access logs", s3("put_bucket_logging", BucketLoggingStatus={}), bucket("access logs")),
    ("log sink's policy", s3("delete_bucket_policy", "logs"), bucket("policy", "logs")),
    (
        "retention",
        s3(
            "put_object_lock_configuration",
            "archive",
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
            },
        ),
        bucket("object lock", "archive"),
    ),
    (
        "trust",
        lambda a: a.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(TRUST)),
        lambda _: f"role {ROLE}: trust",
    ),
    (
        "boundary taken off",
        lambda a: a.client("iam").delete_role_permissions_boundary(RoleName=ROLE),
        lambda _: f"role {ROLE}: boundary",
    ),
    ("boundary widened", widen_boundary, lambda _: "policy reports-boundary"),
    (
        "inline policy added",
        lambda a: a.client("iam").put_role_policy(RoleName=ROLE, PolicyName="more", PolicyDocument=json.dumps(OPEN)),
        lambda _: f"role {ROLE}: inline policies",
    ),
    ("policy attached", attach, lambda _: f"role {ROLE}: attached policies"),
    ("key policy", other_key_policy, lambda _: "key alias/reports: policy"),
    (
        "key rotation",
        lambda a: a.client("kms").disable_key_rotation(KeyId=key_id(a)),
        lambda _: "key alias/reports: rotation",
    ),
    ("key disabled", lambda a: a.client("kms").disable_key(KeyId=key_id(a)), lambda _: "key alias/reports"),
    (
        "endpoint policy",
        lambda a: a.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint(a), PolicyDocument=json.dumps(OPEN)),
        lambda _: f"endpoint com.amazonaws.{REGION}.s3: policy",
    ),
    (
        "route tables",
        lambda a: a.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint(a), RemoveRouteTableIds=[a.route_table]),
        lambda _: f"endpoint com.amazonaws.{REGION}.s3: route tables",
    ),
    (
        "topic policy",
        lambda a: a.client("sns").set_topic_attributes(
            TopicArn=topic(a), AttributeName="Policy", AttributeValue=json.dumps({**OPEN, "Statement": []})
        ),
        lambda _: "topic reports-alerts: policy",
    ),
    (
        "topic encryption",
        lambda a: a.client("sns").set_topic_attributes(
            TopicArn=topic(a), AttributeName="KmsMasterKeyId", AttributeValue=""
        ),
        lambda _: "topic reports-alerts: encryption",
    ),
    ("subscription", unsubscribe, lambda _: "topic reports-alerts: subscriptions"),
    ("rule off", lambda a: a.client("events").disable_rule(Name=rule_name(a)), lambda a: f"rule {rule_name(a)}"),
    ("rule's target", add_target, lambda a: f"rule {rule_name(a)}"),
]


# Which control finds which row of the drift table, besides those that follow from it.
FOUND: dict[str, set[str]] = {
    "ownership": {"acls-off"},
    "public access": {"bucket-public-access"},
    "public access in part": {"bucket-public-access"},
    "policy gone": {"bucket-policy", "tls-only", "tls-version", "vpc-only"},
    "policy weaker": {"bucket-policy", "tls-only"},
    "encryption": {"encryption", "customer-keys-blocked"},
    "lifecycle": {"lifecycle"},
    "inventory": {"inventory"},
    "metrics": {"metrics"},
    "access logs": {"access-logs"},
    "log sink's policy": {"bucket-policy", "tls-only", "tls-version", "vpc-only", "access-logs", "inventory"},
    "retention": {"object-lock"},
    "trust": {"role-trust"},
    "boundary taken off": {"role-boundary"},
    "boundary widened": {"role-boundary"},
    "inline policy added": {"role-policy"},
    "policy attached": {"role-policy", "role-cannot-widen-itself"},
    "key policy": {"key-rotation"},
    "key rotation": {"key-rotation"},
    "key disabled": {"key-rotation"},
    "endpoint policy": {"endpoint-policy"},
    "route tables": {"gateway-endpoint"},
    "topic policy": {"alert-topic"},
    "topic encryption": {"alert-topic"},
    "subscription": {"alert-topic"},
    "rule off": {"alert-rules"},
    "rule's target": {"alert-rules"},
}


@pytest.mark.parametrize(("name", "drift", "named"), DRIFTS, ids=[row[0] for row in DRIFTS])
def test_drift_is_found_and_mended(
    applied: Account, name: str, drift: Callable[[Account], Any], named: Callable[[Account], str]
) -> None:
    expected = named(applied)
    drift(applied)
    plan = applied.plan(code=1)
    assert [step["id"] for step in plan["steps"]] == [expected], plan["steps"]
    assert plan["refused"] == [] and plan["outside"] == []
    assert plan["steps"][0]["changes"] or plan["steps"][0]["action"] == "create"
    report = applied.verify(code=1)
    assert failing(report) == FOUND[name]
    for judged in report["controls"]:
        assert (judged["mend"] is None) == (judged["verdict"] != "FAIL") and not judged["unknown"]
    done = applied.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert failing(applied.verify(code=0)) == set()


def test_what_is_account_wide_is_named_and_not_touched(applied: Account) -> None:
    every = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
    applied.put_account_block({name: False for name in every})
    applied.client("cloudtrail").stop_logging(Name="organisation-wide")
    before = len(applied.door.writes(applied.number))
    plan = applied.plan(code=1)
    assert {one["id"] for one in plan["outside"]} == {
        f"account {applied.number}: public access",
        f"account {applied.number}: trail",
    }
    assert plan["steps"] == []
    assert applied.apply().returncode == 1
    assert len(applied.door.writes(applied.number)) == before
    applied.put_account_block({name: True for name in every})
    applied.client("cloudtrail").start_logging(Name="organisation-wide")


def test_a_retention_is_only_ever_lengthened(applied: Account) -> None:
    longer = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 60}}}
    s3("put_object_lock_configuration", "archive", ObjectLockConfiguration=longer)(applied)
    before = len(applied.door.writes(applied.number))
    plan = applied.plan(code=1)
    (refused,) = plan["refused"]
    assert refused["id"] == f"bucket {applied.bucket('archive')}: object lock" and "60 days" in refused["why"]
    assert applied.apply().returncode == 1
    assert len(applied.door.writes(applied.number)) == before
    shorter = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}}
    s3("put_object_lock_configuration", "archive", ObjectLockConfiguration=shorter)(applied)


def test_versions_that_nobody_declared_are_named_and_left(new_account: Callable[..., Account]) -> None:
    account = new_account()
    assert account.apply().returncode == 0
    s3("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})(account)
    plan = account.plan(code=1)
    assert [one["id"] for one in plan["outside"]] == [f"bucket {account.bucket('data')}: versioning"]
    assert plan["steps"] == []
