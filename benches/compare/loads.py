"""The loads that are put on every program, and one run of one of them."""

import dataclasses
import json
import subprocess
import time


@dataclasses.dataclass(frozen=True)
class Load:
    """`unit` is what CPU time is divided by: a request, or a GiB of bodies."""

    name: str
    title: str
    arguments: tuple
    unit: str = "request"
    clients: int = 1
    grants: int = 10
    # What a program cannot do, by its name.
    cannot: dict = dataclasses.field(default_factory=dict)


NO_CHUNKS = {
    "upstream": "checks no signature",
    "floor": "does not sign",
    "envoy": "passes the client's chunk signatures on under a seed of its own, which S3 refuses",
}
NO_POLICY = {"upstream": "has no policy", "floor": "has no policy"}

KIB, MIB = 1024, 1024 * 1024


def moving(name, verb, size, connections, unit, **more):
    put = ("--put",) if verb == "PUT" else ()
    words = f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"
    arguments = ("--size", str(size), "--connections", str(connections), *put)
    return Load(name, f"{verb} {words}, {connections} connections", arguments, unit, **more)


LOADS = [
    moving("get-1k", "GET", KIB, 32, "request"),
    moving("put-1k", "PUT", KIB, 32, "request"),
    moving("get-64k", "GET", 64 * KIB, 16, "request"),
    moving("put-64k", "PUT", 64 * KIB, 16, "request"),
    moving("get-64m", "GET", 64 * MIB, 4, "GiB"),
    moving("put-64m", "PUT", 64 * MIB, 4, "GiB"),
    Load(
        "put-signed",
        "PUT 64 MiB in signed chunks, 4 connections",
        ("--size", str(64 * MIB), "--connections", "4", "--put", "--signed-chunks"),
        "GiB",
        cannot=NO_CHUNKS,
    ),
    Load("new", "new connection and GET 1 KiB, 8 at a time", ("--connections", "8", "--new-connections")),
    Load(
        "resumed",
        "resumed connection and GET 1 KiB, 8 at a time",
        ("--connections", "8", "--new-connections", "--resume"),
    ),
    Load(
        "identities",
        "GET 1 KiB, 64 identities with 200 grants each",
        ("--connections", "64", "--clients", "64", "--prefixes", "200"),
        clients=64,
        grants=200,
        cannot=NO_POLICY,
    ),
]

IDLE_CONNECTIONS = 1000


def run(workshop, load, program, seconds, warm_up):
    """What the load tool reports, with CPU time divided by the load's unit."""
    command = [workshop.tools, "load", "--to", program.address, "--folder", workshop.folder, "--pid", str(program.pid)]
    command += ["--seconds", str(seconds), "--warm-up", str(warm_up), *load.arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    report = json.loads(done.stdout)
    amount = report["requests"] if load.unit == "request" else report["bytes"] / 2**30
    rate = amount if load.unit == "request" else report["bytes"] / MIB
    if not amount:
        return {"failed": "nothing was answered"}
    return {
        "rate": rate / report["seconds"],
        # Microseconds for a request, seconds for a GiB.
        "cpu": report["cpu"] / amount * (1e6 if load.unit == "request" else 1),
        "times": [report["p50"], report["p99"], report["p99.9"]],
    }


def idle_memory(workshop, program, connections, settle):
    """MiB before, and with so many connections that each have had one answer and rest."""
    before = program.memory_mib()
    command = [workshop.tools, "load", "--to", program.address, "--folder", workshop.folder, "--rest"]
    command += ["--connections", str(connections)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline().strip() != "resting":
            return None
        time.sleep(settle)
        return before, program.memory_mib()
    finally:
        process.stdin.close()
        process.wait()
