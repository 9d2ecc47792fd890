#!/usr/bin/env python3
"""Hours in minutes: mixed load while everything that can be replaced is, and while the way to the store breaks now and then.

    target/venv/bin/python tests/soak/run.py [--seconds 600] [--seed 1]

Clients put, get, list, copy, upload in parts, delete and try what is denied, over HTTP/1.1 (boto3) and HTTP/2 (curl). Every
few seconds the server's pair, the client authorities, the revocation lists, the grants and the credentials are
replaced, at times by a file that is none. For half of the time a relay in front of the store breaks connections.

Ends with 1 if an answer was wrong, if a request failed that no fault can have hit, if a request has no line in the access
log, or if memory or open files of the proxy grew. PROXY_BIN and STORE_BIN name the programs, as for tests/clients.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from authority import Authority, replace, spiffe
from clients import Counts, OverHttp1, OverHttp2

ROOT = Path(__file__).resolve().parents[2]
PROXY_BIN = os.environ.get("PROXY_BIN", ROOT / "target/debug/proxy")
STORE_BIN = os.environ.get("STORE_BIN", ROOT / "target/debug/examples/store")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIASOAK", "AWS_SECRET_ACCESS_KEY": "soak-only-secret"}
ACCOUNTS = [f"worker-{number}" for number in range(6)]
# Faults come for so many seconds, and then for as many none.
PHASE = 10
KINDS = ("lookup", "connect", "tls", "timeout", "broken", "truncated", "refused", "late_error")
GROWTH_MIB = 16
GROWTH_FILES = 24


def until(what: str, found: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.05)
    return value


class Programs:
    """Store, relay and proxy, and the files that the proxy reads."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.authorities = folder, [Authority()]
        self.server_authority = Authority()
        self.generation, self.token = 0, 0
        (folder / "root/soak").mkdir(parents=True)
        self.server("store")
        self.server("server")
        (folder / "server-ca.crt").write_bytes(self.server_authority.pem())
        self.trust()
        self.credentials()
        store = [STORE_BIN, "--root", folder / "root", "--tls-cert", folder / "store.crt", "--tls-key", folder / "store.key"]
        self.store, store_port = self.start(store, "listening on")
        relay = [sys.executable, Path(__file__).with_name("relay.py"), store_port, str(seed)]
        self.relay, self.relay_port = self.start(relay, "", stdin=subprocess.PIPE)
        self.configure()
        self.log = folder / "access.log"
        with self.log.open("wb") as log, (folder / "proxy.log").open("wb") as errors:
            command = [PROXY_BIN, "run", "--config", folder / "proxy.yaml"]
            self.proxy = subprocess.Popen(command, stdout=log, stderr=errors, env={**os.environ, "RUST_LOG": ""})
        started = until("the proxy's addresses", self.listening)
        self.port, self.admin = int(started["listen"].rpartition(":")[2]), started["admin"]
        until("readiness", lambda: self.admin_get("/readyz") == "ok\n")

    def start(self, command: list[Any], wanted: str, **options: Any) -> tuple[subprocess.Popen[str], str]:
        environment = {**os.environ, **KEYS}
        process = subprocess.Popen([str(part) for part in command], text=True, env=environment, stdout=subprocess.PIPE, **options)
        for line in process.stdout:
            if wanted in line:
                return process, line.rpartition(":")[2].strip()
        raise SystemExit(f"{command[0]} ended: {process.wait()}")

    def listening(self) -> dict[str, Any] | None:
        if self.proxy.poll() is not None:
            raise SystemExit((self.folder / "proxy.log").read_text())
        lines = (self.folder / "proxy.log").read_text().split("\n")[:-1]
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return next((line for line in said if line.get("message") == "listening"), None)

    def admin_get(self, path: str) -> str:
        connection = http.client.HTTPConnection(self.admin, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """The sum of a metric's series; of one, where labels are given."""
        lines = self.admin_get("/metrics").splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((name + " ", name + "{")) or line.rpartition(" ")[0] == name)

    # What is replaced.

    def server(self, name: str) -> None:
        certificate, key, _ = self.server_authority.server()
        replace(self.folder / f"{name}.key", key)
        replace(self.folder / f"{name}.crt", certificate)

    def trust(self) -> None:
        replace(self.folder / "crl.pem", b"".join(authority.revocation_list() for authority in self.authorities))
        replace(self.folder / "ca.crt", b"".join(authority.pem() for authority in self.authorities))

    def credentials(self) -> None:
        self.token += 1
        lines = ["[default]", *(f"{name.lower()} = {value}" for name, value in KEYS.items()), f"aws_session_token = t{self.token}"]
        replace(self.folder / "credentials", "\n".join(lines).encode() + b"\n")

    def configure(self, broken: bool = False) -> None:
        folder = str(self.folder)
        grants = [
            {"name": account, "identities": [spiffe(account)], "buckets": ["soak"], "prefixes": [f"{account}/"], "actions": ["s3:*"]}
            for account in ACCOUNTS
        ]
        # Some that are of no use to anybody, and others each time.
        grants += [
            {"name": f"spare-{n}", "identities": [f"dns:spare-{n}.example"], "buckets": ["other"], "actions": ["s3:GetObject"]}
            for n in range(random.randrange(20))
        ]
        config = {
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "tls": {
                "certificate": f"{folder}/server.crt",
                "private_key": f"{folder}/server.key",
                "client_ca": f"{folder}/ca.crt",
                "client_crl": f"{folder}/crl.pem",
            },
            "upstream": {
                "region": "us-east-1",
                "endpoint": f"https://localhost:{self.relay_port}",
                "addressing": "path",
                "ca": f"{folder}/server-ca.crt",
            },
            "credentials": {"source": "static_file", "file": f"{folder}/credentials"},
            "grants": grants,
            "limits": {"idle_timeout": "10s", "connect_timeout": "5s", "drain_timeout": "5s", "max_connections": 256},
        }
        text = "grants: [nothing" if broken else json.dumps(config)
        replace(self.folder / "proxy.yaml", text.encode())

    def reload(self, result: str = "ok") -> None:
        """Has the files read now, rather than within five seconds, and waits until they are."""
        series = f's3proxy_reloads_total{{result="{result}"}}'
        before = self.metric(series)
        self.proxy.send_signal(signal.SIGHUP)
        until("a reload", lambda: self.metric(series) > before)

    def arm(self, on: bool) -> int:
        """Says how many faults there have been."""
        self.relay.stdin.write("on\n" if on else "off\n")
        self.relay.stdin.flush()
        return int(self.relay.stdout.readline())

    def stop(self) -> None:
        for process in (self.proxy, self.relay, self.store):
            process.terminate()
        for process in (self.proxy, self.relay, self.store):
            process.wait(60)


class Soak:
    def __init__(self, programs: Programs, seed: int):
        self.programs, self.counts = programs, Counts()
        self.over = threading.Event()
        self.workers = []
        self.write_clients()
        for number, account in enumerate(ACCOUNTS):
            kind = OverHttp2 if number % 3 == 2 else OverHttp1
            self.workers.append(kind(programs, account, self.counts, random.Random(seed * 100 + number)))
        self.threads = [threading.Thread(target=worker.run, args=(self.over,)) for worker in self.workers]
        self.threads.append(threading.Thread(target=self.abuse))
        self.rotations = 0

    def write_clients(self) -> None:
        """Pairs of the newest authority for every worker, each generation in files of its own."""
        generation = self.programs.generation + 1
        folder = self.programs.folder / f"clients-{generation}"
        folder.mkdir()
        for account in ACCOUNTS:
            certificate, key, _ = self.programs.authorities[-1].client(account)
            (folder / f"{account}.crt").write_bytes(certificate)
            (folder / f"{account}.key").write_bytes(key)
        self.programs.generation = generation

    def rotate_authorities(self) -> None:
        """A second authority is trusted, everybody goes over to it, and the first is trusted no longer."""
        programs = self.programs
        programs.authorities.append(Authority())
        programs.trust()
        programs.reload()
        self.write_clients()
        until("the workers' new certificates", lambda: all(w.generation == programs.generation for w in self.workers if not w.failed))
        old = programs.authorities.pop(0)
        programs.trust()
        programs.reload()
        self.must_be_refused(old.client(ACCOUNTS[0]), "an authority that has gone")

    def revoke(self) -> None:
        certificate, key, serial = pair = self.programs.authorities[0].client(ACCOUNTS[0])
        if not self.admitted(pair):
            self.counts.wrong("a good certificate is refused")
        self.programs.authorities[0].revoked.append(serial)
        self.programs.trust()
        self.programs.reload()
        self.must_be_refused(pair, "a certificate that is revoked")

    def must_be_refused(self, pair: tuple[bytes, bytes, int], what: str) -> None:
        if self.admitted(pair):
            self.counts.wrong(f"{what} is let in")

    def connect(self, pair: tuple[bytes, bytes, int]) -> ssl.SSLSocket:
        certificate, key = self.programs.folder / "one.crt", self.programs.folder / "one.key"
        certificate.write_bytes(pair[0])
        key.write_bytes(pair[1])
        context = ssl.create_default_context(cafile=self.programs.folder / "server-ca.crt")
        context.load_cert_chain(certificate, key)
        plain = socket.create_connection(("127.0.0.1", self.programs.port), timeout=30)
        return context.wrap_socket(plain, server_hostname="localhost")

    def admitted(self, pair: tuple[bytes, bytes, int]) -> bool:
        try:
            with self.connect(pair) as secure:
                secure.sendall(b"HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return secure.recv(12) == b"HTTP/1.1 403"
        except OSError:
            return False

    def abuse(self) -> None:
        """Requests that can be read in two ways, and connections that say nothing."""
        silent = []
        while not self.over.wait(0.5):
            silent = silent[-20:] + [socket.create_connection(("127.0.0.1", self.programs.port), timeout=30)]
            silent[-1].send(b"\x16\x03\x01")
            context = ssl.create_default_context(cafile=self.programs.folder / "server-ca.crt")
            folder = self.programs.folder / f"clients-{self.programs.generation}"
            context.load_cert_chain(folder / f"{ACCOUNTS[0]}.crt", folder / f"{ACCOUNTS[0]}.key")
            try:
                with context.wrap_socket(socket.create_connection(("127.0.0.1", self.programs.port), timeout=30), server_hostname="localhost") as secure:
                    secure.sendall(b"PUT /soak/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                    if secure.recv(12) != b"HTTP/1.1 400":
                        self.counts.wrong("a request that can be read in two ways is taken")
            except OSError:
                # Between two authorities, this certificate may be of the one that has just gone.
                pass
        for one in silent:
            one.close()

    def run(self, seconds: int) -> bool:
        for thread in self.threads:
            thread.start()
        began, samples, faults = time.monotonic(), [], 0
        armed, next_phase = False, began + PHASE
        steps = [self.rotate_authorities, self.revoke, self.plain_rotation, self.bad_configuration]
        while (now := time.monotonic()) < began + seconds:
            if now > next_phase:
                faults = self.end_phase(faults)
                armed = not armed
                self.programs.arm(armed)
                next_phase = time.monotonic() + PHASE
            steps[self.rotations % len(steps)]()
            self.rotations += 1
            samples.append((self.programs.metric("process_resident_memory_bytes") / 2**20, self.programs.metric("process_open_fds")))
            self.over.wait(1)
        faults = self.end_phase(faults)
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.judge(samples, faults, time.monotonic() - began)

    def end_phase(self, before: int) -> int:
        """How many faults there have been when the last of them has had its effect: each failure needs one."""
        self.programs.arm(False)
        self.settle()
        faults = self.programs.arm(False)
        self.counts.end_phase(faults - before)
        return faults

    def settle(self) -> None:
        """Until every worker has ended what it was at."""
        rounds = [worker.rounds for worker in self.workers]
        until("the workers", lambda: all(w.failed or w.rounds > before + 1 for w, before in zip(self.workers, rounds)))

    def plain_rotation(self) -> None:
        self.programs.server("server")
        self.programs.credentials()
        self.programs.configure()
        self.programs.reload()

    def bad_configuration(self) -> None:
        self.programs.configure(broken=True)
        self.programs.reload("error")
        if self.programs.metric("s3proxy_last_reload_successful") != 0:
            self.counts.wrong("a bad configuration is not shown")
        self.programs.configure()
        self.programs.reload()

    def judge(self, samples: list[tuple[float, float]], faults: int, seconds: float) -> bool:
        programs, counts = self.programs, self.counts
        until("the end of every request", lambda: programs.metric("s3proxy_requests_in_flight") == 0)
        served, denials = programs.metric("s3proxy_requests_total"), programs.metric("s3proxy_denials_total")
        ambiguous = programs.metric('s3proxy_bad_requests_total{cause="ambiguous"}')
        until("the access log", lambda: lines_of(programs.log) >= served)
        lines = lines_of(programs.log)
        # The start, when everything is touched for the first time, does not count.
        quarter = max(1, len(samples) // 4)
        early, late = samples[quarter : 2 * quarter] or samples[-1:], samples[-quarter:]
        memory, files = ([statistics.median(sample[i] for sample in part) for part in (early, late)] for i in (0, 1))
        print(f"{seconds:.0f} s, {counts.requests} requests of clients, {served:.0f} at the proxy, {lines} lines in the access log")
        print(f"{self.rotations} rotations: {programs.generation - 1} of authorities, {programs.token - 1} of credentials; {programs.metric('s3proxy_reloads_total'):.0f} reloads")
        print(f"{faults} faults on the way to the store, {counts.failed} requests failed by them; {denials:.0f} refusals, {ambiguous:.0f} of them of two readings")
        kinds = {kind: programs.metric(f's3proxy_upstream_errors_total{{kind="{kind}"}}') for kind in KINDS}
        print("the proxy saw: " + ", ".join(f"{count:.0f} {kind}" for kind, count in kinds.items()))
        print(f"memory {memory[0]:.1f} -> {memory[1]:.1f} MiB, open files {files[0]:.0f} -> {files[1]:.0f} (medians of the second and the last quarter)")
        problems = list(counts.problems)
        if memory[1] - memory[0] > GROWTH_MIB:
            problems.append("memory has grown")
        if files[1] - files[0] > GROWTH_FILES:
            problems.append("open files have grown")
        if lines != served:
            problems.append("the access log and the metrics differ")
        if not counts.requests or not denials or not ambiguous:
            problems.append("there was no load")
        for problem in problems[:20]:
            print("WRONG:", problem)
        print(f"{len(counts.problems)} wrong or lost")
        return not problems


def lines_of(log: Path) -> int:
    with log.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        programs = Programs(Path(name), arguments.seed)
        try:
            return 0 if Soak(programs, arguments.seed).run(arguments.seconds) else 1
        finally:
            programs.stop()


if __name__ == "__main__":
    sys.exit(main())
