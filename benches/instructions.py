#!/usr/bin/env python3
"""Instructions that the proxy spends on a request, counted by callgrind: a number that a busy machine does not change.

    target/venv/bin/python benches/instructions.py            compares with the committed numbers
    target/venv/bin/python benches/instructions.py --write    commits to those of now

Wants a release build: cargo build --release --locked --no-default-features --bin proxy; the store is the debug one
(examples/store), since only the proxy is counted. Everything that the proxy does is in it, TLS of both sides too; what the
kernel does for it is not. Each load runs twice, a few times and many times, and the difference is what one more costs.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
os.environ.setdefault("PROXY_BIN", str(TARGET / "release/proxy"))
os.environ.setdefault("STORE_BIN", str(TARGET / "debug/examples/store"))
sys.path.insert(0, str(REPOSITORY / "tests/clients"))

import stack  # noqa: E402  (needs the path and the variables above)

COMMITTED = REPOSITORY / "benches/instructions.json"
# What a compiler, a library or a seed moves it by without anybody's doing is a few per cent.
BOUND = 1.25
# Of the processor on which they were counted: cryptography takes other ways without.
FEATURES = {"adx", "aes", "avx2", "bmi2", "pclmulqdq"}
FEW = 50
# A proxy that runs fifty times slower takes long to begin, and longer beside others.
stack.DEADLINE_SECONDS = 120

Load = Callable[["Client"], None]


class Client:
    """One client of the proxy, with a certificate, one connection at a time."""

    def __init__(self, address: tuple[str, int], certificates: stack.Certificates):
        self.address = address
        self.context = ssl.create_default_context(cafile=certificates["ca.crt"])
        self.context.load_cert_chain(*certificates.pair("writer"))
        self.connection = self.connect()

    def connect(self) -> http.client.HTTPSConnection:
        host, port = self.address
        return http.client.HTTPSConnection(host, port, context=self.context, timeout=stack.DEADLINE_SECONDS)

    def ask(self, method: str, target: str, body: bytes | None = None) -> None:
        headers = {"Host": "s3.internal", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
        self.connection.request(method, target, body, headers)
        answer = self.connection.getresponse()
        said = answer.read()
        assert answer.status == 200, said

    def again(self) -> None:
        self.connection.close()
        self.connection = self.connect()


def new_connection(client: Client) -> None:
    client.again()
    client.ask("GET", "/counted/granted/small")


LOADS: dict[str, tuple[int, Load]] = {
    "GET 1 KiB": (1000, lambda client: client.ask("GET", "/counted/granted/small")),
    "PUT 1 KiB": (1000, lambda client: client.ask("PUT", "/counted/granted/written", bytes(1024))),
    "GET 1 MiB": (100, lambda client: client.ask("GET", "/counted/granted/large")),
    "PUT 1 MiB": (100, lambda client: client.ask("PUT", "/counted/granted/written", bytes(1024 * 1024))),
    "new connection and GET 1 KiB": (100, new_connection),
}


class Counted(stack.Proxy):
    """The proxy under callgrind."""

    def __init__(self, directory: Path, certificates: stack.Certificates, store: stack.S3sStore):
        self.counts = directory / "counts"
        super().__init__(directory, certificates, store, environment={"COUNTS": str(self.counts)})

    def total(self) -> int:
        self.stop()
        found = re.search(r"^(?:summary|totals): (\d+)", self.counts.read_text(encoding="utf-8"), re.MULTILINE)
        assert found, "callgrind has counted nothing"
        return int(found[1])


def counting(folder: Path) -> Path:
    """What runs the proxy under callgrind in its stead, and leaves the counts where $COUNTS says."""
    script = folder / "counted"
    command = f"valgrind -q --tool=callgrind --callgrind-out-file=\"$COUNTS\" '{os.environ['PROXY_BIN']}' \"$@\""
    script.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    script.chmod(0o755)
    return script


def run(directory: Path, certificates: stack.Certificates, store: stack.S3sStore, more: str | None) -> int:
    proxy = Counted(directory, certificates, store)
    try:
        client = Client(proxy.address, certificates)
        for name, (many, load) in LOADS.items():
            for _ in range(FEW + (many if name == more else 0)):
                load(client)
        client.connection.close()
        return proxy.total()
    finally:
        if proxy.program.process.poll() is None:
            proxy.program.process.send_signal(signal.SIGKILL)
            proxy.program.process.wait()


def count(directory: Path) -> dict[str, int]:
    stack.PROXY_BIN = counting(directory)
    certificates = stack.Certificates.make(directory / "certificates")
    store = stack.S3sStore(directory, certificates)
    try:
        bucket = store.root / "counted" / "granted"
        bucket.mkdir(parents=True)
        (bucket / "small").write_bytes(bytes(1024))
        (bucket / "large").write_bytes(bytes(1024 * 1024))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            runs = {
                more: pool.submit(run, directory / f"run-{number}", certificates, store, more)
                for number, more in enumerate([None, *LOADS])
            }
            totals = {more: result.result() for more, result in runs.items()}
    finally:
        store.program.stop()
    return {name: (totals[name] - totals[None]) // many for name, (many, _) in LOADS.items()}


def report(now: dict[str, int], committed: dict[str, int]) -> bool:
    """Prints both; whether each is within its bound."""
    print(f"{'instructions of the proxy for':32}{'committed':>14}{'now':>14}")
    good = True
    for name, number in now.items():
        before = committed.get(name)
        change = "new" if before is None else f"{100 * (number - before) / before:+.1f} %"
        print(f"{name:32}{before or 0:14,}{number:14,}  {change}")
        good = good and before is not None and number <= BOUND * before
    return good


def has_features() -> bool:
    flags = re.search(r"^flags\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return bool(flags) and FEATURES <= set(flags[1].split())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="commit to the numbers of now")
    arguments = parser.parse_args()
    if subprocess.run(["valgrind", "--version"], capture_output=True, check=False).returncode != 0:
        print("valgrind is missing; install it with: apt-get install valgrind", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        now = count(Path(folder))
    committed = json.loads(COMMITTED.read_text(encoding="utf-8")) if COMMITTED.exists() else {}
    good = report(now, committed)
    if arguments.write:
        COMMITTED.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
        return 0
    if not good and not has_features():
        print(f"only reported: the committed numbers are of a processor with {', '.join(sorted(FEATURES))}")
        return 0
    if not good:
        print(f"more than {BOUND:g} times what is committed in {COMMITTED.relative_to(REPOSITORY)}; if it is worth it, --write")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
