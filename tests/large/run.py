#!/usr/bin/env python3
"""Large objects in constant memory: several 5 GiB uploads and downloads at once, with the proxy's memory watched.

    cargo build --release --bin proxy --example store
    tests/large/run.py [--gib 5] [--at-once 3]

Needs only Python's standard library, openssl (for development certificates) and disk space for the objects. Each
upload uses another payload mode: plain with Content-Length, aws-chunked of unknown length as boto3 sends it, and
aws-chunked with signed chunks. Ends with 1 if the proxy's resident memory grew by 32 MiB or more, or if an object
that is stored differs from what was sent.
"""

import argparse
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import zlib
import base64

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = bytes(range(256)) * 4096  # 1 MiB that no shift maps onto itself
LIMIT_MIB = 32
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDLARGE", "AWS_SECRET_ACCESS_KEY": "large-objects-only"}


def start(command, wanted, stream, **options):
    """Starts a program and waits for the line that says where it listens."""
    process = subprocess.Popen(command, text=True, env={**os.environ, **KEYS}, **{stream: subprocess.PIPE}, **options)
    for line in getattr(process, stream):
        if wanted in line:
            return process, line
    raise SystemExit(f"{command[0]} ended: {process.wait()}")


def memory_mib(pid, field):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {field} for {pid}")


def plain(blocks):
    for _ in range(blocks):
        yield BLOCK


def unsigned_chunks(blocks):
    crc = 0
    for _ in range(blocks):
        crc = zlib.crc32(BLOCK, crc)
        yield b"%x\r\n" % len(BLOCK) + BLOCK + b"\r\n"
    trailer = base64.b64encode(crc.to_bytes(4, "big"))
    yield b"0\r\nx-amz-checksum-crc32:" + trailer + b"\r\n\r\n"


def signed_chunks(blocks):
    # The client's signatures are worth nothing to the proxy, which makes its own.
    for _ in range(blocks):
        for at in range(0, len(BLOCK), 65536):
            yield b"10000;chunk-signature=" + b"0" * 64 + b"\r\n" + BLOCK[at : at + 65536] + b"\r\n"
    yield b"0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n"


def signed_length(blocks):
    return blocks * 16 * (5 + 17 + 64 + 2 + 65536 + 2) + 1 + 17 + 64 + 2 + 2


MODES = {
    "plain": (plain, lambda blocks: {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "content-length": str(blocks << 20)}),
    "unknown-length": (
        unsigned_chunks,
        lambda blocks: {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": str(blocks << 20),
            "x-amz-trailer": "x-amz-checksum-crc32",
            "content-encoding": "aws-chunked",
            "transfer-encoding": "chunked",
        },
    ),
    "signed-chunks": (
        signed_chunks,
        lambda blocks: {
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "x-amz-decoded-content-length": str(blocks << 20),
            "content-encoding": "aws-chunked",
            "content-length": str(signed_length(blocks)),
        },
    ),
}


def transfer(context, port, mode, key, blocks, results):
    """Puts an object and gets it back, comparing every byte by hash."""
    body, headers = MODES[mode]
    try:
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=300)
        began = time.monotonic()
        chunked = "transfer-encoding" in headers(blocks)
        connection.request("PUT", f"/large/{key}", body(blocks), headers(blocks), encode_chunked=chunked)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"PUT: {answer.status} {text[:300]}")
        put = time.monotonic() - began
        began = time.monotonic()
        connection.request("GET", f"/large/{key}")
        answer = connection.getresponse()
        digest, size = hashlib.sha256(), 0
        while piece := answer.read(1 << 20):
            digest.update(piece)
            size += len(piece)
        expected = hashlib.sha256()
        for block in plain(blocks):
            expected.update(block)
        if size != blocks << 20 or digest.digest() != expected.digest():
            raise RuntimeError(f"GET: {size} bytes differ from what was sent")
        gib = blocks / 1024
        results[key] = f"{mode}: PUT {gib / put:.2f} GiB/s, GET {gib / (time.monotonic() - began):.2f} GiB/s"
    except Exception as error:  # a thread's failure has to reach the summary
        results[key] = f"{mode}: FAILED: {error!r}"


def configuration(certs, store_port):
    return json.dumps({
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "tls": {"certificate": f"{certs}/server.crt", "private_key": f"{certs}/server.key", "client_ca": f"{certs}/ca.crt"},
        "upstream": {"region": "us-east-1", "endpoint": f"https://localhost:{store_port}", "ca": f"{certs}/ca.crt"},
        "credentials": {"source": "environment"},
        "grants": [{
            "name": "writer",
            "identities": ["spiffe://cluster.local/ns/app/sa/writer"],
            "buckets": ["large"],
            "actions": ["s3:*"],
        }],
    })


def run(folder, arguments):
    certs = folder / "certs"
    subprocess.run([ROOT / "certs-dev/generate.sh", certs], check=True, stdout=subprocess.DEVNULL)
    (folder / "store/large").mkdir(parents=True)
    release = ROOT / "target/release"
    store, line = start(
        [release / "examples/store", "--root", folder / "store", "--tls-cert", certs / "server.crt", "--tls-key", certs / "server.key"],
        "listening on",
        "stdout",
    )
    try:
        config = folder / "config.yaml"
        config.write_text(configuration(certs, line.strip().rsplit(":", 1)[1]))
        proxy, line = start([release / "proxy", "run", "--config", config], '"listening"', "stderr", stdout=subprocess.DEVNULL)
        try:
            return measure(certs, json.loads(line), proxy, arguments)
        finally:
            proxy.terminate()
            proxy.wait()
    finally:
        store.terminate()
        store.wait()


def measure(certs, listening, proxy, arguments):
    context = ssl.create_default_context(cafile=certs / "ca.crt")
    context.load_cert_chain(certs / "writer.crt", certs / "writer.key")
    port = int(listening["listen"].rsplit(":", 1)[1])
    results = {}
    for mode in MODES:  # small ones first: what every process needs once is no growth
        transfer(context, port, mode, f"warm-{mode}", 1, results)
    if any("FAILED" in result for result in results.values()):
        print(results)
        return 1
    results.clear()
    before = memory_mib(proxy.pid, "VmRSS")
    modes = list(MODES)
    threads = [
        threading.Thread(
            target=transfer,
            args=(context, port, modes[i % len(modes)], f"object-{i}", int(arguments.gib * 1024), results),
        )
        for i in range(arguments.at_once)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peak = memory_mib(proxy.pid, "VmHWM")
    for result in sorted(results.values()):
        print(result)
    print(f"resident memory: {before:.1f} MiB before, {peak:.1f} MiB at the peak, grown by {peak - before:.1f} MiB")
    failed = any("FAILED" in result for result in results.values()) or peak - before >= LIMIT_MIB
    print("FAILED" if failed else "passed")
    return int(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=5.0, help="size of each object")
    parser.add_argument("--at-once", type=int, default=3, help="transfers at a time")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="large-", dir=ROOT / "target"))
    try:
        return run(folder, arguments)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
