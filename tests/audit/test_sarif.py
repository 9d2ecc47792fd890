"""What is written as SARIF is SARIF, by its published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from logs import ALICE, json_lines, lines, passed, server_line
from reports import FIELDS, Report, row

SCHEMA = Path(__file__).parents[1] / "data" / "sarif" / "sarif-2.1.0-rtm.5.json"


def check(text: str) -> list[dict]:
    log = json.loads(text)
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(log)
    return log["runs"][0]["results"]


def test_inventory(audit, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{name: a, encryption: [SSE-KMS], object_lock: {mode: COMPLIANCE, min_days: 1}}]")
    odd = row("a b/%/日本語?#", encryption_status="SSE-S3")
    fields = [column for _, column, _ in FIELDS if not column.startswith("object_lock")]
    manifest = Report("CSV", [[odd]], fields).write(tmp_path / "with space")
    found, *unanswered = check(audit("inventory", manifest, "--rules", rules, "--output", "sarif").out)
    (place,) = found["relatedLocations"]
    uri = place["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "s3://reports-prod/a%20b/%25/%E6%97%A5%E6%9C%AC%E8%AA%9E%3F%23"
    assert [result["kind"] for result in unanswered] == ["open", "open"]


def test_access(audit, tmp_path):
    log = json_lines(tmp_path / "log.jsonl", passed("P1"))
    server = lines(tmp_path / "server", server_line("X", requester=ALICE))
    ran = audit("access", "--proxy-log", log, "--s3-log", server, "--output", "sarif")
    (result,) = check(ran.out)
    assert (ran.code, result["ruleId"], result["occurrenceCount"]) == (1, "bypass", 1)
