"""From nothing to the wanted state, seen by boto3; and then there is nothing to do."""

from __future__ import annotations

import json
import os

from account import NAME, OWNER, REPOSITORY, Account
from emulators import REGION


def test_a_plan_of_nothing_says_everything_and_changes_nothing(account: Account) -> None:
    plan = account.plan(code=1)
    # Own calls of the set-up apart, nothing was written for it.
    before = len(account.door.writes(account.number))
    text = account.run("plan", "-f", str(account.spec))
    assert text.returncode == 1
    assert len(account.door.writes(account.number)) == before
    assert plan["refused"] == [] and plan["outside"] == []
    assert {step["action"] for step in plan["steps"]} == {"create"}
    assert {step["requirement"] for step in plan["steps"]} >= {1, 3, 5, 6, 7, 8, 10, 12, 13, 16, 17, 18, 19, 20}
    archive = account.bucket("archive")
    assert [step["irreversible"]["confirm"] for step in plan["steps"] if step["irreversible"] and "confirm" in step["irreversible"]] == [
        f"{archive}=COMPLIANCE:30"
    ] * 2
    assert f"CANNOT BE UNDONE; needs --confirm-irreversible {archive}=COMPLIANCE:30" in text.stdout
    assert "USD a month" in text.stdout and "regional namespace" in text.stdout
    assert plan["cost"]["monthly_usd"] > 0


def test_a_plan_reads_as_it_did(account: Account) -> None:
    """The text that people agree to, whole. With WRITE_GOLDEN set it is written anew, to be looked at."""
    text = account.run("plan", "-f", str(account.spec)).stdout
    for found, shown in [
        (account.number, "123456789012"),
        (account.vpc, "vpc-1"),
        (account.route_table, "rtb-1"),
        (account.issuer.removeprefix("https://"), "oidc.example/id/1"),
    ]:
        text = text.replace(found, shown)
    golden = REPOSITORY / "tests/data/plan/whole.txt"
    if "WRITE_GOLDEN" in os.environ:
        golden.write_text(text)
    assert text == golden.read_text()


def test_what_cannot_be_undone_is_not_done_without_its_own_word(account: Account) -> None:
    before = len(account.door.writes(account.number))
    base = ("apply", "-f", str(account.spec), "--yes", "--journal", str(account.journal))
    bucket = account.bucket("archive")
    for words in [
        (),
        ("--confirm-irreversible", f"{bucket}=COMPLIANCE:31"),
        ("--confirm-irreversible", f"{bucket}=GOVERNANCE:30"),
        ("--confirm-irreversible", f"{account.bucket('data')}=COMPLIANCE:30"),
        ("--confirm-irreversible", f"{bucket}=COMPLIANCE:30", "--max-retention-days", "29"),
    ]:
        done = account.run(*base, *words)
        assert done.returncode == 2, (words, done.stderr)
        assert bucket in done.stderr
    # Without --yes and without anybody to ask, nothing is done either.
    asked = account.run("apply", "-f", str(account.spec), "--confirm-irreversible", f"{bucket}=COMPLIANCE:30")
    assert asked.returncode == 1 and "--yes" in asked.stderr
    assert len(account.door.writes(account.number)) == before


def test_credentials_of_another_account_are_refused(account: Account) -> None:
    done = account.run("plan", "-f", str(account.spec), environment={"AWS_ACCESS_KEY_ID": "999999999999"})
    assert done.returncode == 2
    assert "999999999999" in done.stderr and account.number in done.stderr


def test_boto3_reads_every_setting_back(applied: Account) -> None:
    s3 = applied.client("s3")
    logs, data, archive = (applied.bucket(base) for base in ("logs", "data", "archive"))
    key = applied.client("kms").describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]
    endpoint = applied.client("ec2").describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [applied.vpc]}])
    (endpoint,) = endpoint["VpcEndpoints"]
    for bucket in (logs, data, archive):
        assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"] == [
            {"ObjectOwnership": "BucketOwnerEnforced"}
        ]
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert len(block) == 4 and all(block.values())
        tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
        assert tags[OWNER] == NAME
        assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == REGION
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        text = json.dumps(policy)
        assert "aws:SecureTransport" in text and "s3:TlsVersion" in text
        assert endpoint["VpcEndpointId"] in text and "{{" not in text
    rules = {
        bucket: s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
        for bucket in (logs, data, archive)
    }
    assert rules[logs]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert rules[data]["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": key["Arn"],
    }
    assert rules[data]["BucketKeyEnabled"] is True
    assert "Status" not in s3.get_bucket_versioning(Bucket=data)
    assert s3.get_bucket_versioning(Bucket=archive)["Status"] == "Enabled"
    lock = s3.get_object_lock_configuration(Bucket=archive)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "COMPLIANCE", "Days": 30}
    lifecycle = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=data)["Rules"]}
    assert {"Days": 30, "StorageClass": "STANDARD_IA"} in lifecycle["s3ap-rule-1"]["Transitions"]
    assert any("AbortIncompleteMultipartUpload" in rule for rule in lifecycle.values())
    inventory = s3.get_bucket_inventory_configuration(Bucket=data, Id="s3ap-inventory")["InventoryConfiguration"]
    assert inventory["IsEnabled"] and inventory["Schedule"]["Frequency"] == "Weekly"
    assert inventory["Destination"]["S3BucketDestination"]["Bucket"].endswith(logs)
    metrics = s3.list_bucket_metrics_configurations(Bucket=data)["MetricsConfigurationList"]
    assert [it["Filter"]["Prefix"] for it in metrics] == ["daily/"]
    logging = s3.get_bucket_logging(Bucket=data)["LoggingEnabled"]
    assert logging["TargetBucket"] == logs
    assert endpoint["RouteTableIds"] == [applied.route_table]


def test_boto3_reads_roles_key_and_alerts_back(applied: Account) -> None:
    iam, kms = applied.client("iam"), applied.client("kms")
    role = iam.get_role(RoleName="reports-reports-reports-api")["Role"]
    boundary = f"arn:aws:iam::{applied.number}:policy/reports-boundary"
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    trust = json.dumps(role["AssumeRolePolicyDocument"])
    issuer = applied.issuer.removeprefix("https://")
    assert f'"{issuer}:sub": "system:serviceaccount:reports:reports-api"' in trust.replace("[", "").replace("]", "")
    assert f'"{issuer}:aud"' in trust
    (inline,) = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=inline)["PolicyDocument"]
    assert f"arn:aws:s3:::{applied.bucket('data')}/daily/*" in json.dumps(policy)
    assert iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"] == []
    key = kms.describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]["KeyId"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    events, sns = applied.client("events"), applied.client("sns")
    topic = f"arn:aws:sns:{REGION}:{applied.number}:reports-alerts"
    rules = [rule for rule in events.list_rules()["Rules"] if rule["Name"].startswith(NAME)]
    assert rules and all(rule["State"] == "ENABLED" for rule in rules)
    for rule in rules:
        assert [target["Arn"] for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]] == [topic]
    subscribed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [subscription["Endpoint"] for subscription in subscribed] == ["oncall@example.com"]


def test_a_second_apply_writes_nothing(applied: Account) -> None:
    before = len(applied.door.writes(applied.number))
    done = applied.apply()
    assert done.returncode == 0 and "0 to do" in done.stdout
    assert applied.plan(code=0)["steps"] == []
    assert len(applied.door.writes(applied.number)) == before


def test_the_journal_says_what_was_done(applied: Account) -> None:
    events = applied.events()
    steps = [event for event in events if event["event"] == "step"]
    done = {event["id"]: event for event in events if event["event"] == "done"}
    assert events[0]["event"] == "begin" and events[0]["steps"] == len(steps)
    for step in steps:
        assert {"id", "precondition", "action", "wanted", "control", "time", "run"} <= step.keys()
        assert done[step["id"]]["result"] in {"written", "already so"}
    assert any(event["event"] == "end" for event in events)


def test_others_lifecycle_rules_and_tags_are_kept(applied: Account) -> None:
    s3, bucket = applied.client("s3"), applied.bucket("data")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    changed = [rule for rule in rules if rule["ID"] != "s3ap-rule-1"] + [theirs]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": changed})
    tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    tags = [tag for tag in tags if tag["Key"] == OWNER] + [{"Key": "team", "Value": "theirs"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert applied.to_do() == {f"bucket {bucket}: lifecycle", f"bucket {bucket}: tags"}
    assert applied.apply().returncode == 0
    kept = {rule["ID"] for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert kept >= {"theirs", "s3ap-rule-1"}
    tags = {tag["Key"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert "team" in tags and len(tags) > 2
