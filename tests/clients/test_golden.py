"""The golden data of the Rust tests is what its generators write today."""

from __future__ import annotations

import subprocess
import sys

import pytest
from stack import REPOSITORY

# The pods of `inject` are held against all three ways of injection in tests/kubernetes, which has what their generator needs.
ELSEWHERE = {"inject"}
GENERATORS = sorted(path for path in REPOSITORY.glob("tests/data/*/generate.py") if path.parent.name not in ELSEWHERE)


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda path: path.parent.name)
def test_golden_data_is_current(generator) -> None:
    done = subprocess.run([sys.executable, generator, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_generator_is_found() -> None:
    assert [path.parent.name for path in GENERATORS] == ["botocore", "sigv4", "sigv4-chunks"]
