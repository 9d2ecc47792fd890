"""Every case that passes directly against a store passes through the proxy, and leaves the same in the store."""

from __future__ import annotations

import pytest
from cases import CASES
from stack import Stack
from unsupported import UNSUPPORTED


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, stack: Stack) -> None:
    case = CASES[name]
    reason = UNSUPPORTED[stack.store.name].get(name)

    direct = stack.new_bucket()
    try:
        case(direct)
    except Exception as error:
        if reason is None:
            raise AssertionError("fails without the proxy, and unsupported.py does not say so") from error
        pytest.skip(f"not supported by the store: {reason}")
    assert reason is None, "passes without the proxy, although unsupported.py says that it does not"

    proxied = stack.through(stack.new_bucket(), "writer")
    case(proxied)
    assert stack.store.holds(proxied.bucket) == stack.store.holds(direct.bucket)
    stack.store.check_received()


def test_the_table_names_cases() -> None:
    assert {name for table in UNSUPPORTED.values() for name in table} <= set(CASES)
