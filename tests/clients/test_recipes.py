"""The blocks of docs/clients.md are run as they stand there, with other names, and what they stored is looked at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import tools
from drivers import Way
from stack import DEADLINE_SECONDS, REPOSITORY, Bridge, Certificates, Program, Stack, json_lines

PAGE = REPOSITORY / "docs/clients.md"
BLOCK = re.compile(r"<!-- recipe: ([^>\n]+?) -->\n```(\w+)\n(.*?)```\n", re.DOTALL)
RECIPES: dict[str, tuple[str, str]] = {name: (kind, text) for name, kind, text in BLOCK.findall(PAGE.read_text())}
REPORT = b"day,amount\nmonday,1\ntuesday,2\n"

# Those that store one object; restic stores its own, and the others are looked at in tests of their own.
STORING = [name for name, (kind, _) in RECIPES.items() if kind != "rust" and name not in ("environment", "bridge")]


def shell(text: str) -> str:
    """The commands of a console block."""
    return "\n".join(line.removeprefix("$ ") for line in text.splitlines())


def command(name: str, kind: str, text: str, folder: Path) -> list[str | Path]:
    if kind == "console":
        return ["bash", "-euo", "pipefail", "-c", f"{shell(RECIPES['environment'][1])}\n{shell(text)}"]
    if kind == "javascript":
        script = tools.npm_folder() / f"recipe-{name.split()[0]}.mjs"
        script.write_text(text)
        return [tools.node(), script]
    if kind == "sql":
        import duckdb_extension_httpfs

        base = Path(duckdb_extension_httpfs.__file__).parent / "extensions"
        extension = next(base.glob("*/httpfs.duckdb_extension"))
        text = f"import duckdb\nduckdb.execute({text.replace('LOAD httpfs', f'LOAD {str(extension)!r}')!r})"
    script = folder / "recipe.py"
    script.write_text(text)
    return [tools.separate_python("requirements-s3fs.txt") if name == "s3fs" else sys.executable, script]


def renamed(text: str, stack: Stack, bridge: Bridge, bucket: str) -> str:
    """The block with the names of this run."""
    certificates = stack.proxy.certificates
    names = {
        "proxy.example:8443": f"localhost:{stack.proxy.address[1]}",
        "127.0.0.1:9000": bridge.listen,
        "/tls/tls.crt": certificates["writer.crt"],
        "/tls/tls.key": certificates["writer.key"],
        "/tls/ca.crt": certificates["ca.crt"],
        "reports-prod": bucket,
    }
    for name, value in names.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("name", STORING)
def test_recipe(name: str, stack: Stack, bridge: Bridge, tmp_path: Path) -> None:
    if stack.store.name == ("s3s" if name == "restic" else "moto"):
        pytest.skip("one store is enough")
    if name == "restic":
        tools.debian("restic", "restic")
    kind, text = RECIPES[name]
    bucket = stack.new_bucket()
    (tmp_path / "report.csv").write_bytes(REPORT)
    way = Way("", "", "", "", tmp_path)
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "RCLONE_CONFIG": os.devnull}
    path = f"{tools.TARGET / 'venv/bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        command(name, kind, renamed(text, stack, bridge, bucket.bucket), tmp_path),
        cwd=tmp_path,
        env={**way.environment(), **keys, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if name == "restic":
        listed = bucket.s3.list_objects_v2(Bucket=bucket.bucket, Prefix="daily/backups/data/")
        assert listed["KeyCount"] > 0
    else:
        assert bucket.get("daily/report.csv") == REPORT


@pytest.mark.parametrize("name", [name for name, (kind, _) in RECIPES.items() if kind == "rust"])
def test_rust_recipe_is_what_the_matrix_runs(name: str) -> None:
    source = (tools.HERE / "rust/src/bin" / f"{name.split()[1]}.rs").read_text()
    _, _, rest = source.partition("// recipe: begin\n")
    lines = rest.splitlines(keepends=True)
    end = next(at for at, line in enumerate(lines) if line.strip() == "// recipe: end")
    assert RECIPES[name][1] == textwrap.dedent("".join(lines[:end]))


def test_bridge_recipe(stack: Stack, bridge: Bridge, certificates: Certificates, tmp_path: Path) -> None:
    words = renamed(shell(RECIPES["bridge"][1]), stack, bridge, "").split()
    assert words[:2] == ["proxy", "connect"]
    from stack import PROXY_BIN

    program = Program("bridge", [PROXY_BIN, *words[1:], "--listen", "127.0.0.1:0"], tmp_path)
    try:
        program.until(lambda: True if "ready" in said(program) else None, "the bridge to be ready")
    finally:
        assert program.stop() == 0


def said(program: Program) -> list[str]:
    return [line["message"] for line in json_lines(program.stderr)]
