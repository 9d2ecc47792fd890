"""Reports of S3 Inventory as S3 delivers them, written by independent writers: pyarrow for Parquet and ORC, Python's own
csv and gzip for CSV, with keys URL-encoded as forms are (AWS documentation, "Amazon S3 Inventory list")."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet

# In the order in which S3 writes them: name in CSV, name in columns, kind.
FIELDS = [
    ("Bucket", "bucket", "text"),
    ("Key", "key", "text"),
    ("VersionId", "version_id", "text"),
    ("IsLatest", "is_latest", "flag"),
    ("IsDeleteMarker", "is_delete_marker", "flag"),
    ("Size", "size", "number"),
    ("LastModifiedDate", "last_modified_date", "time"),
    ("ETag", "e_tag", "text"),
    ("StorageClass", "storage_class", "text"),
    ("IsMultipartUploaded", "is_multipart_uploaded", "flag"),
    ("ReplicationStatus", "replication_status", "text"),
    ("EncryptionStatus", "encryption_status", "text"),
    ("ObjectLockRetainUntilDate", "object_lock_retain_until_date", "time"),
    ("ObjectLockMode", "object_lock_mode", "text"),
    ("ObjectLockLegalHoldStatus", "object_lock_legal_hold_status", "text"),
    ("IntelligentTieringAccessTier", "intelligent_tiering_access_tier", "text"),
    ("BucketKeyStatus", "bucket_key_status", "text"),
    ("ChecksumAlgorithm", "checksum_algorithm", "text"),
    ("ObjectAccessControlList", "object_access_control_list", "text"),
    ("ObjectOwner", "object_owner", "text"),
]
CREATED = datetime(2026, 11, 22, 1, 0, tzinfo=timezone.utc)
BUCKET = "reports-prod"
OWNER = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"

ARROW = {"text": pa.string(), "flag": pa.bool_(), "number": pa.int64(), "time": pa.timestamp("ms", tz="UTC")}
ORC = {"text": "string", "flag": "boolean", "number": "bigint", "time": "timestamp"}
PARQUET = {
    "text": "binary {} (STRING)",
    "flag": "boolean {}",
    "number": "int64 {}",
    "time": "int64 {} (TIMESTAMP(MILLIS,true))",
}


def ago(**days: float) -> datetime:
    """So long before the report was begun."""
    return CREATED - timedelta(**days)


def row(key: str, **values) -> dict:
    """A current object without anything wrong about it; `values` are by the names in columns."""
    modified = values.get("last_modified_date", ago(days=5))
    found = {
        "bucket": BUCKET,
        "key": key,
        "version_id": "v1",
        "is_latest": True,
        "is_delete_marker": False,
        "size": 1024 * 1024,
        "last_modified_date": modified,
        "e_tag": "d41d8cd98f00b204e9800998ecf8427e",
        "storage_class": "STANDARD",
        "is_multipart_uploaded": False,
        "replication_status": "COMPLETED",
        "encryption_status": "SSE-KMS",
        "object_lock_retain_until_date": modified + timedelta(days=30),
        "object_lock_mode": "COMPLIANCE",
        "object_lock_legal_hold_status": "OFF",
        "intelligent_tiering_access_tier": None,
        "bucket_key_status": "ENABLED",
        "checksum_algorithm": "CRC64NVME",
        "object_access_control_list": None,
        "object_owner": OWNER,
    }
    unknown = values.keys() - found.keys()
    assert not unknown, unknown
    return found | values


@dataclass
class Report:
    """A report, to be written below a folder that stands for the destination bucket."""

    format: str
    # One list of rows a data file.
    files: list[list[dict]]
    # Names in columns.
    fields: list[str] = field(default_factory=lambda: [column for _, column, _ in FIELDS])
    created: datetime = CREATED
    bucket: str = BUCKET

    def write(self, root: Path) -> Path:
        """Writes data, manifest and checksum; returns the manifest."""
        inventory = root / "inventory" / self.bucket / "all"
        (inventory / "data").mkdir(parents=True, exist_ok=True)
        listed = []
        for at, rows in enumerate(self.files):
            suffix = {"CSV": "csv.gz", "Parquet": "parquet", "ORC": "orc"}[self.format]
            path = inventory / "data" / f"{self.created:%Y%m%d%H%M}-{at}.{suffix}"
            path.write_bytes(encode(self.format, rows, self.fields))
            listed.append(entry(root, path))
        folder = inventory / f"{self.created:%Y-%m-%dT%H-%MZ}"
        return write_manifest(folder, self.manifest(listed))

    def manifest(self, listed: list[dict]) -> dict:
        return {
            "sourceBucket": self.bucket,
            "destinationBucket": "arn:aws:s3:::logs",
            "version": "2016-11-30",
            "creationTimestamp": str(int(self.created.timestamp() * 1000)),
            "fileFormat": self.format,
            "fileSchema": schema(self.format, self.fields),
            "files": listed,
        }


def entry(root: Path, path: Path) -> dict:
    """What a manifest says of a data file."""
    data = path.read_bytes()
    return {
        "key": str(path.relative_to(root)),
        "size": len(data),
        "MD5checksum": hashlib.md5(data).hexdigest(),
    }


def write_manifest(folder: Path, manifest: dict) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(manifest, indent=2).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.checksum").write_text(hashlib.md5(text).hexdigest())
    return folder / "manifest.json"


def schema(format: str, fields: list[str]) -> str:
    chosen = [(name, column, kind) for name, column, kind in FIELDS if column in fields]
    if format == "CSV":
        return ", ".join(name for name, _, _ in chosen)
    if format == "ORC":
        return "struct<" + ",".join(f"{column}:{ORC[kind]}" for _, column, kind in chosen) + ">"
    required = {"bucket", "key"}
    columns = (
        f"{'required' if column in required else 'optional'} {PARQUET[kind].format(column)};"
        for _, column, kind in chosen
    )
    return "message s3.inventory {  " + "  ".join(columns) + "}"


def encode(format: str, rows: list[dict], fields: list[str]) -> bytes:
    chosen = [(column, kind) for _, column, kind in FIELDS if column in fields]
    if format == "CSV":
        text = io.StringIO(newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([csv_value(row[column], column) for column, _ in chosen] for row in rows)
        return gzip.compress(text.getvalue().encode())
    table = pa.table(
        {column: pa.array([row[column] for row in rows], ARROW[kind]) for column, kind in chosen}
    )
    buffer = io.BytesIO()
    if format == "Parquet":
        pa.parquet.write_table(table, buffer, compression="gzip")
    else:
        pa.orc.write_table(table, buffer, compression="zlib")
    return buffer.getvalue()


def csv_value(value, column: str) -> str:
    if value is None:
        return ""
    if column == "key":
        return urllib.parse.quote_plus(value, safe="/")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"
    return str(value)
