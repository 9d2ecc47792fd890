"""`proxy audit inventory` on reports that other programs wrote."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from reports import CREATED, FIELDS, Report, ago, row

FORMATS = ["CSV", "Parquet", "ORC"]
MIB = 1024 * 1024

RULES = """
rules:
  - name: everything
    bucket: reports-*
    encryption: [SSE-KMS, DSSE-KMS]
    bucket_key: true
    replicated: true
    owners: [75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a]
  - name: archive
    prefix: archive/
    object_lock: { mode: COMPLIANCE, min_days: 30 }
  - name: ageing
    prefix: old/
    lifecycle:
      transitions: [{ after_days: 30, class: STANDARD_IA }, { after_days: 90, class: GLACIER }]
      expire_after_days: 365
  - name: bloat
    prefix: versions/
    noncurrent_percent: 50
"""

# Key, what is wrong about it, and how the report says so.
WRONG = [
    ("plain/a", "encryption", {"encryption_status": "NOT-SSE"}),
    ("plain/b c+d", "encryption", {"encryption_status": "SSE-S3"}),
    ("plain/customer", "encryption", {"encryption_status": "SSE-C"}),
    ("keys/off", "bucket-key", {"bucket_key_status": "DISABLED"}),
    ("archive/none", "not-locked", {"object_lock_mode": None, "object_lock_retain_until_date": None}),
    ("archive/weak", "lock-too-weak", {"object_lock_mode": "GOVERNANCE"}),
    ("archive/short", "lock-too-weak", {"object_lock_retain_until_date": ago(days=5) + timedelta(days=29)}),
    ("replica/failed", "replication-failed", {"replication_status": "FAILED"}),
    ("replica/stuck", "replication-pending", {"replication_status": "PENDING"}),
    ("replica/none", "not-replicated", {"replication_status": None}),
    ("old/ia", "storage-class", {"last_modified_date": ago(days=40)}),
    ("old/glacier", "storage-class", {"last_modified_date": ago(days=100), "storage_class": "STANDARD_IA"}),
    ("old/gone", "not-expired", {"last_modified_date": ago(days=400), "storage_class": "GLACIER"}),
    ("versions/x", "noncurrent", {"is_latest": False, "version_id": "v0", "size": 9 * MIB}),
    ("owner/%2F/日本語", "owner", {"object_owner": "f" * 64}),
]

# The nearest that is right: none of these may be found.
RIGHT = [
    row("plain/dsse", encryption_status="DSSE-KMS"),
    row("archive/exactly", object_lock_retain_until_date=ago(days=5) + timedelta(days=30)),
    row("unlocked", object_lock_mode=None, object_lock_retain_until_date=None),
    row("replica/young", replication_status="PENDING", last_modified_date=ago(hours=23)),
    row("replica/copy", replication_status="REPLICA"),
    row("old/due", last_modified_date=ago(days=31)),
    row("old/tiny", last_modified_date=ago(days=40), size=1024),
    row("old/colder", last_modified_date=ago(days=40), storage_class="DEEP_ARCHIVE"),
    row("old/noncurrent", last_modified_date=ago(days=400), is_latest=False, version_id="v0"),
    row("versions/x"),
    row("other/x", is_latest=False, version_id="v0"),
    row(
        "marker",
        is_delete_marker=True,
        size=None,
        storage_class=None,
        encryption_status=None,
        e_tag=None,
        replication_status=None,
        object_owner=None,
    ),
]


def rows() -> list[dict]:
    return [row(key, **values) for key, _, values in WRONG] + RIGHT


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_wrong_is_found_and_nothing_else(audit, tmp_path, rules, format):
    everything = rows()
    manifest = Report(format, [everything[:7], everything[7:]]).write(tmp_path)
    ran = audit("inventory", manifest, "--rules", rules, "--output", "json")
    assert (ran.code, ran.err) == (1, "")
    review = ran.json
    found = {
        (sample["key"], finding["check"]) for finding in review["findings"] for sample in finding["first"]
    }
    assert found == {(key, check) for key, check, _ in WRONG}
    assert review["rows"] == len(everything) and review["files"] == 2
    assert review["unchecked"] == [] and review["clean"] is False
    assert review["delete_markers"] == 1
    assert review["noncurrent"] == {"objects": 3, "bytes": 11 * MIB}
    assert sum(part["objects"] for part in review["encryption"]) == len(everything) - 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_clean_report_is_clean(audit, tmp_path, rules, format):
    manifest = Report(format, [RIGHT]).write(tmp_path)
    ran = audit("inventory", manifest, "--rules", rules)
    assert (ran.code, ran.err) == (0, ""), ran.out
    assert ran.out.endswith("result     clean\n")


def test_text_names_the_first_keys_and_counts_the_rest(audit, tmp_path):
    many = [row(f"plain/{i:02}", encryption_status="NOT-SSE") for i in range(25)]
    ran = audit("inventory", Report("CSV", [many]).write(tmp_path))
    assert ran.code == 1
    assert "encryption: 25 objects (25.0 MiB): not encrypted as the rules ask" in ran.out
    assert "plain/09 (version v1): NOT-SSE" in ran.out and "plain/10" not in ran.out
    assert "… and 15 more" in ran.out


def test_a_rule_that_cannot_be_checked_does_not_pass(audit, tmp_path, rules):
    fields = [column for _, column, _ in FIELDS if not column.startswith("object_lock")]
    manifest = Report("Parquet", [RIGHT], fields).write(tmp_path)
    ran = audit("inventory", manifest, "--rules", rules)
    assert ran.code == 1
    assert "not-locked: the report does not have ObjectLockRetainUntilDate, ObjectLockMode\n" in ran.out.replace(
        "ObjectLockMode, ObjectLockRetainUntilDate", "ObjectLockRetainUntilDate, ObjectLockMode"
    )
    assert "nothing found; 2 of the checks that the rules ask for could not be made" in ran.out
    # Without rules nothing was asked for.
    minimal = Report("CSV", [RIGHT], ["bucket", "key"]).write(tmp_path / "minimal")
    ran = audit("inventory", minimal)
    assert ran.code == 0 and "does not have EncryptionStatus (no rule asks for it)" in ran.out


@pytest.mark.parametrize("format", FORMATS)
def test_an_earlier_report_is_compared_whatever_the_order(audit, tmp_path, format):
    stays = [row(f"stays/{i}") for i in range(300)]
    before = [*stays, row("gone/a"), row("locked"), row("moved"), row("written-over", version_id=None)]
    after = [
        row("written-over", version_id=None, e_tag="0" * 32, size=7),
        row("moved", storage_class="GLACIER"),
        row("locked", object_lock_retain_until_date=ago(days=4)),
        row("new/a+b"),
        *reversed(stays),
    ]
    Report(format, [before[:100], before[100:]], created=CREATED - timedelta(days=7)).write(tmp_path)
    Report(format, [after]).write(tmp_path)
    ran = audit("inventory", tmp_path / "inventory/reports-prod/all", "--earlier", "previous", "--output", "json")
    since = ran.json["since"]
    assert since["created"] == "2026-11-15T01:00:00Z"
    assert [named["key"] for named in since["new"]["first"]] == ["new/a+b"]
    assert [named["key"] for named in since["gone"]["first"]] == ["gone/a"]
    assert {named["key"]: named["changed"] for named in since["changed"]["first"]} == {
        "locked": ["lock"],
        "moved": ["storage class"],
        "written-over": ["content"],
    }
    assert since["changed"]["objects"] == 3 and since["new"]["bytes"] == MIB


def test_the_latest_report_that_is_whole_is_taken(audit, tmp_path):
    for days in (14, 7):
        Report("CSV", [[row("a")]], created=CREATED - timedelta(days=days)).write(tmp_path)
    delivering = Report("CSV", [[row("a")]]).write(tmp_path)
    (delivering.parent / "manifest.checksum").unlink()
    ran = audit("inventory", tmp_path / "inventory/reports-prod/all", "--output", "json")
    assert ran.json["created"] == "2026-11-15T01:00:00Z"


def test_html_and_sarif_and_json_are_written_beside_the_text(audit, tmp_path, rules):
    hostile = row("plain/<script>alert(1)</script>\x1b[2J", encryption_status="NOT-SSE")
    manifest = Report("CSV", [[*rows(), hostile]]).write(tmp_path)
    outputs = {name: tmp_path / f"out.{name}" for name in ("html", "sarif", "json")}
    options = [option for name, path in outputs.items() for option in (f"--{name}", path)]
    ran = audit("inventory", manifest, "--rules", rules, *options)
    assert ran.code == 1 and "\x1b" not in ran.out
    page = outputs["html"].read_text()
    assert "<script" not in page and "&lt;script&gt;" in page and "\x1b" not in page
    assert page.count("<svg") >= 4 and "http://" not in page and "https://" not in page
    sarif = json.loads(outputs["sarif"].read_text())
    results = sarif["runs"][0]["results"]
    assert {result["ruleId"] for result in results} == {check for _, check, _ in WRONG}
    # The share of versions is nobody's own fault; the hostile one is.
    assert json.loads(outputs["json"].read_text())["affected"]["objects"] == len(WRONG)
