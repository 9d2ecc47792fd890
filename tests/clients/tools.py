"""The clients that are not part of this environment: from npm, from crates.io, from Debian, from PyPI apart.

Each is installed once, below target/, when it is first asked for. What is missing and cannot be installed is a skip that
says how, and with CI=true a failure.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from stack import REPOSITORY

HERE = Path(__file__).parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))


def missing(what: str, install: str) -> NoReturn:
    message = f"{what} is missing; install it with: {install}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def run(command: list[str | Path], **more: object) -> str:
    """What a command prints; its errors are the failure's text."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)  # type: ignore
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}"
    return done.stdout


def fresh(folder: Path, *sources: Path) -> bool:
    """Whether a folder was filled from these files as they are."""
    mark = folder / "made-of"
    return mark.is_file() and mark.read_text() == digest(*sources)


def digest(*sources: Path) -> str:
    return hashlib.sha256(sys.version.encode() + b"".join(source.read_bytes() for source in sources)).hexdigest()


@functools.cache
def debian(program: str, package: str) -> Path:
    """A program of a Debian package."""
    path = Path("/usr/bin") / program
    if not path.exists():
        install = f"apt-get install --yes --no-install-recommends {package}"
        if os.getuid() != 0 or not shutil.which("apt-get"):
            missing(program, install)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(install.split(), env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            # The lists of a fresh image are empty or old.
            run(["apt-get", "update"], env=environment)
            done = subprocess.run(install.split(), env=environment, capture_output=True, text=True)
        if not path.exists():
            missing(program, f"{install}\n{done.stdout}{done.stderr}")
    return path


@functools.cache
def node() -> str:
    return shutil.which("node") or missing("node", "apt-get install nodejs npm")


@functools.cache
def npm_folder() -> Path:
    """The scripts of js/ beside the packages that they need."""
    node()
    npm = shutil.which("npm") or missing("npm", "apt-get install nodejs npm")
    folder = TARGET / "clients-js"
    sources = sorted((HERE / "js").glob("*.*"))
    if not fresh(folder, *sources):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, folder)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
        (folder / "made-of").write_text(digest(*sources))
    return folder


def npm_version(package: str) -> str:
    import json

    return str(json.loads((npm_folder() / "node_modules" / package / "package.json").read_text())["version"])


@functools.cache
def rust_program(name: str) -> Path:
    """A program of rust/, whose dependencies are compiled beside the proxy's and shared with them where they can be."""
    cargo = shutil.which("cargo") or missing("cargo", "https://rustup.rs")
    manifest = HERE / "rust" / "Cargo.toml"
    run([cargo, "build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", TARGET])
    return TARGET / "debug" / name


def crate_version(name: str) -> str:
    lines = (HERE / "rust" / "Cargo.lock").read_text().splitlines()
    return lines[lines.index(f'name = "{name}"') + 1].split('"')[1]


@functools.cache
def separate_python(requirements: str) -> Path:
    """An interpreter with packages that do not go together with those of the tests."""
    source = HERE / requirements
    folder = TARGET / f"venv-{source.stem.removeprefix('requirements-')}"
    if not fresh(folder, source):
        run([sys.executable, "-m", "venv", "--clear", folder])
        run([folder / "bin/python", "-m", "pip", "install", "--quiet", "-r", source])
        (folder / "made-of").write_text(digest(source))
    return folder / "bin/python"
