"""The clients of the matrix: each does the same few things in its own way.

A client has a method for each operation that it offers. Arguments are a bucket, keys, and files; what comes back is
compared by the caller, at the store. Files, not bytes, because most of these are programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import boto3
import tools
from boto3.s3.transfer import TransferConfig
from stack import CLIENT_REGION, DEADLINE_SECONDS, DUMMY_KEYS, client

RCLONE = tools.TARGET / "venv/bin/rclone"

OWN = "own certificate"
BRIDGE = "bridge"


class Absent(Exception):
    """The client has no such operation."""


@dataclass
class Way:
    """How a client gets to the proxy."""

    endpoint: str
    certificate: str
    key: str
    ca: str
    # Where a client may keep files, its configuration among them.
    folder: Path

    def environment(self) -> dict[str, str]:
        return {
            **DUMMY_KEYS.environment(),
            "AWS_REGION": CLIENT_REGION,
            "AWS_DEFAULT_REGION": CLIENT_REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "ENDPOINT": self.endpoint,
            "CERT": self.certificate,
            "KEY": self.key,
            "CA": self.ca,
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.endpoint).netloc


class Client:
    """What clients have in common."""

    name: str
    by: str
    # Characters of keys that the client takes for something else.
    wildcards = ""

    def __init__(self, way: Way):
        self.way = way

    def version(self) -> str:
        raise NotImplementedError

    def close(self) -> None:
        """Ends what it has started."""

    def offers(self, operation: str) -> bool:
        return hasattr(self, operation)

    def run(self, *command: str | Path, environment: Mapping[str, str] | None = None) -> str:
        """What a program prints on standard output; with what it says beside that in the failure's text."""
        full = {**self.way.environment(), **(environment or {})}
        done = subprocess.run(
            [str(word) for word in command],
            env=full,
            cwd=self.way.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


class Lines(Client):
    """A program that does what each line of its standard input says (js/lines.mjs, rust/src/lib.rs)."""

    def __init__(self, way: Way):
        super().__init__(way)
        self.process = subprocess.Popen(
            [str(word) for word in self.command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.way.environment(),
            text=True,
        )

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def offers(self, operation: str) -> bool:
        # It says so itself.
        return True

    def __getattr__(self, operation: str) -> Any:
        if operation.startswith("_"):
            raise AttributeError(operation)
        return lambda *words: self.say(operation, *words)

    def say(self, *words: object) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{self.name} ended instead of answering {words}"
        answer = json.loads(line)
        if "absent" in answer:
            raise Absent(words[0])
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=30) == 0


class Boto3(Client):
    name, by = "boto3", OWN

    def __init__(self, way: Way):
        super().__init__(way)
        self.s3 = client(way.endpoint, way.ca, DUMMY_KEYS, (way.certificate, way.key))

    def version(self) -> str:
        return boto3.__version__

    def put(self, bucket: str, key: str, file: Path) -> None:
        with file.open("rb") as body:
            self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def get(self, bucket: str, key: str, file: Path) -> None:
        self.s3.download_file(bucket, key, str(file))

    def head(self, bucket: str, key: str) -> int:
        return int(self.s3.head_object(Bucket=bucket, Key=key)["ContentLength"])

    def range(self, bucket: str, key: str, first: int, last: int, file: Path) -> None:
        found = self.s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={first}-{last}")
        file.write_bytes(found["Body"].read())

    def list(self, bucket: str, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def delete(self, bucket: str, key: str) -> None:
        self.s3.delete_object(Bucket=bucket, Key=key)

    def delete_batch(self, bucket: str, *keys: str) -> None:
        answer = self.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
        assert "Errors" not in answer, answer

    def copy(self, bucket: str, source: str, destination: str) -> None:
        self.s3.copy_object(Bucket=bucket, Key=destination, CopySource={"Bucket": bucket, "Key": source})

    def multipart(self, bucket: str, key: str, file: Path, part_size: int) -> None:
        config = TransferConfig(multipart_threshold=part_size, multipart_chunksize=part_size)
        self.s3.upload_file(str(file), bucket, key, Config=config)

    def presign(self, bucket: str, key: str) -> str:
        return str(self.s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}, ExpiresIn=60))


class AwsSdkRust(Lines):
    name, by = "AWS SDK for Rust", OWN

    def command(self) -> list[str | Path]:
        return [tools.rust_program("aws_sdk")]

    def version(self) -> str:
        return tools.crate_version("aws-sdk-s3")


class AwsSdkJavaScript(Lines):
    name, by = "AWS SDK for JavaScript", OWN

    def command(self) -> list[str | Path]:
        return [tools.node(), tools.npm_folder() / "aws_sdk.mjs"]

    def version(self) -> str:
        return tools.npm_version("@aws-sdk/client-s3")


class Curl(Client):
    name, by = "curl --aws-sigv4", OWN

    def version(self) -> str:
        return self.run("curl", "--version").split()[1]

    def curl(self, bucket: str, key: str | None, *options: str | Path, query: str = "") -> str:
        path = f"/{bucket}" + ("" if key is None else f"/{urllib.parse.quote(key)}")
        keys = f"{DUMMY_KEYS.id}:{DUMMY_KEYS.secret}"
        common = ["--silent", "--show-error", "--fail-with-body", "--path-as-is", "--user", keys]
        common += ["--aws-sigv4", f"aws:amz:{CLIENT_REGION}:s3", "--cacert", self.way.ca]
        common += ["--cert", self.way.certificate, "--key", self.way.key]
        return self.run("curl", *common, *options, f"{self.way.endpoint}{path}{query}")

    def put(self, bucket: str, key: str, file: Path) -> None:
        self.curl(bucket, key, "--upload-file", file)

    def get(self, bucket: str, key: str, file: Path) -> None:
        self.curl(bucket, key, "--output", file)

    def head(self, bucket: str, key: str) -> int:
        lines = self.curl(bucket, key, "--head").lower().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("content-length:"))

    def range(self, bucket: str, key: str, first: int, last: int, file: Path) -> None:
        self.curl(bucket, key, "--range", f"{first}-{last}", "--output", file)

    def list(self, bucket: str, prefix: str) -> list[str]:
        keys: list[str] = []
        more = ""
        while True:
            query = f"?{more}list-type=2&prefix={urllib.parse.quote(prefix, safe='')}"
            page = ElementTree.fromstring(self.curl(bucket, None, query=query))
            keys += [str(found.text) for found in page.iterfind("{*}Contents/{*}Key")]
            token = page.findtext("{*}NextContinuationToken")
            if not token:
                return keys
            more = f"continuation-token={urllib.parse.quote(token, safe='')}&"

    def delete(self, bucket: str, key: str) -> None:
        self.curl(bucket, key, "--request", "DELETE")

    def delete_batch(self, bucket: str, *keys: str) -> None:
        named = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        answer = self.curl(bucket, None, "--data-binary", f"<Delete>{named}</Delete>", query="?delete=")
        assert "<Error>" not in answer, answer

    def copy(self, bucket: str, source: str, destination: str) -> None:
        header = f"x-amz-copy-source: /{bucket}/{urllib.parse.quote(source)}"
        self.curl(bucket, destination, "--request", "PUT", "--header", header)


class Rclone(Client):
    name, by = "rclone", OWN

    def version(self) -> str:
        return self.run(RCLONE, "version").split()[1].removeprefix("v")

    def rclone(self, *words: str | Path) -> str:
        environment = {
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "Other",
            "RCLONE_CONFIG_S3_ENV_AUTH": "true",
            "RCLONE_CONFIG_S3_ENDPOINT": self.way.endpoint,
            "RCLONE_S3_NO_CHECK_BUCKET": "true",
            "RCLONE_CLIENT_CERT": self.way.certificate,
            "RCLONE_CLIENT_KEY": self.way.key,
            "RCLONE_CA_CERT": self.way.ca,
            "RCLONE_RETRIES": "1",
        }
        return self.run(RCLONE, *words, environment=environment)

    def put(self, bucket: str, key: str, file: Path) -> None:
        self.rclone("copyto", file, f"s3:{bucket}/{key}")

    def get(self, bucket: str, key: str, file: Path) -> None:
        self.rclone("copyto", f"s3:{bucket}/{key}", file)

    def head(self, bucket: str, key: str) -> int:
        return int(json.loads(self.rclone("lsjson", "--stat", f"s3:{bucket}/{key}"))["Size"])

    def range(self, bucket: str, key: str, first: int, last: int, file: Path) -> None:
        bounds = ["--offset", str(first), "--count", str(last - first + 1)]
        file.write_text(self.rclone("cat", *bounds, f"s3:{bucket}/{key}"))

    def list(self, bucket: str, prefix: str) -> list[str]:
        found = self.rclone("lsf", "--recursive", "--files-only", f"s3:{bucket}/{prefix}")
        return [prefix + name for name in found.splitlines()]

    def delete(self, bucket: str, key: str) -> None:
        self.rclone("deletefile", f"s3:{bucket}/{key}")

    def copy(self, bucket: str, source: str, destination: str) -> None:
        self.rclone("copyto", f"s3:{bucket}/{source}", f"s3:{bucket}/{destination}")

    def multipart(self, bucket: str, key: str, file: Path, part_size: int) -> None:
        size = ["--s3-upload-cutoff", f"{part_size}B", "--s3-chunk-size", f"{part_size}B"]
        self.rclone("copyto", *size, file, f"s3:{bucket}/{key}")

    def presign(self, bucket: str, key: str) -> str:
        return self.rclone("link", "--expire", "60s", f"s3:{bucket}/{key}").strip()


class AwsCli1(Client):
    name, by = "AWS CLI v1", BRIDGE

    # A copy that asks for nothing but the copy.
    plain_copy: list[str] = []

    def program(self) -> Path:
        return tools.TARGET / "venv/bin/aws"

    def aws(self, *words: str | Path) -> str:
        environment = {"AWS_ENDPOINT_URL": self.way.endpoint, "AWS_PAGER": "", "AWS_CONFIG_FILE": str(self.config())}
        where = ["--endpoint-url", self.way.endpoint]
        return self.run(self.program(), *where, *words, environment=environment)

    def config(self) -> Path:
        file = self.way.folder / "aws-config"
        file.write_text("[default]\ns3 =\n    multipart_threshold = 5MB\n    multipart_chunksize = 5MB\n")
        return file

    def version(self) -> str:
        return self.run(self.program(), "--version").split()[0].removeprefix("aws-cli/")

    def put(self, bucket: str, key: str, file: Path) -> None:
        self.aws("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", file)

    def get(self, bucket: str, key: str, file: Path) -> None:
        self.aws("s3api", "get-object", "--bucket", bucket, "--key", key, file)

    def head(self, bucket: str, key: str) -> int:
        found = json.loads(self.aws("s3api", "head-object", "--bucket", bucket, "--key", key))
        return int(found["ContentLength"])

    def range(self, bucket: str, key: str, first: int, last: int, file: Path) -> None:
        bounds = ["--range", f"bytes={first}-{last}"]
        self.aws("s3api", "get-object", "--bucket", bucket, "--key", key, *bounds, file)

    def list(self, bucket: str, prefix: str) -> list[str]:
        found = json.loads(self.aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix))
        return [entry["Key"] for entry in found["Contents"]]

    def delete(self, bucket: str, key: str) -> None:
        self.aws("s3", "rm", f"s3://{bucket}/{key}")

    def delete_batch(self, bucket: str, *keys: str) -> None:
        named = json.dumps({"Objects": [{"Key": key} for key in keys]})
        assert "Errors" not in self.aws("s3api", "delete-objects", "--bucket", bucket, "--delete", named)

    def copy(self, bucket: str, source: str, destination: str) -> None:
        self.aws("s3", "cp", *self.plain_copy, f"s3://{bucket}/{source}", f"s3://{bucket}/{destination}")

    def multipart(self, bucket: str, key: str, file: Path, part_size: int) -> None:
        # The size is in config().
        self.aws("s3", "cp", file, f"s3://{bucket}/{key}")

    def presign(self, bucket: str, key: str) -> str:
        return self.aws("s3", "presign", "--expires-in", "60", f"s3://{bucket}/{key}").strip()


class AwsCli2(AwsCli1):
    name = "AWS CLI v2"

    # Otherwise it asks for the tags first, which the store does not know.
    plain_copy = ["--copy-props", "none"]

    def program(self) -> Path:
        return tools.debian("aws", "awscli")


class S3cmd(Client):
    name, by = "s3cmd", BRIDGE

    # Wildcards of its own, which it cannot be told to leave alone.
    wildcards = "*?"

    def s3cmd(self, *words: str | Path) -> str:
        where = [f"--host={self.way.host}", f"--host-bucket={self.way.host}", "--no-ssl"]
        keys = [f"--access_key={DUMMY_KEYS.id}", f"--secret_key={DUMMY_KEYS.secret}"]
        program = tools.TARGET / "venv/bin/s3cmd"
        return self.run(program, "--config", os.devnull, "--no-progress", *keys, *where, *words)

    def version(self) -> str:
        return self.s3cmd("--version").split()[-1]

    def put(self, bucket: str, key: str, file: Path) -> None:
        self.s3cmd("put", file, f"s3://{bucket}/{key}")

    def get(self, bucket: str, key: str, file: Path) -> None:
        self.s3cmd("get", "--force", f"s3://{bucket}/{key}", file)

    def head(self, bucket: str, key: str) -> int:
        lines = self.s3cmd("info", f"s3://{bucket}/{key}").splitlines()
        return next(int(line.split()[2]) for line in lines if line.strip().startswith("File size:"))

    def list(self, bucket: str, prefix: str) -> list[str]:
        found = self.s3cmd("ls", "--recursive", f"s3://{bucket}/{prefix}").splitlines()
        return [line.partition(f"s3://{bucket}/")[2] for line in found]

    def delete(self, bucket: str, key: str) -> None:
        self.s3cmd("del", f"s3://{bucket}/{key}")

    def delete_batch(self, bucket: str, *keys: str) -> None:
        self.s3cmd("del", "--recursive", "--force", f"s3://{bucket}/{os.path.commonpath(keys)}/")

    def copy(self, bucket: str, source: str, destination: str) -> None:
        self.s3cmd("cp", f"s3://{bucket}/{source}", f"s3://{bucket}/{destination}")

    def multipart(self, bucket: str, key: str, file: Path, part_size: int) -> None:
        self.s3cmd("put", f"--multipart-chunk-size-mb={part_size // 1024**2}", file, f"s3://{bucket}/{key}")

    def presign(self, bucket: str, key: str) -> str:
        return self.s3cmd("signurl", f"s3://{bucket}/{key}", "+60").strip()


class MinioPython(Client):
    name, by = "minio-py", BRIDGE

    def __init__(self, way: Way):
        super().__init__(way)
        self.s3 = self.minio()

    def minio(self) -> Any:
        from minio import Minio

        keys = {"access_key": DUMMY_KEYS.id, "secret_key": DUMMY_KEYS.secret}
        return Minio(self.way.host, **keys, region=CLIENT_REGION, secure=False)

    def version(self) -> str:
        from minio import __version__

        return str(__version__)

    def put(self, bucket: str, key: str, file: Path) -> None:
        self.s3.fput_object(bucket_name=bucket, object_name=key, file_path=str(file))

    def get(self, bucket: str, key: str, file: Path) -> None:
        self.s3.fget_object(bucket_name=bucket, object_name=key, file_path=str(file))

    def head(self, bucket: str, key: str) -> int:
        return int(self.s3.stat_object(bucket_name=bucket, object_name=key).size)

    def range(self, bucket: str, key: str, first: int, last: int, file: Path) -> None:
        bounds = {"offset": first, "length": last - first + 1}
        found = self.s3.get_object(bucket_name=bucket, object_name=key, **bounds)
        file.write_bytes(found.read())
        found.close()

    def list(self, bucket: str, prefix: str) -> list[str]:
        found = self.s3.list_objects(bucket_name=bucket, prefix=prefix, recursive=True)
        return [entry.object_name for entry in found]

    def delete(self, bucket: str, key: str) -> None:
        self.s3.remove_object(bucket_name=bucket, object_name=key)

    def delete_batch(self, bucket: str, *keys: str) -> None:
        from minio.deleteobjects import DeleteObject

        named = [DeleteObject(key) for key in keys]
        errors = list(self.s3.remove_objects(bucket_name=bucket, delete_object_list=named))
        assert not errors, errors

    def copy(self, bucket: str, source: str, destination: str) -> None:
        from minio.commonconfig import CopySource

        origin = CopySource(bucket_name=bucket, object_name=source)
        self.s3.copy_object(bucket_name=bucket, object_name=destination, source=origin)

    def multipart(self, bucket: str, key: str, file: Path, part_size: int) -> None:
        named = {"bucket_name": bucket, "object_name": key}
        self.s3.fput_object(**named, file_path=str(file), part_size=part_size)

    def presign(self, bucket: str, key: str) -> str:
        return str(self.s3.presigned_get_object(bucket_name=bucket, object_name=key))


class MinioJavaScript(Lines):
    name, by = "minio-js", BRIDGE

    def command(self) -> list[str | Path]:
        return [tools.node(), tools.npm_folder() / "minio.mjs"]

    def version(self) -> str:
        return tools.npm_version("minio")


class S3fs(Lines):
    name, by = "s3fs (fsspec)", BRIDGE

    def command(self) -> list[str | Path]:
        return [tools.separate_python("requirements-s3fs.txt"), tools.HERE / "s3fs_lines.py"]

    def version(self) -> str:
        lines = (tools.HERE / "requirements-s3fs.txt").read_text().splitlines()
        return next(line.partition("==")[2] for line in lines if line.startswith("s3fs=="))


class Pyarrow(Client):
    name, by = "pyarrow", BRIDGE

    def __init__(self, way: Way):
        super().__init__(way)
        from pyarrow import fs

        keys = {"access_key": DUMMY_KEYS.id, "secret_key": DUMMY_KEYS.secret}
        self.fs = fs.S3FileSystem(**keys, endpoint_override=way.host, scheme="http", region=CLIENT_REGION)

    def version(self) -> str:
        import pyarrow

        return str(pyarrow.__version__)

    def put(self, bucket: str, key: str, file: Path) -> None:
        with file.open("rb") as source, self.fs.open_output_stream(f"{bucket}/{key}") as out:
            while piece := source.read(1024 * 1024):
                out.write(piece)

    def get(self, bucket: str, key: str, file: Path) -> None:
        with self.fs.open_input_stream(f"{bucket}/{key}") as source:
            file.write_bytes(source.read())

    def head(self, bucket: str, key: str) -> int:
        return int(self.fs.get_file_info(f"{bucket}/{key}").size)

    def range(self, bucket: str, key: str, first: int, last: int, file: Path) -> None:
        with self.fs.open_input_file(f"{bucket}/{key}") as source:
            file.write_bytes(source.read_at(last - first + 1, first))

    def list(self, bucket: str, prefix: str) -> list[str]:
        from pyarrow import fs

        found = self.fs.get_file_info(fs.FileSelector(f"{bucket}/{prefix}", recursive=True))
        return [entry.path.partition("/")[2] for entry in found if entry.is_file]

    def delete(self, bucket: str, key: str) -> None:
        self.fs.delete_file(f"{bucket}/{key}")

    def delete_batch(self, bucket: str, *keys: str) -> None:
        folder = os.path.commonpath(keys)
        self.fs.delete_dir_contents(f"{bucket}/{folder}")

    def copy(self, bucket: str, source: str, destination: str) -> None:
        self.fs.copy_file(f"{bucket}/{source}", f"{bucket}/{destination}")

    # Its parts have 10 MiB, whatever one asks for.
    def multipart(self, bucket: str, key: str, file: Path, part_size: int) -> None:
        self.put(bucket, key, file)


class DuckDb(Client):
    name, by = "DuckDB httpfs", BRIDGE

    def __init__(self, way: Way):
        super().__init__(way)
        import duckdb
        import duckdb_extension_httpfs

        base = Path(duckdb_extension_httpfs.__file__).parent / "extensions"
        extension = next(base.glob("*/httpfs.duckdb_extension"))
        self.sql = duckdb.connect()
        self.sql.execute(f"LOAD '{extension}'")
        self.sql.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{DUMMY_KEYS.id}', SECRET '{DUMMY_KEYS.secret}', "
            f"ENDPOINT '{way.host}', REGION '{CLIENT_REGION}', URL_STYLE 'path', USE_SSL false)"
        )

    def version(self) -> str:
        import duckdb

        return str(duckdb.__version__)

    def get(self, bucket: str, key: str, file: Path) -> None:
        row = self.sql.execute(f"SELECT content FROM read_blob('s3://{bucket}/{key}')").fetchone()
        file.write_bytes(row[0])

    def head(self, bucket: str, key: str) -> int:
        return int(self.sql.execute(f"SELECT size FROM read_blob('s3://{bucket}/{key}')").fetchone()[0])

    def list(self, bucket: str, prefix: str) -> list[str]:
        rows = self.sql.execute(f"SELECT file FROM glob('s3://{bucket}/{prefix}*')").fetchall()
        return [row[0].partition(f"s3://{bucket}/")[2] for row in rows]

    def in_use(self, bucket: str, folder: Path) -> None:
        """A table written as Parquet, in parts, and read by ranges."""
        table = f"s3://{bucket}/a table/numbers.parquet"
        # That is, in parts of 5 MiB.
        self.sql.execute("SET s3_uploader_max_filesize = '50GB'")
        numbers = "SELECT i, hash(i) AS h, hash(i + 1) AS g FROM range(2_000_000) t(i)"
        self.sql.execute(f"COPY ({numbers}) TO '{table}' (FORMAT parquet, COMPRESSION uncompressed)")
        expected = self.sql.execute(f"SELECT count(*), bit_xor(h) FROM ({numbers})").fetchall()
        assert self.sql.execute(f"SELECT count(*), bit_xor(h) FROM '{table}'").fetchall() == expected
        found = self.sql.execute(f"SELECT h = hash(i) FROM 's3://{bucket}/*/*.parquet' WHERE i = 1234567")
        assert found.fetchall() == [(True,)]


class Restic(Client):
    """A program of minio-go, which signs chunks where the endpoint is plain HTTP."""

    name, by = "restic (minio-go)", BRIDGE

    def version(self) -> str:
        return self.run(tools.debian("restic", "restic"), "version").split()[1]

    def in_use(self, bucket: str, folder: Path) -> None:
        """A backup made, checked, restored and forgotten."""
        environment = {
            "RESTIC_REPOSITORY": f"s3:{self.way.endpoint}/{bucket}/backups",
            "RESTIC_PASSWORD": "only for tests",
            "RESTIC_CACHE_DIR": str(folder / "cache"),
        }

        def restic(*words: str | Path) -> str:
            return self.run(tools.debian("restic", "restic"), *words, environment=environment)

        kept = folder / "kept"
        kept.mkdir()
        for number in range(20):
            (kept / f"file {number}").write_bytes(os.urandom(number * 300_000))
        restic("init")
        restic("backup", kept)
        restic("check", "--read-data")
        restic("restore", "latest", "--target", folder / "restored")
        for file in kept.iterdir():
            assert (folder / "restored" / file.relative_to("/")).read_bytes() == file.read_bytes()
        restic("forget", "--keep-last", "1", "--prune")


class ObjectStore(Lines):
    name, by = "object_store (Rust)", BRIDGE

    def command(self) -> list[str | Path]:
        return [tools.rust_program("object_store")]

    def version(self) -> str:
        return tools.crate_version("object_store")


CLIENTS: dict[str, type[Client]] = {
    kind.name: kind
    for kind in (
        Boto3,
        AwsSdkRust,
        AwsSdkJavaScript,
        Curl,
        Rclone,
        AwsCli1,
        AwsCli2,
        S3cmd,
        MinioPython,
        MinioJavaScript,
        S3fs,
        Pyarrow,
        DuckDb,
        ObjectStore,
        Restic,
    )
}
