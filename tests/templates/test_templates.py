"""The rendered CloudFormation templates, by linters that are not ours: cfn-lint finds no error, and each finding of
Checkov has its reason in checkov.txt. Every declaration of tests/data/bootstrap, and the example of the README."""

import fnmatch
import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROXY = os.environ.get("PROXY_BIN", str(ROOT / "target/debug/proxy"))
EXPLAINED = pathlib.Path(__file__).with_name("checkov.txt")
DECLARATIONS = sorted(
    path for path in (ROOT / "tests/data/bootstrap").glob("*.yaml") if path.name != "proxy.yaml"
) + [ROOT / "examples/bootstrap/bootstrap.yaml"]


def tool(name, *arguments):
    program = pathlib.Path(sys.executable).with_name(name)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("templates")
    for declaration in DECLARATIONS:
        command = [PROXY, "bootstrap", "render", "-f", declaration]
        rendered = subprocess.run(command, capture_output=True, text=True, check=False)
        assert rendered.returncode == 0, f"{declaration}: {rendered.stderr}"
        (folder / declaration.name).write_text(rendered.stdout, encoding="utf-8")
    return folder


def explained():
    lines = [line for line in EXPLAINED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    rows = [tuple(field.strip() for field in line.split("|", 2)) for line in lines]
    assert all(len(row) == 3 and len(row[2]) > 20 for row in rows), "check | resource | reason"
    return rows


def test_cfn_lint_finds_nothing(templates):
    result = tool("cfn-lint", *map(str, sorted(templates.glob("*.yaml"))))
    assert result.returncode == 0, result.stdout + result.stderr


def test_cfn_lint_would_find_something(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("Resources: {A: {Type: 'AWS::S3::Bucket', Properties: {Nope: 1}}}\n", encoding="utf-8")
    assert "E3002" in tool("cfn-lint", str(wrong)).stdout


def test_every_finding_of_checkov_has_its_reason(templates):
    result = tool(
        "checkov", "-d", str(templates), "--framework", "cloudformation", "--skip-download", "--quiet", "-o", "json"
    )
    report = json.loads(result.stdout)
    assert report["summary"]["parsing_errors"] == 0 and report["summary"]["passed"] > 200, report["summary"]
    found = {(check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]}
    rows = explained()
    matches = lambda row, finding: row[0] == finding[0] and fnmatch.fnmatchcase(finding[1], row[1])
    unexplained = [finding for finding in found if not any(matches(row, finding) for row in rows)]
    stale = [row[:2] for row in rows if not any(matches(row, finding) for finding in found)]
    assert not unexplained, f"add a reason to {EXPLAINED.name}, or mend: {unexplained}"
    assert not stale, f"found no more, so leave out of {EXPLAINED.name}: {stale}"


# What `apply` takes for its own by the deployment's tag. Managed policies, which CloudFormation does not tag, it knows by their
# description.
TAGGED = {
    f"AWS::{kind}"
    for kind in (
        "CloudTrail::Trail", "CloudWatch::Alarm", "EC2::VPCEndpoint", "EKS::PodIdentityAssociation", "Events::Rule",
        "IAM::OIDCProvider", "IAM::Role", "KMS::Key", "Logs::LogGroup", "S3::Bucket", "SNS::Topic",
    )
}  # fmt: skip
# What a new cluster brings is rendered only.
OF_CLUSTER = ("Autoscaler", "Cluster", "Node")


def test_apply_takes_over_what_the_template_makes(templates):
    seen = set()
    for template in templates.glob("*.yaml"):
        for name, resource in yaml.safe_load(template.read_text(encoding="utf-8"))["Resources"].items():
            if resource["Type"] not in TAGGED or name.startswith(OF_CLUSTER):
                continue
            seen.add(resource["Type"])
            keys = {tag["Key"] for tag in resource["Properties"].get("Tags", [])}
            assert "s3-access-proxy/deployment" in keys, f"{template.name}: {name}"
    assert {"AWS::S3::Bucket", "AWS::IAM::Role", "AWS::KMS::Key", "AWS::Events::Rule"} <= seen
