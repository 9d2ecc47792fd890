"""The program under test."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

TIMEOUT = 60


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture(scope="session")
def audit():
    """`audit("inventory", place, …)`, with its exit code and what it wrote."""
    program = os.environ["PROXY_BIN"]

    def run(*arguments, **environment) -> Ran:
        done = subprocess.run(
            [program, "audit", *map(str, arguments)],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def store_program() -> Path:
    return Path(os.environ["STORE_BIN"])
