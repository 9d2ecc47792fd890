"""Prowler's S3, IAM, KMS, VPC and CloudTrail checks on what `proxy bootstrap apply` makes of `whole.yaml` and `managed.yaml`
in tests/bootstrap.

    unshare --net VENV/bin/python tests/external/prowler.py PROWLER FOLDER

VENV has tests/bootstrap/requirements.txt, MOTO_PYTHON is a Python with requirements-moto.txt, PROWLER the program of
`uv pip install prowler==5.46.0` (Python 3.10 to 3.12; pip alone takes half an hour to see what fits). Only findings about
the deployment's own resources count. Each has to pass, or to stand in WAIVED with the reason; a waiver that nothing needs fails too. Prints the table.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bootstrap"))

from account import NAME, Account  # noqa: E402
from emulators import REGION, Emulators, raise_loopback  # noqa: E402
from test_managed import Bare  # noqa: E402

SERVICES = ["s3", "iam", "kms", "vpc", "cloudtrail"]
WAIVED = {
    "cloudtrail_bucket_requires_mfa_delete": "MFA delete excludes lifecycle rules and needs the account's root",
    "cloudtrail_cloudwatch_logging_enabled": "the trail has its log group; an emulator delivers nothing, which is what this looks for",
    "cloudtrail_insights_exist": "Insights are paid for by the event; alerts are the declared rules and alarms",
    "cloudtrail_logs_s3_bucket_access_logging_enabled": "the log sink itself: its own accesses would be logged into it without end",
    "s3_bucket_cross_region_replication": "replication is off unless it is declared with a reason: it doubles the cost",
    "s3_bucket_event_notifications_enabled": "alerts come from CloudTrail by EventBridge rules; notifications of objects "
    "are an application's choice",
    "s3_bucket_kms_encryption": "S3 does not deliver access logs into a bucket with SSE-KMS, so log sinks have SSE-S3",
    "s3_bucket_no_mfa_delete": "MFA delete excludes lifecycle rules and needs the account's root; Object Lock protects "
    "what has to be protected",
    "s3_bucket_object_lock": "on where it is declared: it cannot be undone",
    "s3_bucket_object_versioning": "on where something requires it: every version is paid for",
    "s3_bucket_server_access_logging_enabled": "the log sink itself: its own accesses would be logged into it without end",
    "vpc_endpoint_connections_trust_boundaries": "everybody in the VPC may use the endpoint; its policy admits the "
    "declared buckets and those that AWS itself needs",
}


def findings(prowler: str, account: Account, folder: Path) -> list[dict[str, str]]:
    done = subprocess.run(
        [
            *(prowler, "aws", "--services", *SERVICES, "--region", REGION, "-M", "csv"),
            *("--output-directory", str(folder), "--output-filename", "findings", "--no-banner"),
        ],
        env={**account.environment(), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    # 3: there are findings.
    assert done.returncode in (0, 3), done.returncode
    with (folder / "findings.csv").open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter=";"))


def is_ours(row: dict[str, str]) -> bool:
    words = row["RESOURCE_UID"] + " " + row["RESOURCE_NAME"] + " " + row["RESOURCE_TAGS"]
    return f"{NAME}-" in words or f"alias/{NAME}" in words or "s3-access-proxy/deployment" in words


def rows_of(prowler: str, account: Account, folder: Path) -> list[dict[str, str]]:
    folder.mkdir()
    done = account.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    return [row for row in findings(prowler, account, folder) if is_ours(row)]


def main(prowler: str, folder: Path) -> int:
    raise_loopback()
    folder.mkdir(parents=True, exist_ok=True)
    emulators = Emulators(folder)
    try:
        rows = []
        for number, (variant, kind) in enumerate([("whole", Account), ("managed", Bare)]):
            home = folder / variant
            home.mkdir()
            account = kind(str(210000000000 + number), emulators, home, variant)
            rows += rows_of(prowler, account, home / "findings")
    finally:
        emulators.stop()
    failed: dict[str, set[str]] = {}
    checks = sorted({row["CHECK_ID"] for row in rows})
    for row in rows:
        if row["STATUS"] == "FAIL":
            failed.setdefault(row["CHECK_ID"], set()).add(row["RESOURCE_NAME"])
    print("| check | result |\n|---|---|")
    for check in checks:
        result = "PASS" if check not in failed else f"waived: {WAIVED[check]}" if check in WAIVED else "**FAIL**"
        print(f"| `{check}` | {result} |")
    wrong = sorted(set(failed) - set(WAIVED))
    idle = sorted(set(WAIVED) - set(failed))
    for check in wrong:
        print(f"not waived: {check}: {', '.join(sorted(failed[check]))}", file=sys.stderr)
    for check in idle:
        print(f"waived, and nothing needs it: {check}", file=sys.stderr)
    return 1 if wrong or idle or not checks else 0


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
