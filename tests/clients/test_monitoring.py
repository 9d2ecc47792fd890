"""What operators see: metrics that promtool finds nothing wrong with, each of them documented, and a dashboard and alerts
that ask only for what there is."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cases import refused
from stack import DEADLINE_SECONDS, REPOSITORY, Bridge, Stack, Target, until

FILES = REPOSITORY / "charts/s3-access-proxy/files"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "5m", "$namespace": ".*", "$job": ".*", "$instance": ".*"}


@pytest.fixture(scope="session")
def promtool() -> str:
    fetched = TARGET / "tools/promtool/usr/bin/promtool"
    found = str(fetched) if fetched.is_file() else shutil.which("promtool")
    if found is None:
        missing = "promtool is missing; install it with: apt-get install prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def checked(command: list[str | Path], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def scrape(admin: str) -> str:
    connection = http.client.HTTPConnection(admin, timeout=DEADLINE_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200
        return response.read().decode()


@contextlib.contextmanager
def load(targets: list[Target]) -> Iterator[None]:
    """Requests of several kinds on every target, until the end of the block; none of them fails."""
    over, failed = threading.Event(), []

    def work(target: Target) -> None:
        try:
            while not over.is_set():
                target.put("granted/x", b"x" * 100_000)
                assert len(target.get("granted/x")) == 100_000
                target.s3.list_objects_v2(Bucket=target.bucket)
                refused(403, "AccessDenied", target.s3.delete_object, Bucket=target.bucket, Key="sealed/x")
        except Exception as error:  # a thread's failure has to reach the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=(target,)) for target in targets for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failed, failed


@pytest.fixture(scope="session")
def exposed(stack: Stack, bridge: Bridge) -> dict[str, list[str]]:
    """Some scrapes of each program while it works."""
    direct = stack.new_bucket()
    with load([stack.through(direct, "writer"), stack.over(direct, bridge)]):
        for admin, seen in ((stack.proxy.admin, 's3proxy_denials_total{code="AccessDenied"}'), (bridge.admin, 'status="403"')):
            until(lambda admin=admin, seen=seen: seen in scrape(admin), f"{seen} in the metrics")
        return {
            program: [scrape(admin) for _ in range(20)]
            for program, admin in (("proxy", stack.proxy.admin), ("bridge", bridge.admin))
        }


@pytest.mark.parametrize("program", ["proxy", "bridge"])
def test_promtool_finds_nothing_wrong(promtool: str, exposed: dict[str, list[str]], program: str) -> None:
    for text in exposed[program]:
        assert checked([promtool, "check", "metrics"], text) == ""


def families(texts: list[str]) -> dict[str, tuple[str, set[str]]]:
    """Type and labels of every metric."""
    found: dict[str, tuple[str, set[str]]] = {}
    for line in "\n".join(texts).splitlines():
        if match := re.fullmatch(r"# TYPE (\S+) (\S+)", line):
            found.setdefault(match[1], (match[2], set()))
        elif match := re.match(r"([a-z_0-9]+)(?:\{(.*)\})? ", line):
            name = match[1] if match[1] in found else re.sub(r"_(bucket|sum|count)$", "", match[1])
            found[name][1].update(re.findall(r'([a-z_]+)="', match[2] or ""))
    return {name: (kind, labels - {"le"}) for name, (kind, labels) in found.items()}


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|(.*?)\|", (REPOSITORY / "docs/metrics.md").read_text(), re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_every_metric_is_documented(exposed: dict[str, list[str]]) -> None:
    assert families(exposed["proxy"] + exposed["bridge"]) == documented()


def series(exposed: dict[str, list[str]]) -> set[str]:
    names = set()
    for name, (kind, _) in families(exposed["proxy"] + exposed["bridge"]).items():
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[tuple[str, str]]:
    """Title and query of everything on the dashboard."""
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_alerts_and_dashboard_ask_for_what_there_is(exposed: dict[str, list[str]]) -> None:
    queries = [*panels(), *((rule["alert"], rule["expr"]) for rule in alerts())]
    named = {(name, title) for title, query in queries for name in re.findall(r"\b(?:s3proxy|s3bridge|process)_\w+", query)}
    there = series(exposed)
    assert not {(name, title) for name, title in named if name not in there}
    # And the dashboard shows all that the proxy has.
    shown = {name for _, query in panels() for name in re.findall(r"\b\w+", query)}
    missing = {name for name in there - shown if name.startswith("s3proxy") and not name.endswith(("_sum", "_count"))}
    assert not missing


def test_the_rules_are_rules(promtool: str, tmp_path: Path) -> None:
    checked([promtool, "check", "rules", FILES / "alerts.yaml"])
    # A dashboard's queries are checked as rules.
    rules = []
    for number, (_, query) in enumerate(panels()):
        for variable, value in VARIABLES.items():
            query = query.replace(variable, value)
        assert "$" not in query
        rules.append({"record": f"panel:{number}", "expr": query})
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked([promtool, "check", "rules", file])


def test_every_alert_fires_when_it_should(promtool: str) -> None:
    files = sorted((REPOSITORY / "tests/data/alerts").glob("*.yaml"))
    checked([promtool, "test", "rules", *files])
    cases = [case for file in files for test in yaml.safe_load(file.read_text())["tests"] for case in test["alert_rule_test"]]
    tried = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert tried == {rule["alert"] for rule in alerts()}
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical"), rule
        assert {"summary", "description"} == set(rule["annotations"]), rule
