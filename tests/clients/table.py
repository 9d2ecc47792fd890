"""The table of clients in docs/clients.md, made from the results of test_matrix.py.

    python table.py            writes it
    python table.py --check    fails if it is not what the results say

Clients that were left out of a run keep their row. Versions of what comes with the system are those of the last
writing: another machine has others, and they say nothing about this project.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "clients-results.json"
PAGE = REPOSITORY / "README.md"
BEGIN, END = "<!-- clients: begin -->\n", "<!-- clients: end -->\n"

HEADER = "| client | version | way in | operations | result |\n|---|---|---|---|---|\n"
OF_THE_SYSTEM = {"curl --aws-sigv4", "AWS CLI v2", "restic (minio-go)"}
# As the table calls them, where that differs.
NAMES = {"delete_batch": "batch delete", "odd_keys": "odd keys", "large": "100 MiB", "in_use": "in use"}


def row(name: str, result: dict[str, object]) -> str:
    outcomes: dict[str, str] = result["operations"]  # type: ignore[assignment]
    asked = {operation: outcome for operation, outcome in outcomes.items() if outcome != "absent"}
    failed = [NAMES.get(operation, operation) for operation, outcome in asked.items() if outcome != "passed"]
    operations = ", ".join(NAMES.get(operation, operation) for operation in asked)
    verdict = f"all {len(asked)} pass" if not failed else "fails: " + ", ".join(failed)
    return f"| {name} | {result['version']} | {result['by']} | {operations} | {verdict} |\n"


def rows(text: str) -> dict[str, str]:
    """The rows of a table by client."""
    found = (line for line in text.splitlines(keepends=True) if line.startswith("| ") and line not in HEADER)
    return {line.split(" | ")[0].removeprefix("| "): line for line in found}


def without_version(name: str, line: str) -> str:
    return re.sub(r"^(\| [^|]* \|)[^|]*", r"\1 ", line) if name in OF_THE_SYSTEM else line


def main(check: bool) -> int:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    shown = rows(table)
    found = {name: row(name, result) for name, result in json.loads(RESULTS.read_text(encoding="utf-8")).items()}
    if check:
        wrong = [
            line
            for name, line in found.items()
            if without_version(name, line) != without_version(name, shown.get(name, ""))
        ]
        for line in wrong:
            print(f"not in {PAGE.name}: {line}", end="", file=sys.stderr)
        if wrong:
            print("write the table anew with: python tests/clients/table.py", file=sys.stderr)
        return 1 if wrong else 0
    PAGE.write_text(before + BEGIN + HEADER + "".join({**shown, **found}.values()) + END + after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
