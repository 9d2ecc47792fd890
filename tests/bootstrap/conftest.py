"""Fixtures: the emulators once a run, and for each test an account of its own with a cluster, ready for a deployment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("account")

from account import PROXY_BIN, Account  # noqa: E402
from emulators import Emulators, raise_loopback  # noqa: E402

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def pytest_configure() -> None:
    raise_loopback()
    if not PROXY_BIN.is_file():
        pytest.exit(f"{PROXY_BIN} is missing; build it with: cargo build --bins", returncode=2)


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    emulators = Emulators(tmp_path_factory.mktemp("emulators"))
    yield emulators
    emulators.stop()


@pytest.fixture(scope="session")
def new_account(
    emulators: Emulators, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Account]:
    numbers = iter(range(210000000000, 220000000000))

    def make(variant: str = "whole", kind: type[Account] = Account) -> Account:
        number = str(next(numbers))
        return kind(number, emulators, tmp_path_factory.mktemp(number), variant)

    return make


@pytest.fixture
def account(new_account: Callable[..., Account]) -> Account:
    return new_account()


@pytest.fixture(scope="module")
def applied(new_account: Callable[..., Account]) -> Account:
    """An account in which everything has been applied; whoever changes it puts it right again."""
    account = new_account()
    done = account.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    return account


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
