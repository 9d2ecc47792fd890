"""Checkov over every rendered object. What it says of them is accounted for in checkov.md, line by line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

import chart
from chart import CASES

EXPLAINED = Path(__file__).with_name("checkov.md")


def findings(directory: Path) -> set[tuple[str, str]]:
    """Each failed check with the kind of object that it failed for. What users bring along themselves is theirs."""
    for case in CASES:
        if case.name != "extras":
            (directory / f"{case.name}.yaml").write_text(yaml.safe_dump_all(case.objects()))
    checkov = Path(sys.executable).with_name("checkov")
    result = subprocess.run(
        [checkov, "--directory", directory, "--framework", "kubernetes", "--output", "json", "--quiet", "--compact", "--skip-download", "--soft-fail"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"LOG_LEVEL": "ERROR"},
    )
    report = json.loads(result.stdout)
    assert report["summary"]["passed"] > 1000 and report["summary"]["parsing_errors"] == 0
    return {(one["check_id"], component(one["resource"])) for one in report["results"]["failed_checks"]}


def component(resource: str) -> str:
    """`Deployment.s3-system.s3-s3-access-proxy-webhook` -> `Deployment webhook`."""
    kind, *_, name = resource.split(".")
    return f"{kind} {next((end for end in ('gateway', 'webhook', 'audit', 'test') if name.endswith(end)), 'cluster')}"


def test_every_finding_is_explained_and_every_explanation_needed(tmp_path: Path) -> None:
    rows = re.findall(r"^\| (CKV\w+) \| (\w+ \w+) \| (.+) \|$", EXPLAINED.read_text(), flags=re.MULTILINE)
    explained = {(check, resource) for check, resource, why in rows if len(why) > 20}
    assert len(explained) == len(rows)
    assert findings(tmp_path) == explained
