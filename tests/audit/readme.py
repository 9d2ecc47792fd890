#!/usr/bin/env python3
"""Writes the run of `proxy audit inventory` that the README shows, from a run.

PROXY_BIN=target/debug/proxy readme.py            writes it
PROXY_BIN=target/debug/proxy readme.py --check    fails where it differs"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from reports import CREATED, Report, ago, row

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- audit: begin -->\n", "<!-- audit: end -->\n"
GIB = 1024**3

RULES = """\
rules:
  - name: everything
    encryption: [SSE-KMS]
    lifecycle: { transitions: [{ after_days: 30, class: STANDARD_IA }] }
  - name: archive
    prefix: archive/
    object_lock: { mode: COMPLIANCE, min_days: 30 }
"""


def objects(number: int) -> list[dict]:
    """So many days of reports, of which some are not as they should be."""
    unlocked = {"object_lock_mode": None, "object_lock_retain_until_date": None}
    rows = []
    for day in range(number):
        old = {"last_modified_date": ago(days=day), "size": GIB}
        moved = "STANDARD_IA" if day > 30 and day % 9 else "STANDARD"
        rows.append(row(f"daily/{day:03}.parquet", **old, **unlocked, storage_class=moved))
        if day % 30 == 0:
            lock = {} if day else unlocked
            rows.append(row(f"archive/{day:03}.tar", **old, **lock, storage_class="GLACIER"))
    rows.append(row("exports/for audit.csv", encryption_status="SSE-S3", **unlocked))
    return rows


def run() -> str:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        Report("Parquet", [objects(83)], created=CREATED - timedelta(days=7)).write(root)
        Report("Parquet", [objects(90)]).write(root)
        (root / "rules.yaml").write_text(RULES)
        arguments = ["audit", "inventory", "inventory/reports-prod/all", "--rules", "rules.yaml", "--earlier", "previous"]
        program = Path(os.environ["PROXY_BIN"]).resolve()
        ran = subprocess.run([program, *arguments], cwd=root, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 1, ran.stderr
    return f"{BEGIN}```console\n$ cat rules.yaml\n{RULES}$ proxy {' '.join(arguments)}\n{ran.stdout}```\n{END}"


def main() -> int:
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    fresh = before + run() + after
    if "--check" in sys.argv[1:]:
        if fresh != text:
            print("README.md shows another run; write it with: tests/audit/readme.py", file=sys.stderr)
        return int(fresh != text)
    README.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
