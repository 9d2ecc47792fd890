"""What cannot be tried here is said, with the line that changes it; where everything must be tried, it fails."""

from __future__ import annotations

import pytest
import tools


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_what_is_missing_is_named(ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="flint is missing; install it with: apt-get install flint"):
        tools.missing("flint", "apt-get install flint")


def test_a_package_is_asked_for_only_by_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(tools.os, "getuid", lambda: 1000)
    with pytest.raises(pytest.fail.Exception, match="apt-get install --yes --no-install-recommends no-such-package"):
        tools.debian("no-such-program", "no-such-package")
