"""Reports and logs in S3: a store over a directory, which verifies every signature."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest

from logs import ALICE, json_lines, lines, passed, server_line
from reports import CREATED, Report, row

KEYS = {"AWS_ACCESS_KEY_ID": "audit", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_REGION": "eu-west-1"}


@pytest.fixture
def store(store_program, tmp_path):
    """The folder that holds the buckets, and the store's URL."""
    root = tmp_path / "store"
    root.mkdir()
    with subprocess.Popen(
        [store_program, "--root", root], env=KEYS, stdout=subprocess.PIPE, text=True
    ) as program:
        yield root, "http://" + program.stdout.readline().split()[-1]
        program.terminate()


@pytest.mark.parametrize("format", ["CSV", "Parquet", "ORC"])
def test_the_latest_report_of_an_inventory(audit, store, format):
    root, url = store
    bad = row("a b", encryption_status="NOT-SSE")
    Report(format, [[row("a")]], created=CREATED - timedelta(days=7)).write(root / "logs")
    Report(format, [[row("a")], [bad]]).write(root / "logs")
    place = "s3://logs/inventory/reports-prod/all/"
    options = ["--endpoint-url", url, "--earlier", "previous", "--output", "json"]
    ran = audit("inventory", place, *options, **KEYS)
    assert (ran.code, ran.err) == (1, "")
    review = ran.json
    assert review["manifest"] == place + "2026-11-22T01-00Z/manifest.json"
    assert review["rows"] == 2 and review["since"]["new"]["first"] == [{"key": "a b", "version": "v1"}]


def test_what_is_damaged_is_the_reports_fault_and_what_is_refused_is_s3s(audit, store):
    root, url = store
    manifest = Report("CSV", [[row("a")]]).write(root / "logs")
    place = "s3://logs/" + str(manifest.relative_to(root / "logs"))
    options = ["--endpoint-url", url]
    shutil.rmtree(manifest.parent.parent / "data")
    ran = audit("inventory", place, *options, **KEYS)
    assert (ran.code, ran.out) == (2, "") and "there is no such object" in ran.err
    ran = audit("inventory", place, *options, **KEYS | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert (ran.code, ran.out) == (3, "") and "SignatureDoesNotMatch" in ran.err
    assert "wrong" not in ran.err
    ran = audit("inventory", "s3://absent/inventory/reports-prod/all/", *options, **KEYS)
    assert ran.code == 3 and "NoSuchBucket" in ran.err


def test_nobody_there(audit):
    ran = audit("inventory", "s3://logs/x/manifest.json", "--endpoint-url", "http://127.0.0.1:1", **KEYS)
    assert (ran.code, ran.out) == (3, "") and "s3://logs/x/manifest.json" in ran.err


def test_logs(audit, store):
    root, url = store
    (root / "logs" / "proxy").mkdir(parents=True)
    (root / "logs" / "s3").mkdir()
    json_lines(root / "logs" / "proxy" / "a.jsonl", passed("P1"))
    for at in range(3):
        lines(root / "logs" / "s3" / f"2026-{at}", server_line("P1"), server_line(f"X{at}", requester=ALICE))
    ran = audit(
        "access", "--proxy-log", "s3://logs/proxy/", "--s3-log", "s3://logs/s3/", "--endpoint-url", url, **KEYS
    )
    assert ran.code == 1 and "3 requests past the proxy" in ran.out
