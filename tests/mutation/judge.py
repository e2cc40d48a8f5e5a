"""Holds what survived a run of mutmut against the listed equivalents: `python -m tests.mutation.judge`, after `mutmut run`.

A mutant is known by its function and its change, not by its number: numbers move with every edit. A listed one that no
longer survives is a fault, too: the list says what is true.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

LISTED = Path(__file__).parent / "equivalents.toml"
NOTICED = frozenset({"killed", "timeout", "caught by type check"})


class Mutant(NamedTuple):
    """A function (dotted) and the changed lines of its diff, as `- old` and `+ new`."""

    function: str
    change: str


def listed(text: str) -> Counter[Mutant]:
    """The equivalents of a list. KeyError, ValueError: an entry without function, change or reason."""
    found: Counter[Mutant] = Counter()
    for entry in tomllib.loads(text).get("equivalent", []):
        if not entry["reason"].strip():
            raise ValueError(f"{entry['function']}: why is it equivalent?")
        found[Mutant(entry["function"], entry["change"].strip())] += entry.get("times", 1)
    return found


def function_of(name: str) -> str:
    """`shared.risk.fit.x__on_tick__mutmut_3` -> `shared.risk.fit._on_tick`."""
    module, _, mangled = name.rpartition(".")
    return f"{module}.{mangled.removeprefix('x_').rpartition('__mutmut_')[0]}"


def change_of(diff: str) -> str:
    """The changed lines of a unified diff, without indentation."""
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines)


def outcomes(report: str) -> dict[str, str]:
    """Name and outcome of every mutant of `mutmut results --all true`."""
    rows = (line.strip().split(": ", 1) for line in report.splitlines() if "__mutmut_" in line)
    return {row[0]: row[1] for row in rows if len(row) == 2}


def verdict(unnoticed: Counter[Mutant], known: Counter[Mutant]) -> list[str]:
    """What is wrong: survivors that are not listed, and listed ones that do not survive (any more)."""
    new = [f"not listed: {each.function}\n{each.change}" for each in (unnoticed - known).elements()]
    gone = [f"listed, but noticed: {each.function}\n{each.change}" for each in (known - unnoticed).elements()]
    return new + gone


def main() -> int:
    """0 when exactly the listed mutants survived; 1, and says which not."""
    said = outcomes(_mutmut("results", "--all", "true"))
    checked = {name: outcome for name, outcome in said.items() if outcome != "not checked"}
    survivors = [name for name, outcome in checked.items() if outcome not in NOTICED]
    unnoticed = Counter(Mutant(function_of(each), change_of(_mutmut("show", each))) for each in survivors)
    faults = verdict(unnoticed, listed(LISTED.read_text()))
    print("\n\n".join(faults))
    print(f"{len(checked)} of {len(said)} mutants tried, {len(survivors)} not noticed, {len(faults)} faults")
    return 1 if faults or len(checked) < len(said) or not said else 0


def _mutmut(*words: str) -> str:
    asked = [sys.executable, "-m", "mutmut", *words]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
