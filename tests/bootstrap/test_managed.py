"""What is the account's as a whole, when the declaration says that it is managed here: the public-access block, the trail, the
OIDC provider; with an endpoint that is taken over, Pod Identity, and replication into another region."""

from __future__ import annotations

import json
from collections.abc import Callable

import boto3
import pytest
from account import NAME, OWNER, Account
from emulators import REGION, Fault, Hold

COPY_REGION = "eu-central-1"
ACCESS = """access:
  vpc_endpoints: [auto]
  break_glass: arn:aws:iam::$ACCOUNT:role/admin
alerts: { sns: create, email: [oncall@example.com] }
account_wide: { public_access_block: verify, trail: verify, oidc_provider: verify }
"""


class Bare(Account):
    """An account in which nobody has made what belongs to all, with an endpoint of somebody's, and a bucket for copies."""

    def build_surroundings(self) -> None:
        ec2 = self.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        self.route_table = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=self.route_table, SubnetId=subnet)
        made = ec2.create_vpc_endpoint(VpcId=self.vpc, ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway")
        self.endpoint = made["VpcEndpoint"]["VpcEndpointId"]
        self.client("eks").create_cluster(
            name="apps",
            roleArn=f"arn:aws:iam::{self.number}:role/cluster",
            resourcesVpcConfig={"subnetIds": [subnet]},
        )
        self.make_moto_bucket(self.bucket("logs"))
        copies = boto3.client(
            "s3",
            region_name=COPY_REGION,
            endpoint_url=self.door.url,
            aws_access_key_id=self.number,
            aws_secret_access_key="secret",
        )
        copies.create_bucket(
            Bucket=f"copy-{self.number}", CreateBucketConfiguration={"LocationConstraint": COPY_REGION}
        )
        copies.put_bucket_versioning(
            Bucket=f"copy-{self.number}", VersioningConfiguration={"Status": "Enabled"}
        )


@pytest.fixture(scope="module")
def managed(new_account: Callable[..., Account]) -> Bare:
    account = new_account("managed", Bare)
    done = account.run("apply", "-f", str(account.spec), "--yes", "--journal", str(account.journal), "--patience", "5s")
    assert done.returncode == 0, done.stdout + done.stderr
    return account


def test_there_is_nothing_left_to_do(managed: Bare) -> None:
    plan = managed.plan(code=0)
    assert plan["steps"] == [] and plan["outside"] == [] and plan["refused"] == []


def test_the_account_is_never_public(managed: Bare) -> None:
    s3control = managed.client("s3control")
    strip = lambda request, **_: setattr(request, "url", request.url.replace(f"//{managed.number}.", "//"))  # noqa: E731
    s3control.meta.events.register("before-sign.s3-control", strip)
    block = s3control.get_public_access_block(AccountId=managed.number)["PublicAccessBlockConfiguration"]
    assert len(block) == 4 and all(block.values())


def test_the_trail_logs_every_region_and_can_be_validated(managed: Bare) -> None:
    cloudtrail = managed.client("cloudtrail")
    (trail,) = cloudtrail.describe_trails()["trailList"]
    assert trail["IsMultiRegionTrail"] and trail["LogFileValidationEnabled"]
    assert cloudtrail.get_trail_status(Name=trail["TrailARN"])["IsLogging"]
    assert trail["S3BucketName"] == managed.bucket("logs")


def test_the_role_is_for_pod_identity_and_associated(managed: Bare) -> None:
    role = managed.client("iam").get_role(RoleName="reports-reports-reports-api")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert set(statement["Action"]) == {"sts:AssumeRole", "sts:TagSession"}
    assert "Condition" in statement
    eks = managed.client("eks")
    (found,) = eks.list_pod_identity_associations(clusterName="apps")["associations"]
    asked = eks.describe_pod_identity_association(clusterName="apps", associationId=found["associationId"])
    association = asked["association"]
    assert (association["namespace"], association["serviceAccount"]) == ("reports", "reports-api")
    assert association["roleArn"] == role["Arn"]


def test_the_endpoint_is_the_one_that_was_there(managed: Bare) -> None:
    found = managed.client("ec2").describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [managed.vpc]}])
    (endpoint,) = found["VpcEndpoints"]
    assert endpoint["VpcEndpointId"] == managed.endpoint
    assert managed.route_table in endpoint["RouteTableIds"]
    assert managed.bucket("data") in endpoint["PolicyDocument"]


def test_what_is_replicated_is_what_was_said(managed: Bare) -> None:
    data = managed.bucket("data")
    s3 = managed.client("s3")
    assert s3.get_bucket_versioning(Bucket=data)["Status"] == "Enabled"
    replication = s3.get_bucket_replication(Bucket=data)["ReplicationConfiguration"]
    (rule,) = replication["Rules"]
    assert rule["Filter"] == {"Prefix": "daily/"} and rule["Status"] == "Enabled"
    assert rule["Destination"]["Bucket"].endswith(f"copy-{managed.number}")
    role = managed.client("iam").get_role(RoleName=replication["Role"].rsplit("/", 1)[-1])["Role"]
    assert "s3.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])
    assert {"Key": OWNER, "Value": NAME} in role["Tags"]


def test_an_operator_needs_no_data(managed: Bare) -> None:
    """S3 answers whoever is no client as the bucket's own policy says: no listing, no HeadBucket, which is one."""
    data = lambda call: call.account == managed.number and call.name in {"s3:HEAD bucket", "s3:GET bucket", "s3:GET versions"}  # noqa: E731
    managed.door.faults[:] = [Fault(data, "AccessDenied", "explicit deny in a resource-based policy", 403, times=1000)]
    assert managed.plan(code=0)["refused"] == []
    shown = json.loads(managed.run("destroy", "-f", str(managed.spec), "--json").stdout)
    managed.door.faults.clear()
    stays = {one["id"]: one["why"] for one in shown["stays"]}
    assert "break-glass" in stays[f"bucket {managed.bucket('data')}"]


def test_events_that_come_at_the_last_moment_are_kept(managed: Bare) -> None:
    logs, group = managed.client("logs"), f"/aws/cloudtrail/{NAME}"
    is_first = lambda call: call.account == managed.number and call.is_write and call.service != "logs"  # noqa: E731
    hold = Hold(is_first, before=True)
    managed.door.holds[:] = [hold]
    destroying = managed.start("destroy", "-f", str(managed.spec), "--yes", "--journal", str(managed.journal))
    assert hold.reached.wait(60)
    managed.door.holds.clear()
    logs.create_log_stream(logGroupName=group, logStreamName="late")
    hold.over.set()
    destroying.communicate(timeout=120)
    done = managed.run("destroy", "-f", str(managed.spec), "--yes", "--journal", str(managed.journal))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [it["logGroupName"] for it in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]] == [group]


def test_a_bucket_that_is_filled_at_the_last_moment_keeps_its_key(new_account: Callable[..., Account]) -> None:
    account = new_account()
    assert account.apply().returncode == 0
    # Nothing that would keep the key from the beginning.
    account.spec.write_text(account.spec.read_text().split("  - profile: worm-archive")[0] + ACCESS.replace("$ACCOUNT", account.number))
    hold = Hold(lambda call: call.account == account.number and call.is_write and call.service != "logs", before=True)
    account.door.holds[:] = [hold]
    words = ("destroy", "-f", str(account.spec), "--yes", "--delete-key", "--journal", str(account.journal))
    destroying = account.start(*words)
    assert hold.reached.wait(60)
    account.door.holds.clear()
    account.client("s3").put_object(Bucket=account.bucket("data"), Key="daily/x", Body=b"x")
    hold.over.set()
    destroying.communicate(timeout=120)
    # The call that was held has had no answer, so that run may have ended there.
    done = account.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    key = account.client("kms").describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]
    assert key["KeyState"] == "Enabled"
    assert account.client("s3").get_object(Bucket=account.bucket("data"), Key="daily/x")["Body"].read() == b"x"


def test_destroy_leaves_what_belongs_to_all(managed: Bare) -> None:
    s3, eks = managed.client("s3"), managed.client("eks")
    names = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert managed.bucket("data") not in names and f"copy-{managed.number}" in names
    assert eks.list_pod_identity_associations(clusterName="apps")["associations"] == []
    found = managed.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[managed.endpoint])["VpcEndpoints"]
    assert [endpoint["State"] for endpoint in found] == ["available"]
    # The trail that carries the tag was the deployment's own and wrote into its bucket; what is not its own stays.
    assert managed.client("cloudtrail").describe_trails()["trailList"] == []
    test_the_account_is_never_public(managed)


def test_the_key_goes_only_when_that_is_asked_for(managed: Bare) -> None:
    kms = managed.client("kms")
    key = kms.describe_key(KeyId=f"alias/{NAME}")["KeyMetadata"]
    assert key["KeyState"] == "Enabled"
    done = managed.run("destroy", "-f", str(managed.spec), "--yes", "--delete-key", "--journal", str(managed.journal))
    assert done.returncode == 0, done.stdout + done.stderr
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_what_is_somebody_elses_is_neither_taken_over_nor_taken_away(new_account: Callable[..., Account]) -> None:
    account = new_account("managed", Bare)
    account.make_trail(f"{NAME}-trail")
    account.client("eks").create_pod_identity_association(
        clusterName="apps",
        namespace="reports",
        serviceAccount="reports-api",
        roleArn=f"arn:aws:iam::{account.number}:role/somebody-elses",
    )
    refused = {one["id"] for one in account.plan(code=1)["refused"]}
    assert {f"trail {NAME}-trail", "pod identity reports-reports-reports-api"} <= refused
    assert json.loads(account.run("destroy", "-f", str(account.spec), "--json").stdout)["goes"] == []


def test_no_policy_is_written_with_a_gap_in_it(new_account: Callable[..., Account]) -> None:
    """The endpoint is for others to make, and they have not."""
    account = new_account("managed", Bare)
    account.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[account.endpoint])
    account.spec.write_text(account.spec.read_text().replace("endpoint: adopt", "endpoint: verify"))
    plan = account.plan(code=1)
    refused = {one["id"]: one["why"] for one in plan["refused"]}
    assert "the ID of the S3 gateway endpoint" in refused[f"bucket {account.bucket('data')}: policy"]
    assert account.run("apply", "-f", str(account.spec), "--yes").returncode == 1
    assert account.bucket("data") not in {it["Name"] for it in account.client("s3").list_buckets()["Buckets"]}
