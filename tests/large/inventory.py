#!/usr/bin/env python3
"""Rows a second, by the clock and of one processor's time, and peak memory of `proxy audit inventory` on a large report, in each format.

    inventory.py --proxy target/release/proxy --rows 10000000 --work DIR

Reports are made once and kept in DIR (some 1.5 GB each for ten million rows); pyarrow writes Parquet and ORC."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import resource
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.orc
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "audit"))

from reports import ARROW, BUCKET, CREATED, FIELDS, OWNER, Report, entry, write_manifest  # noqa: E402

FILES = 8
BATCH = 250_000


def batch(start: int, rows: int) -> pa.Table:
    """Rows as a busy bucket has them, from their number alone."""
    number = pa.array(range(start, start + rows), pa.int64())
    pick = lambda *values: pa.array(values).take(pc.cast(remainder(number, len(values)), pa.int64()))  # noqa: E731
    text = pc.cast(number, pa.string())
    modified = pc.cast(
        pc.subtract(int(CREATED.timestamp() * 1000), pc.multiply(remainder(number, 1500), 86_400_000)), ARROW["time"]
    )
    until = pc.cast(pc.add(pc.cast(modified, pa.int64()), 30 * 86_400_000), ARROW["time"])
    digests = pa.array([hashlib.md5(str(n).encode()).hexdigest() for n in range(start, start + rows)])
    folder = pick(*(f"tenant-{n:03}/2026/11/" for n in range(97)))
    constant = lambda value: pa.array([value]).take(pa.array([0] * rows))  # noqa: E731
    columns = {
        "bucket": constant(BUCKET),
        "key": pc.binary_join_element_wise(folder, "part-", text, ".snappy.parquet", ""),
        "version_id": digests,
        "is_latest": pc.not_equal(remainder(number, 7), 0),
        "is_delete_marker": pc.equal(remainder(number, 1001), 0),
        "size": pc.multiply(remainder(number, 4099), 4096),
        "last_modified_date": modified,
        "e_tag": digests,
        "storage_class": pick("STANDARD", "STANDARD_IA", "STANDARD", "GLACIER", "STANDARD"),
        "is_multipart_uploaded": pc.equal(remainder(number, 3), 0),
        "replication_status": pick(*["COMPLETED"] * 10, "PENDING", *["COMPLETED"] * 5, "FAILED"),
        "encryption_status": pick(*["SSE-KMS"] * 20, "SSE-S3", *["SSE-KMS"] * 20, "NOT-SSE"),
        "object_lock_retain_until_date": until,
        "object_lock_mode": constant("COMPLIANCE"),
        "object_lock_legal_hold_status": constant("OFF"),
        "intelligent_tiering_access_tier": pa.nulls(rows, pa.string()),
        "bucket_key_status": constant("ENABLED"),
        "checksum_algorithm": constant("CRC64NVME"),
        "object_access_control_list": pa.nulls(rows, pa.string()),
        "object_owner": constant(OWNER),
    }
    return pa.table(columns)


def remainder(number: pa.Array, by: int) -> pa.Array:
    return pc.subtract(number, pc.multiply(pc.divide(number, by), by))


def csv_text(table: pa.Table) -> bytes:
    """Every value quoted, times as S3 writes them; these keys have nothing to encode."""
    text = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
        text[name] = pc.fill_null(pc.cast(column, pa.string()), "")
    sink = pa.BufferOutputStream()
    options = pa.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pa.csv.write_csv(pa.table(text), sink, options)
    return sink.getvalue().to_pybytes()


def make(format: str, rows: int, root: Path) -> Path:
    done = root / "manifest"
    if done.exists():
        return Path(done.read_text())
    data = root / "inventory" / BUCKET / "all" / "data"
    data.mkdir(parents=True, exist_ok=True)
    report, listed, start = Report(format, []), [], 0
    for at in range(FILES):
        last = rows * (at + 1) // FILES
        path = data / f"{at}.{format.lower()}"
        tables = (batch(n, min(BATCH, last - n)) for n in range(start, last, BATCH))
        if format == "CSV":
            with gzip.open(path, "wb", compresslevel=6) as file:
                for table in tables:
                    file.write(csv_text(table))
        elif format == "Parquet":
            schema = pa.schema([(column, ARROW[kind]) for _, column, kind in FIELDS])
            with pa.parquet.ParquetWriter(path, schema, compression="gzip") as writer:
                for table in tables:
                    writer.write_table(table.cast(schema))
        else:
            with pa.orc.ORCWriter(path, compression="zlib") as writer:
                for table in tables:
                    writer.write(table)
        listed.append(entry(root, path))
        start = last
    folder = data.parent / f"{CREATED:%Y-%m-%dT%H-%MZ}"
    manifest = write_manifest(folder, report.manifest(listed))
    done.write_text(str(manifest))
    return manifest


def processor() -> float:
    """Seconds of processors that processes of ours have had."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(proxy: Path, *arguments) -> tuple[float, float, float]:
    """Seconds, those of processors, and peak memory in MiB: by looking again and again, for what wait4 says begins with this process's own."""
    started, before, peak = time.monotonic(), processor(), 0
    with subprocess.Popen([proxy, "audit", "inventory", *arguments], stdout=subprocess.DEVNULL) as program:
        while program.poll() is None:
            status = Path(f"/proc/{program.pid}/status").read_text()
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
            time.sleep(0.02)
    assert program.returncode in (0, 1), program.returncode
    return time.monotonic() - started, processor() - before, peak / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proxy", type=Path, default="target/release/proxy")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--formats", nargs="*", default=["CSV", "Parquet", "ORC"])
    arguments = parser.parse_args()
    heads = ("format", "bytes", *["rows/s", "rows/s of a processor", "peak memory"] * 2)
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for format in arguments.formats:
        root = arguments.work / f"{format}-{arguments.rows}"
        root.mkdir(parents=True, exist_ok=True)
        manifest = make(format, arguments.rows, root)
        size = sum(path.stat().st_size for path in root.rglob(f"*.{format.lower()}"))
        cells = [format, f"{size / 2**20:,.0f} MiB"]
        # Alone, then compared with itself: twice the rows.
        for rows, more in ((arguments.rows, []), (2 * arguments.rows, ["--earlier", manifest])):
            seconds, of_processors, peak = measure(arguments.proxy, manifest, *more)
            cells += [f"{rows / seconds:,.0f}", f"{rows / of_processors:,.0f}", f"{peak:.0f} MiB"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
