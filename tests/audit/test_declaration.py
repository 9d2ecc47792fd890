"""The declaration of the account side as the rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from reports import Report, ago, row

DECLARATION = Path(__file__).parents[2] / "examples" / "bootstrap" / "bootstrap.yaml"
ARCHIVE = "reports-archive-123456789012-eu-west-1-an"


def test_what_the_example_declares_is_looked_for(audit, tmp_path):
    """Its archive is locked for 30 days in compliance mode, and encrypted with KMS."""
    good = {"bucket": ARCHIVE, "is_latest": True}
    short = ago(days=5) + timedelta(days=29)
    rows = [
        row("right", **good),
        row("short", **good, object_lock_retain_until_date=short),
        row("plain", **good, encryption_status="SSE-S3"),
    ]
    manifest = Report("CSV", [rows], bucket=ARCHIVE).write(tmp_path)
    ran = audit("inventory", manifest, "-f", DECLARATION, "--output", "json")
    found = {finding["check"]: [one["key"] for one in finding["first"]] for finding in ran.json["findings"]}
    assert (ran.code, found) == (1, {"encryption": ["plain"], "lock-too-weak": ["short"]})


def test_a_bucket_that_is_not_declared_does_not_pass(audit, tmp_path):
    ran = audit("inventory", Report("CSV", [[row("a")]]).write(tmp_path), "-f", DECLARATION)
    assert (ran.code, ran.out) == (2, "")
    assert "no rule speaks of the bucket 'reports-prod', which the report lists" in ran.err
