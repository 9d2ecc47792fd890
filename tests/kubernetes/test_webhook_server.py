"""A running `proxy webhook` with a mounted certificate, asked over TLS: what it does when that changes, when it is told to stop, and
when what it is asked is nonsense."""

from __future__ import annotations

import base64
import copy
import json
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart import ROOT
from webhook import Webhook, admission_review, make_certificate

DATA = ROOT / "tests/data/inject"
DEADLINE = 30.0


def pod(name: str) -> dict[str, Any]:
    return yaml.safe_load((DATA / f"{name}.yaml").read_text())


def until(what: str, look: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A Secret as the kubelet mounts it: files that lead through `..data` to a folder of their version."""
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    update(tmp_path, "..1")
    return tmp_path


def update(folder: Path, version: str, damage: bool = False) -> None:
    """Puts another certificate there as the kubelet does: all at once, by renaming one link over another."""
    (folder / version).mkdir()
    make_certificate(folder / version / "tls.crt", folder / version / "tls.key")
    if damage:
        make_certificate(folder / "other", folder / version / "tls.key")
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")


@pytest.fixture
def running(mounted: Path) -> Iterator[Webhook]:
    with Webhook(mounted, DATA / "settings.yaml") as webhook:
        yield webhook


def shown(webhook: Webhook) -> str:
    return ssl.get_server_certificate(("localhost", webhook.port), timeout=DEADLINE).strip()


def reloads(webhook: Webhook, result: str) -> float:
    lines = [line for line in webhook.look("/metrics")[1].splitlines() if line.startswith(f's3webhook_reloads_total{{result="{result}"}}')]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_a_certificate_that_changes_is_shown_without_a_restart(mounted: Path, running: Webhook) -> None:
    first = (mounted / "tls.crt").read_text().strip()
    assert shown(running) == first
    kept = running.connection()
    update(mounted, "..2")
    second = (mounted / "tls.crt").read_text().strip()
    assert second != first
    until("the new certificate", lambda: shown(running) == second)
    assert running.review("mutate", pod("plain"))["allowed"] is True
    # A connection from before goes on.
    kept.request("POST", "/mutate", json.dumps(admission_review(pod("plain"))))
    assert kept.getresponse().status == 200
    kept.close()


def test_a_certificate_that_does_not_fit_changes_nothing_until_one_does(mounted: Path, running: Webhook) -> None:
    first = shown(running)
    update(mounted, "..2", damage=True)
    until("a refused reload", lambda: reloads(running, "error") > 0)
    assert shown(running) == first and running.look("/readyz")[0] == 200
    update(mounted, "..3")
    until("the good one", lambda: shown(running) == (mounted / "tls.crt").read_text().strip())


def takes_connections(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=DEADLINE).close()
    except OSError:
        return False
    return True


def test_a_review_in_flight_is_answered_after_sigterm(running: Webhook) -> None:
    body = json.dumps(admission_review(pod("plain"))).encode()
    trust = ssl.create_default_context(cafile=str(running.certificate))
    with trust.wrap_socket(socket.create_connection(("localhost", running.port)), server_hostname="localhost") as connection:
        connection.settimeout(DEADLINE)
        connection.sendall(b"POST /mutate HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        # It waits for the body: the review is under way.
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body[:100])
        running.process.terminate()
        until("that it is not ready", lambda: running.look("/readyz")[0] == 503)
        until("that it takes no more connections", lambda: not takes_connections(running.port))
        connection.sendall(body[100:])
        answer = b""
        while more := connection.recv(65536):
            answer += more
    assert answer.startswith(b"HTTP/1.1 200 ") and json.loads(answer.split(b"\r\n\r\n", 1)[1])["response"]["allowed"] is True
    assert running.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("name", ["plain", "host-network", "not-asked-for"])
def test_a_dry_run_is_answered_as_if_it_were_none(name: str, running: Webhook) -> None:
    assert running.review("mutate", pod(name), dryRun=True) == running.review("mutate", pod(name), dryRun=False)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from places(one, (*way, key))


def with_other(document: Any, way: tuple[Any, ...], value: Any) -> Any:
    if not way:
        return value
    document = copy.deepcopy(document)
    at = document
    for key in way[:-1]:
        at = at[key]
    at[way[-1]] = value
    return document


OTHERS = [None, True, -1, 1e308, "", "\u0000", "true", [], [[]], [None], {}, {"name": 1}, "x" * 70_000]


def test_no_value_in_the_place_of_another_brings_it_down(running: Webhook) -> None:
    """Every field of a review and of a pod that asks for a sidecar, in turn, as something else. Whatever is let through with the label
    still has its sidecar in it, or is nobody's pod."""
    review = admission_review(pod("several-containers"))
    chosen = random.Random(6).sample([(way, value) for way in places(review) for value in OTHERS], 400)
    connection = running.connection()
    for way, value in chosen:
        connection.request("POST", "/mutate", json.dumps(with_other(review, way, value)))
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 400), (way, value)
        if answer.status != 200:
            continue
        response = json.loads(body)["response"]
        asked = way[:5] != ("request", "object", "metadata", "labels") and way not in {
            (), ("request",), ("request", "object"), ("request", "object", "metadata"), ("request", "operation"),
            ("request", "kind"), ("request", "kind", "group"), ("request", "kind", "kind"),
        }  # fmt: skip
        if asked and response["allowed"]:
            patch = json.loads(base64.b64decode(response["patch"]))
            assert any(operation["path"] == "/spec/initContainers/0" for operation in patch), (way, value)
    connection.close()
    assert running.review("mutate", pod("plain"))["allowed"] is True


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff\xfe", b"[]", b'"AdmissionReview"', b"{}{}", b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}', b'{"a":' * 5000, b"[" * 1_000_000,
        b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"1"}}', b"<xml/>", b"0" * 2_000_000,
    ],
    ids=range(12),
)  # fmt: skip
def test_nonsense_is_refused_within_the_timeout(body: bytes, running: Webhook) -> None:
    started = time.monotonic()
    status, answer = running.post("/mutate?timeout=5s", body)
    assert status == 400 and b"AdmissionReview" in answer
    assert time.monotonic() - started < 5


def test_who_sends_nothing_does_not_keep_others_waiting(running: Webhook) -> None:
    """More idle connections and half handshakes than it takes: the API server still gets in."""
    silent = [socket.create_connection(("localhost", running.port)) for _ in range(600)]
    started = time.monotonic()
    assert running.review("mutate", pod("plain"))["allowed"] is True
    assert time.monotonic() - started < 5
    for one in silent:
        one.close()
