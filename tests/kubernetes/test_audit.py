"""The scheduled review of an inventory."""

from __future__ import annotations

import subprocess

import pytest
import yaml

import chart
from chart import PROXY_BIN, merged, objects, parsed

VALUES = yaml.safe_load((chart.CHART / "ci/audit-values.yaml").read_text())


def one(kind: str, values=VALUES) -> dict:
    [found] = [found for found in objects(values) if found["kind"] == kind]
    return found


def test_off_by_default() -> None:
    assert not [found for found in objects(chart.GATEWAY) if found["kind"] == "CronJob"]


def test_a_schedule_runs_the_review_as_a_role_of_its_own() -> None:
    pod = one("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["args"][:3] == ["audit", "inventory", "s3://logs/inventory/reports-prod/all/"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environment["AWS_ROLE_ARN"].endswith(":role/s3-audit")
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"
    assert pod["automountServiceAccountToken"] is False and pod["restartPolicy"] == "Never"


def test_findings_are_not_looked_for_again() -> None:
    [rule] = one("CronJob")["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [1, 2])


def test_the_program_takes_arguments_and_rules(tmp_path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(one("ConfigMap")["data"]["rules.yaml"])
    [container] = one("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    arguments = [
        argument.replace("/etc/s3-access-proxy", str(tmp_path)).replace("s3://", f"{tmp_path}/absent/")
        for argument in container["args"]
    ]
    ran = subprocess.run([PROXY_BIN, *arguments], capture_output=True, text=True, timeout=60)
    # It gets as far as the report.
    assert ran.returncode == 2 and "absent/logs/inventory/reports-prod/all" in ran.stderr, ran.stderr


def test_everything_that_is_missing_is_said_at_once() -> None:
    values = merged(parsed("audit.enabled=true", "gateway.enabled=false", "audit.serviceAccount.create=false"))
    with pytest.raises(Exception) as refused:
        objects(values)
    for key in ("audit.report", "aws.region", "audit.roleArn", "audit.serviceAccount.name"):
        assert f"{key}: missing" in str(refused.value)
