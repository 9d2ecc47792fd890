"""The chart's containers, run as they are rendered but for addresses and folders: do probes and `helm test` tell what they should?"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import chart
from chart import PROXY_BIN, ROOT

DEADLINE = 30.0
GRANT = ",".join(f"gateway.config.grants[0].{key}" for key in ("name=a", "identities={cn:*}", "buckets={data}", "actions={s3:*}"))


@dataclass
class Program:
    """A container's process, with the addresses that it logged."""

    process: subprocess.Popen[str]
    addresses: dict[str, str]

    @classmethod
    def start(cls, arguments: list[str], log: Path) -> Program:
        with log.open("w") as stderr:
            process = subprocess.Popen([PROXY_BIN, *arguments], env={}, stdout=subprocess.DEVNULL, stderr=stderr, text=True)
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until and process.poll() is None:
            for line in re.findall(r"^\{.*\}$", log.read_text(), flags=re.MULTILINE):
                fields = json.loads(line)
                if fields.get("message") == "listening":
                    return cls(process, {key: str(fields[key]) for key in ("listen", "admin")})
            time.sleep(0.05)
        process.kill()
        raise AssertionError(f"{arguments} did not start: {log.read_text()}")

    def probe(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://{self.addresses['admin']}{path}", timeout=DEADLINE) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def becomes(self, path: str, status: int) -> bool:
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            if self.probe(path) == status:
                return True
            time.sleep(0.1)
        return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("certificates")
    subprocess.run([ROOT / "certs-dev/generate.sh", out], check=True, capture_output=True)
    return out


def mounted(folder: Path, certificates: Path, name: str) -> Path:
    """A Secret's volume."""
    folder.mkdir()
    for source, file in ((f"{name}.crt", "tls.crt"), (f"{name}.key", "tls.key"), ("ca.crt", "ca.crt")):
        (folder / file).write_bytes((certificates / source).read_bytes())
    return folder


@pytest.fixture(scope="module")
def gateway(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    directory = tmp_path_factory.mktemp("gateway")
    tls = mounted(directory / "tls", certificates, "server")
    found = chart.objects(chart.gateway(GRANT))
    text = chart.configuration(found).replace("/tls/", f"{tls}/").replace("/var/run/secrets/s3-access-proxy/", f"{directory}/")
    (directory / "config.yaml").write_text(re.sub(r"0\.0\.0\.0:\d+", "127.0.0.1:0", text))
    [container] = chart.only(found, "DaemonSet")["spec"]["template"]["spec"]["containers"]
    arguments = [one.replace("/etc/s3-access-proxy/", f"{directory}/") for one in container["args"]]
    program = Program.start(arguments, directory / "log")
    yield program
    program.stop()


def let_in(gateway: Program, directory: Path, certificates: Path) -> Program:
    """The bridge of `helm test`."""
    pod = chart.only(chart.objects(chart.gateway("tests.clientSecretName=client")), "Pod", "test")
    [bridge] = pod["spec"]["initContainers"]
    tls = mounted(directory / "tls", certificates, "reader")
    arguments = [re.sub(r"^--to=.*", f"--to={gateway.addresses['listen']}", one) for one in bridge["args"]]
    arguments = [one.replace("=/client/", f"={tls}/").replace("0.0.0.0:9090", "127.0.0.1:0") for one in arguments]
    return Program.start([*arguments, "--listen=127.0.0.1:0", "--server-name=localhost"], directory / "log")


def test_a_gateway_without_credentials_lives_and_is_not_ready(gateway: Program) -> None:
    """There is no token where this runs: a restart would not help, and the Service should leave the pod out."""
    assert gateway.probe("/livez") == 200
    assert gateway.probe("/readyz") == 503


def test_helm_test_ends_when_the_gateway_let_the_client_in(gateway: Program, tmp_path: Path, certificates: Path) -> None:
    bridge = let_in(gateway, tmp_path, certificates)
    try:
        assert bridge.becomes("/readyz", 200)
    finally:
        bridge.stop()


def test_helm_test_does_not_end_for_a_client_of_others(gateway: Program, tmp_path: Path, certificates: Path) -> None:
    others = tmp_path / "others"
    subprocess.run([ROOT / "certs-dev/generate.sh", others], check=True, capture_output=True)
    # It trusts the gateway; the gateway does not trust it.
    (others / "ca.crt").write_bytes((certificates / "ca.crt").read_bytes())
    refused = gateway_metric(gateway)
    bridge = let_in(gateway, tmp_path, others)
    try:
        until = time.monotonic() + DEADLINE
        while gateway_metric(gateway) == refused and time.monotonic() < until:
            time.sleep(0.1)
        assert gateway_metric(gateway) > refused, "it has knocked"
        assert bridge.probe("/readyz") == 503
    finally:
        bridge.stop()


def test_the_doctor_of_helm_test_says_what_is_missing(certificates: Path, tmp_path: Path) -> None:
    """There is no token where this runs: the one thing that is bad is what the role is got with, and all else is looked at too."""
    tls = mounted(tmp_path / "tls", certificates, "server")
    found = chart.objects(chart.gateway(GRANT, "gateway.config.upstream.endpoint=https://127.0.0.1:1"))
    text = chart.configuration(found).replace("/tls/", f"{tls}/").replace("/var/run/secrets/s3-access-proxy/", f"{tmp_path}/")
    (tmp_path / "config.yaml").write_text(text)
    [doctor] = [one for one in chart.only(found, "Pod", "test")["spec"]["containers"] if one["name"] == "doctor"]
    arguments = [one.replace("/etc/s3-access-proxy/", f"{tmp_path}/") for one in doctor["args"]]
    done = subprocess.run([PROXY_BIN, *arguments, "--json"], env={}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    verdicts = {one["check"]: one["verdict"] for one in json.loads(done.stdout)["findings"]}
    assert verdicts == {
        "certificate": "good", "caller": "bad", "region": "good", "endpoint": "bad", "clock": "bad", "bucket": "warning",
    }  # fmt: skip


def gateway_metric(gateway: Program) -> float:
    """Handshakes that failed."""
    with urllib.request.urlopen(f"http://{gateway.addresses['admin']}/metrics", timeout=DEADLINE) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith("s3proxy_handshakes_total{") and 'result="ok"' not in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)
