"""What the README shows is what the program says."""

from __future__ import annotations

import readme


def test_the_run_in_the_readme():
    assert readme.run() in readme.README.read_text()
