"""Damaged reports: each gets an error that names the file, and the row where there is one, and nothing else is said."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import random

import pyarrow as pa
import pyarrow.parquet
import pytest

from reports import Report, entry, row, write_manifest

FORMATS = ["CSV", "Parquet", "ORC"]
FIELDS = ["bucket", "key", "size", "last_modified_date", "encryption_status"]


@pytest.fixture
def refused(audit, tmp_path):
    """Exit code 2, nothing on standard output, one line of error that has all these parts."""

    def check(manifest, *parts):
        page = tmp_path / "page.html"
        ran = audit("inventory", manifest, "--html", page)
        assert (ran.code, ran.out) == (2, "") and not page.exists()
        assert len(ran.err.splitlines()) == 1 and ran.err.startswith("error: ")
        for part in parts:
            assert str(part) in ran.err, ran.err

    return check


def report(format: str = "CSV", fields=FIELDS) -> Report:
    return Report(format, [[row(f"a/{i}") for i in range(50)], [row(f"b/{i}") for i in range(50)]], fields)


def data(manifest, at: int = 1):
    return sorted((manifest.parent.parent / "data").iterdir())[at]


def edit(manifest, **values) -> None:
    """Changes the manifest, with the right checksum."""
    write_manifest(manifest.parent, json.loads(manifest.read_text()) | values)


def replace(manifest, path, content: bytes) -> None:
    """Other data under the right digest: damage that was there when S3 wrote the manifest."""
    path.write_bytes(content)
    root = manifest.parents[4]
    listed = json.loads(manifest.read_text())["files"]
    fresh = entry(root, path)
    edit(manifest, files=[fresh if file["key"] == fresh["key"] else file for file in listed])


def test_manifest_checksum(refused, tmp_path):
    manifest = report().write(tmp_path)
    text = manifest.read_text()
    manifest.write_text(text.replace("2016", "2017"))
    refused(manifest, manifest, "its MD5 is ", "manifest.checksum says '")
    manifest.write_text(text)
    (manifest.parent / "manifest.checksum").unlink()
    refused(manifest, "manifest.checksum: cannot be read")


@pytest.mark.parametrize(
    "values, why",
    [
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"version": "2030-01-01"}, "version '2030-01-01' is not known"),
        ({"fileFormat": "Avro"}, "unknown variant `Avro`"),
        ({"fileSchema": "Bucket, Key, Mood"}, "fileSchema: the field 'Mood' is not known"),
        ({"fileSchema": "Bucket, Size"}, "fileSchema: the field Key is missing"),
        ({"fileSchema": "Bucket, Key, Key"}, "fileSchema: the field Key occurs twice"),
        ({"creationTimestamp": "today"}, "creationTimestamp is no number"),
        ({"files": []}, "files: the list is empty"),
        ({"sourceBucket": "No_Bucket"}, "sourceBucket 'No_Bucket'"),
    ],
)
def test_manifest_that_says_something_else(refused, tmp_path, values, why):
    manifest = report().write(tmp_path)
    edit(manifest, **values)
    refused(manifest, manifest, why)


def test_manifest_that_is_no_json(refused, tmp_path):
    folder = tmp_path / "x"
    manifest = write_manifest(folder, {})
    text = b'{"sourceBucket": '
    manifest.write_bytes(text)
    (folder / "manifest.checksum").write_text(hashlib.md5(text).hexdigest())
    refused(manifest, manifest, "EOF while parsing")


@pytest.mark.parametrize("format", FORMATS)
def test_data_file(refused, tmp_path, format):
    manifest = report(format).write(tmp_path)
    path, whole = data(manifest), data(manifest).read_bytes()
    path.write_bytes(whole[:-1])
    refused(manifest, path, f"it has {len(whole) - 1} bytes, and the manifest says {len(whole)}")
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    refused(manifest, path, "its MD5 is ")
    path.unlink()
    refused(manifest, path.name, "is neither beside it nor below any folder above it")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.95])
def test_data_that_was_damaged_before_it_was_listed(refused, tmp_path, format, part):
    manifest = report(format).write(tmp_path)
    path, whole = data(manifest), data(manifest).read_bytes()
    replace(manifest, path, whole[: int(len(whole) * part)])
    refused(manifest, path.name if part else "error: ")


def csv_rows(*rows: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return gzip.compress(text.getvalue().encode())


GOOD = ["reports-prod", "k", "1", "2026-11-20T00:00:00.000Z", "SSE-S3"]


@pytest.mark.parametrize(
    "change, why",
    [
        ({0: "another"}, "the bucket is 'another', and the manifest's sourceBucket 'reports-prod'"),
        ({1: "a%2"}, "the key is not URL-encoded"),
        ({1: "a%ff"}, "the decoded key is not UTF-8"),
        ({1: ""}, "the key is empty"),
        ({2: "-1"}, "Size is no number of bytes"),
        ({3: "20.11.2026"}, "LastModifiedDate '20.11.2026' is no time"),
        ({4: "ROT13"}, "EncryptionStatus 'ROT13' is not known"),
        ({5: "one more"}, "it has 6 values, and the manifest names 5"),
    ],
)
def test_csv_rows(refused, tmp_path, change, why):
    manifest = report().write(tmp_path)
    bad = [change.get(at, value) for at, value in enumerate([*GOOD, None])]
    bad = [value for value in bad if value is not None]
    replace(manifest, data(manifest), csv_rows(GOOD, GOOD, bad, GOOD))
    refused(manifest, f"{data(manifest)}, row 3: {why}")


@pytest.mark.parametrize("format", ["Parquet", "ORC"])
def test_columns_that_the_manifest_does_not_say(refused, tmp_path, format):
    manifest = report(format).write(tmp_path)
    extra = report(format, [*FIELDS, "object_owner"]).write(tmp_path / "extra")
    replace(manifest, data(manifest), data(extra).read_bytes())
    refused(manifest, data(manifest), "the column 'object_owner' is not in the manifest's fileSchema")
    less = report(format, FIELDS[:-1]).write(tmp_path / "less")
    replace(manifest, data(manifest), data(less).read_bytes())
    refused(manifest, data(manifest), "the column 'encryption_status' of the manifest's fileSchema is missing")


def test_columns_of_another_type(refused, tmp_path):
    manifest = report("Parquet", ["bucket", "key", "size"]).write(tmp_path)
    buffer = io.BytesIO()
    table = pa.table({"bucket": ["reports-prod"], "key": ["a"], "size": ["large"]})
    pa.parquet.write_table(table, buffer)
    replace(manifest, data(manifest), buffer.getvalue())
    refused(manifest, data(manifest), "the column 'size' has the type Utf8")


@pytest.mark.parametrize("format", ["Parquet", "ORC"])
def test_rows_of_columns(refused, tmp_path, format):
    rows = [row("a"), row("b", encryption_status="ROT13")]
    manifest = Report(format, [[row("c")], rows], FIELDS).write(tmp_path)
    refused(manifest, f"{data(manifest)}, row 2: EncryptionStatus 'ROT13' is not known")


def test_a_row_without_an_end_is_not_taken_into_memory(refused, tmp_path):
    manifest = report().write(tmp_path)
    endless = csv_rows(GOOD) + gzip.compress(b'"reports-prod","' + b"a" * (64 << 20), 1)
    replace(manifest, data(manifest), endless)
    refused(manifest, f"{data(manifest)}, row 2: the row has no end")


@pytest.mark.parametrize("key", ["/etc/hostname", "../{}", "a/../../{}", "", "."])
def test_data_files_lie_below_the_report(refused, tmp_path, key):
    manifest = report().write(tmp_path)
    listed = json.loads(manifest.read_text())["files"]
    edit(manifest, files=[{**listed[0], "key": key.format(listed[0]["key"])}])
    refused(manifest, manifest, "is not below the report" if key else "'' is")


@pytest.mark.parametrize("format", FORMATS)
def test_whatever_is_damaged_is_told_in_one_line(audit, tmp_path, format):
    """Bytes changed here and there, most of them in the footer, under the right digest. A change that does not show (padding, a
    digest of the writer's own) may pass; nothing may crash, hang, or be told in part."""
    manifest = report(format).write(tmp_path)
    path, whole, chance = data(manifest), data(manifest).read_bytes(), random.Random(10)
    codes = set()
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            at = chance.randrange(len(damaged)) if chance.random() < 0.4 else -1 - chance.randrange(min(400, len(damaged)))
            damaged[at] = chance.choice([0, 127, 255, damaged[at] ^ 1 << chance.randrange(8)])
        replace(manifest, path, bytes(damaged))
        ran = audit("inventory", manifest)
        codes.add(ran.code)
        if ran.code == 2:
            assert ran.out == "" and len(ran.err.splitlines()) == 1 and path.name in ran.err, ran.err
        else:
            assert ran.code in (0, 1) and ran.err == "", ran
    assert 2 in codes


def test_nothing_there(audit, tmp_path):
    ran = audit("inventory", tmp_path)
    assert (ran.code, ran.out) == (2, "") and "holds no manifest.json" in ran.err
    ran = audit("inventory", tmp_path / "absent" / "manifest.json")
    assert ran.code == 2 and "No such file" in ran.err


def test_usage(audit, tmp_path):
    manifest = report().write(tmp_path)
    assert audit("inventory").code == 2
    ran = audit("inventory", manifest, "--earlier", "previous")
    assert (ran.code, ran.out) == (2, "") and "there is no report before" in ran.err
    other = Report("CSV", [[row("a", bucket="another")]], FIELDS, bucket="another").write(tmp_path)
    ran = audit("inventory", manifest, "--earlier", other)
    assert ran.code == 2 and "is of the bucket 'another', not 'reports-prod'" in ran.err
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - encryption: [AES]\n    mood: good\n")
    ran = audit("inventory", manifest, "--rules", rules)
    assert (ran.code, ran.out) == (2, "")
    assert "rules[0].encryption[0]: 'AES'" in ran.err and "rules[0].mood: unknown key" in ran.err
