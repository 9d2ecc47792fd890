"""One account: the cluster and the network that were there before, the declaration, `proxy bootstrap` on it, and boto3
to look at it from outside."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from emulators import REGION, Emulators

REPOSITORY = Path(__file__).resolve().parents[2]
PROXY_BIN = Path(os.environ.get("PROXY_BIN", REPOSITORY / "target/debug/proxy"))
DEADLINE_SECONDS = 180
NAME = "reports"
OWNER = "s3-access-proxy/deployment"

GRANTS = """
domains: [s3.internal]
grants:
  - name: reports-api
    identities: ["spiffe://cluster.local/ns/reports/sa/reports-api"]
    buckets: [data]
    prefixes: ["daily/"]
    actions: [s3:GetObject, s3:PutObject, s3:ListBucket]
"""


class Account:
    def __init__(self, number: str, emulators: Emulators, folder: Path, variant: str) -> None:
        self.number, self.emulators, self.folder, self.variant = number, emulators, folder, variant
        self.door = emulators.door
        self.spec = folder / "bootstrap.yaml"
        self.journal = folder / "journal.jsonl"
        self.build_surroundings()
        self.declare()

    # Buckets by their names.
    def bucket(self, base: str) -> str:
        return f"{NAME}-{base}-{self.number}-{REGION}-an"

    def client(self, service: str, endpoint: str | None = None) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=endpoint or self.door.url,
            aws_access_key_id=self.number,
            aws_secret_access_key="secret",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )

    def build_surroundings(self) -> None:
        """A cluster in two private subnets, what is account-wide as it should be."""
        ec2 = self.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{i}.0/24")["Subnet"]["SubnetId"] for i in range(2)
        ]
        self.route_table = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        for subnet in subnets:
            ec2.associate_route_table(RouteTableId=self.route_table, SubnetId=subnet)
        public = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.9.0/24")["Subnet"]["SubnetId"]
        self.nat = ec2.create_nat_gateway(SubnetId=public, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
        ec2.create_route(
            RouteTableId=self.route_table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=self.nat
        )
        eks = self.client("eks")
        role = f"arn:aws:iam::{self.number}:role/cluster"
        made = eks.create_cluster(
            name="apps", roleArn=role, resourcesVpcConfig={"subnetIds": subnets}
        )["cluster"]
        self.issuer = made["identity"]["oidc"]["issuer"]
        eks.create_nodegroup(
            clusterName="apps",
            nodegroupName="general",
            subnets=subnets,
            nodeRole=role,
            scalingConfig={"minSize": 2, "maxSize": 6, "desiredSize": 2},
        )
        # The stand-in for EKS does not keep the VPC, so it is declared.
        self.client("iam").create_open_id_connect_provider(Url=self.issuer, ClientIDList=["sts.amazonaws.com"])
        every = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
        self.put_account_block({name: True for name in every})
        self.make_trail("organisation-wide")

    def put_account_block(self, block: dict[str, bool]) -> None:
        control = self.client("s3control")
        # boto3 puts the account in front of the host's name too, which not every resolver knows.
        control.meta.events.register("before-sign.s3-control", lambda request, **_: strip_account(request, self.number))
        control.put_public_access_block(AccountId=self.number, PublicAccessBlockConfiguration=block)

    def make_moto_bucket(self, bucket: str) -> None:
        """CloudTrail's emulator asks for the bucket in its own S3."""
        headers = lambda request, **_: request.headers.add_header("x-moto-account-id", self.number)  # noqa: E731
        s3 = self.client("s3", self.emulators.moto_url)
        s3.meta.events.register("before-sign.s3", headers)
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def make_trail(self, name: str) -> None:
        bucket = f"trail-{name}-{self.number}"
        self.make_moto_bucket(bucket)
        trail = self.client("cloudtrail")
        trail.create_trail(Name=name, S3BucketName=bucket, IsMultiRegionTrail=True, EnableLogFileValidation=True)
        trail.start_logging(Name=name)

    def make_bucket(self, base: str) -> None:
        """As somebody else of the same account would: without the deployment's tag."""
        s3 = self.client("s3")
        namespace = lambda request, **_: request.headers.add_header("x-amz-bucket-namespace", "account-regional")  # noqa: E731
        s3.meta.events.register("before-sign.s3.CreateBucket", namespace)
        s3.create_bucket(Bucket=self.bucket(base), CreateBucketConfiguration={"LocationConstraint": REGION})

    def declare(self, **changes: str) -> None:
        (self.folder / "proxy.yaml").write_text(GRANTS)
        text = (Path(__file__).parent / f"{self.variant}.yaml").read_text()
        values = {"ACCOUNT": self.number, "VPC": self.vpc, **changes}
        for name, value in values.items():
            text = text.replace(f"${name}", value)
        self.spec.write_text(text)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.door.url,
            "AWS_ACCESS_KEY_ID": self.number,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "localhost",
        }

    def command(self, *arguments: str) -> list[str]:
        return [str(PROXY_BIN), "bootstrap", *arguments]

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env={**self.environment(), **(environment or {})},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def apply_arguments(self, *more: str) -> list[str]:
        confirmed = f"{self.bucket('archive')}=COMPLIANCE:30"
        return [
            *("apply", "-f", str(self.spec), "--yes", "--confirm-irreversible", confirmed),
            *("--journal", str(self.journal), "--patience", "5s", *more),
        ]

    def apply(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run(*self.apply_arguments(*more))

    def start_apply(self) -> subprocess.Popen[str]:
        return self.start(*self.apply_arguments())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def plan(self, code: int | None = None) -> dict[str, Any]:
        done = self.run("plan", "-f", str(self.spec), "--json")
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def to_do(self) -> set[str]:
        """Names of the steps and of what is left for others."""
        plan = self.plan()
        assert plan["refused"] == [], plan["refused"]
        return {step["id"] for step in plan["steps"]} | {one["id"] for one in plan["outside"]}

    def verify(self, *more: str, code: int) -> dict[str, Any]:
        """Without probes: the emulators refuse nobody."""
        done = self.run("verify", "-f", str(self.spec), "--no-probes", "--json", *more)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


def failing(report: dict[str, Any]) -> set[str]:
    return {it["control"] for it in report["controls"] if it["verdict"] == "FAIL"}


def strip_account(request: Any, account: str) -> None:
    request.url = request.url.replace(f"//{account}.", "//")
