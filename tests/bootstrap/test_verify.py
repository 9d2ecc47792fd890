"""`verify`: everything that is as it should be passes, with its evidence; what was not made here, what cannot be read,
waivers, probes, the page. That each setting which is changed from outside fails is for the tests of drift."""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from account import Account, failing
from emulators import Fault
from test_drift import s3

def one(report: dict[str, Any], control: str, subject: str = "") -> dict[str, Any]:
    (found,) = [it for it in report["controls"] if it["control"] == control and subject in it["subject"]]
    return found


def test_what_apply_made_passes_with_its_evidence(applied: Account) -> None:
    report = applied.verify(code=0)
    assert failing(report) == set() and report["holds"] is True
    assert [row["number"] for row in report["requirements"]] == list(range(1, 26))
    verdicts = {row["number"]: row["verdict"] for row in report["requirements"]}
    elsewhere = {11, 23, 24}
    assert {number for number, verdict in verdicts.items() if verdict != "PASS"} == elsewhere
    for judged in report["controls"]:
        assert judged["evidence"], judged
        for ground in judged["evidence"]:
            assert ground["what"] and ground["source"] and ground["said"], judged
    tls = one(report, "tls-only", applied.bucket("data"))
    assert tls["evidence"][0]["source"] == "s3:GetBucketPolicy"


def test_a_bucket_that_was_made_by_hand_is_judged_as_it_is(new_account: Callable[..., Account]) -> None:
    account = new_account()
    account.make_bucket("data")
    client, name = account.client("s3"), account.bucket("data")
    arn = f"arn:aws:s3:::{name}"
    tls = {
        "Sid": "TheirName",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    client.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": tls}))
    every = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(every, True))
    before = len(account.door.writes(account.number))
    report = account.verify(code=1)
    assert len(account.door.writes(account.number)) == before
    held = {it["control"] for it in report["controls"] if it["verdict"] == "PASS" and name in it["subject"]}
    assert held >= {"tls-only", "bucket-public-access", "versioning", "replication"}
    failed = {it["control"] for it in report["controls"] if it["verdict"] == "FAIL" and name in it["subject"]}
    assert failed >= {"naming", "bucket-policy", "tls-version", "vpc-only", "lifecycle", "inventory", "access-logs"}
    naming = one(report, "naming", name)
    assert any("without the tag" in ground["said"] for ground in naming["evidence"])
    # The bucket that nobody made has nothing that could hold.
    logs = [it for it in report["controls"] if account.bucket("logs") in it["subject"]]
    assert {it["verdict"] for it in logs} == {"FAIL", "PASS", "N/A"}
    assert one(report, "tls-only", account.bucket("logs"))["verdict"] == "FAIL"


def test_what_may_not_be_read_fails_as_unknown(applied: Account) -> None:
    denied = {"s3:GET policy", "kms:GetKeyPolicy", "iam:GetRole", "eks:GET /clusters/apps/node-groups"}
    is_denied = lambda call: call.account == applied.number and call.name in denied  # noqa: E731
    applied.door.faults[:] = [Fault(is_denied, "AccessDenied", "not authorized", 403, times=1000)]
    try:
        report = applied.verify(code=1)
    finally:
        applied.door.faults.clear()
    unknown = {it["control"] for it in report["controls"] if it["unknown"]}
    assert unknown >= {"bucket-policy", "tls-only", "vpc-only", "key-rotation", "role-trust", "network-layout"}
    assert failing(report) == unknown
    said = one(report, "tls-only", applied.bucket("data"))["evidence"][0]
    assert said["holds"] is None and "s3:GetBucketPolicy" in said["said"] and "AccessDenied" in said["said"]


def test_no_answer_is_no_report(account: Account) -> None:
    done = account.run(
        "verify", "-f", str(account.spec), environment={"AWS_ENDPOINT_URL_EKS": "http://127.0.0.1:9"}
    )
    assert done.returncode == 3 and "eks:" in done.stderr and done.stdout == ""


WAIVERS = """
waivers:
  - { control: S3.13, bucket: data, reason: "cleared by <somebody> else & often", owner: data team, until: 2999-12-31 }
  - { control: metrics, reason: "they were wanted once", until: 2020-01-31 }
  - { control: S3.20, reason: "MFA delete excludes lifecycle rules", until: 2999-12-31 }
  - { control: inventory, reason: "nothing is wrong with it", until: 2999-12-31 }
"""


def test_waivers_set_aside_expire_and_are_told_when_nothing_needs_them(applied: Account) -> None:
    applied.spec.write_text(applied.spec.read_text() + WAIVERS)
    try:
        s3("delete_bucket_lifecycle")(applied)
        report = applied.verify(code=0)
        lifecycle = one(report, "lifecycle", applied.bucket("data"))
        assert lifecycle["verdict"] == "WAIVED" and lifecycle["waiver"]["owner"] == "data team"
        assert one(report, "lifecycle", applied.bucket("logs"))["verdict"] == "PASS"
        assert [it["state"] for it in report["waivers"]] == ["used", "expired", "not-judged-here", "unused"]
        rows = {row["number"]: row["verdict"] for row in report["requirements"]}
        assert rows[12] == rows[25] == "WAIVED"
        s3("delete_bucket_metrics_configuration", Id="s3ap-metrics-1")(applied)
        report = applied.verify(code=1)
        assert failing(report) == {"metrics"}
        assert one(report, "metrics", applied.bucket("data"))["waiver"]["state"] == "expired"
        text = applied.run("verify", "-f", str(applied.spec), "--no-probes").stdout
        assert "the waiver expired on 2020-01-31" in text and "inventory until 2999-12-31: unused" in text
    finally:
        applied.declare()
    assert applied.apply().returncode == 0


class Page(html.parser.HTMLParser):
    """What of a page could lead out of it, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.leads: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        self.leads += [(name, value) for name, value in attrs if name in {"src", "href", "action", "data", "srcset"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_says_it_all_and_leads_nowhere(applied: Account, tmp_path: Path) -> None:
    applied.spec.write_text(applied.spec.read_text() + WAIVERS)
    s3("delete_bucket_lifecycle")(applied)
    file = tmp_path / "report.html"
    try:
        report = applied.verify("--html", str(file), code=0)
    finally:
        applied.declare()
    text = file.read_text()
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == [] and page.leads == []
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "a"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://", text.replace("http-equiv", ""))
    shown = "".join(page.text)
    for judged in report["controls"]:
        assert judged["control"] in shown and judged["subject"] in shown
    assert "cleared by <somebody> else & often" in shown and "WAIVED" in shown
    assert applied.apply().returncode == 0


def test_probes_tell_a_bucket_that_refuses_from_one_that_does_not(applied: Account) -> None:
    door = applied.door
    secure = {"AWS_ENDPOINT_URL": door.secure_url, "SSL_CERT_FILE": str(door.authority)}

    def probe() -> dict[str, Any]:
        done = applied.run("verify", "-f", str(applied.spec), "--json", environment=secure)
        assert done.returncode in {0, 1}, done.stderr
        return json.loads(done.stdout)

    open_to_all = probe()
    assert failing(open_to_all) == {"probe-anonymous", "probe-plain-http"}
    # As AWS does with such a policy and such a block.
    unsigned = lambda call: call.account == "nobody"  # noqa: E731
    no_tls = lambda call: call.account == applied.number and not call.is_secure  # noqa: E731
    door.faults[:] = [Fault(it, "AccessDenied", "Access Denied", 403, times=1000) for it in (unsigned, no_tls)]
    try:
        assert failing(probe()) == set()
    finally:
        door.faults.clear()
