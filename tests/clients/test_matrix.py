"""Every client of the matrix does what it offers, and what it stored is what it was given.

The results are written to a file, from which table.py makes the table in docs/clients.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tools
from drivers import BRIDGE, CLIENTS, Absent, Client, Way
from matrix import LIMITS, OPERATIONS, Trial
from stack import Bridge, Stack

RESULTS = tools.TARGET / "clients-results.json"

@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Any]]:
    """What became of each client's operations. Results of an earlier run that this one does not touch are kept."""
    known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    yield known
    RESULTS.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[tuple[str, str], Client]]:
    """Clients that have been started, by their names and the store's, and a place for others."""
    started: dict[tuple[str, str], Client] = {}
    yield started
    for client in started.values():
        client.close()


def started(
    name: str,
    clients: dict[tuple[str, str], Client],
    stack: Stack,
    bridge: Bridge,
    folder: Path,
    results: dict[str, Any],
) -> Client:
    if (name, stack.store.name) not in clients:
        kind = CLIENTS[name]
        certificates = stack.proxy.certificates
        endpoint = bridge.endpoint if kind.by == BRIDGE else f"https://localhost:{stack.proxy.address[1]}"
        client = kind(Way(endpoint, *certificates.pair("writer"), certificates["ca.crt"], folder))
        if not any(name == other for other, _ in clients):
            results[name] = {"version": client.version(), "by": kind.by, "operations": {}}
        clients[name, stack.store.name] = client
    return clients[name, stack.store.name]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", CLIENTS)
def test_operation(
    name: str,
    operation: str,
    stack: Stack,
    bridge: Bridge,
    clients: dict[tuple[str, str], Client],
    results: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("client")
    client = started(name, clients, stack, bridge, folder, results)
    outcomes: dict[str, str] = results[name]["operations"]
    limit = LIMITS.get(name, {}).get(operation)
    outcomes[operation] = "failed"
    try:
        OPERATIONS[operation](Trial(client, stack.new_bucket(), folder, stack))
    except Absent:
        outcomes[operation] = "absent"
    except AttributeError as error:
        if client.offers(operation) or error.name != operation:
            raise
        outcomes[operation] = "absent"
    except Exception:
        if limit is None:
            raise
        outcomes[operation] = f"limit: {limit}"
    else:
        outcomes[operation] = "passed"
        assert limit is None, "passes, although LIMITS says that it does not"
    if outcomes[operation] == "absent":
        pytest.skip("the client has no such operation")
    if limit is not None:
        pytest.skip(f"not by this client: {limit}")
