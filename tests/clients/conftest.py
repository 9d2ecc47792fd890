"""Fixtures: certificates, a store of each kind, the proxy in front of it and a bridge to that, started once a store."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("cases", "stack")

import stack as stack_module  # noqa: E402
from matrix import store_for  # noqa: E402
from stack import Bridge, Certificates, MotoStore, Proxy, S3sStore, Stack, Store  # noqa: E402

# The SDK reads far more from the environment than the tests want it to.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if has_its_store(item)]
    for binary in (stack_module.PROXY_BIN, stack_module.STORE_BIN):
        if items and not binary.is_file():
            pytest.exit(f"{binary} is missing; build it with: cargo build --bins --examples", returncode=2)


def has_its_store(item: pytest.Item) -> bool:
    """Of the matrix, each operation runs in one store. For the way over the bridge one store is enough, because what the
    proxy makes of a request is tested without the bridge. Everything else runs in both."""
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    if item.path.name in ("test_bridge.py", "test_monitoring.py"):
        return "store" not in parameters or parameters["store"].name == "s3s"
    if "operation" not in parameters:
        return True
    return parameters["store"].name == store_for(parameters["name"], parameters["operation"])


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def foreign_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The same names, signed by an authority that the proxy does not know."""
    return Certificates.make(tmp_path_factory.mktemp("foreign-certificates"))


@pytest.fixture(scope="session", params=[S3sStore, MotoStore], ids=lambda kind: kind.name)
def store(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    kind: type[S3sStore | MotoStore] = request.param
    store = kind(tmp_path_factory.mktemp(kind.name), certificates)
    yield store
    store.program.stop()
    output = store.program.output()
    for secret in (stack_module.STORE_KEYS.secret, stack_module.DUMMY_KEYS.secret, stack_module.DUMMY_KEYS.id):
        assert secret not in output, "a client's or the store's own key stands in the store's output"


@pytest.fixture(scope="session")
def stack(store: Store, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    proxy = Proxy(tmp_path_factory.mktemp("proxy"), certificates, store)
    yield Stack(store, proxy)
    proxy.stop()


@pytest.fixture(scope="session")
def bridge(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    directory = tmp_path_factory.mktemp("bridge")
    bridge = Bridge(directory, stack.proxy.certificates, "writer", stack.proxy.address[1])
    yield bridge
    bridge.stop()
