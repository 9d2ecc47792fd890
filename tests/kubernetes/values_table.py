#!/usr/bin/env python3
"""Writes the table of values in the chart's README from the comments in values.yaml.

values_table.py            writes it
values_table.py --check    fails where it differs, or where a value has no comment
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "charts/s3-access-proxy"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"

Row = tuple[str, str, str]


def rows() -> tuple[list[Row], list[str]]:
    """Key, default and meaning of every value; and the keys that have no comment."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    found: list[Row] = []
    way: list[str] = []
    comment: list[str] = []
    documented: set[str] = set()
    for line in text.splitlines():
        if match := re.match(r" *# (-- )?(.*)", line):
            comment = [match[2]] if match[1] else [*comment, match[2]] if comment else []
        elif match := re.match(r"( *)([A-Za-z]\w*):", line):
            way = [*way[: len(match[1]) // 2], match[2]]
            if comment:
                key = ".".join(way)
                documented.add(key)
                found.append((key, shown(looked_up(values, way)), " ".join(comment)))
            comment = []
        else:
            comment = []
    return found, [key for key in leaves(values) if not any(key == one or key.startswith(one + ".") for one in documented)]


def looked_up(values: Any, way: list[str]) -> Any:
    for step in way:
        values = values[step]
    return values


def leaves(values: dict[str, Any], path: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        found += leaves(value, f"{path}{key}.") if isinstance(value, dict) and value else [path + key]
    return found


def shown(value: Any) -> str:
    return "" if value == "" else f"`{json.dumps(value)}`"


def table() -> str:
    lines = ["| value | default | meaning |", "|---|---|---|"]
    lines += [f"| `{key}` | {default} | {meaning.replace('|', chr(92) + '|')} |" for key, default, meaning in rows()[0]]
    return "\n".join(lines) + "\n"


def problems() -> list[str]:
    """What is wrong with the README, in words."""
    found = [f"values.yaml: {key} has no comment that starts with '# --'" for key in rows()[1]]
    readme = (CHART / "README.md").read_text()
    if BEGIN + table() + END not in readme:
        found.append("charts/s3-access-proxy/README.md: the table of values is out of date; run tests/kubernetes/values_table.py")
    return found


def write() -> None:
    file = CHART / "README.md"
    before, rest = file.read_text().split(BEGIN)
    file.write_text(before + BEGIN + table() + END + rest.split(END)[1])


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit("\n".join(problems()) or 0)
    write()
