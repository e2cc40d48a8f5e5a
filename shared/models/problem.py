"""What is wrong with a body, at which path, in words the sender of the alert understands."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ROOT = "$"
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. `path` is `intent.tp[0].value` style, `$` for the whole body.

    code: unreadable = not JSON at all (400), invalid = JSON that may not be used (422).
    """

    path: str
    message: str
    code: Literal["unreadable", "invalid"] = "invalid"


def member(path: str, name: str) -> str:
    """The path of a field of the object at `path`; a name of absurd length is cut."""
    shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    return shown if path == ROOT else f"{path}.{shown}"


def element(path: str, index: int) -> str:
    """The path of an element of the list at `path`."""
    return f"[{index}]" if path == ROOT else f"{path}[{index}]"


def one_per_path(problems: Iterable[Problem]) -> list[Problem]:
    """The problems without repeating a path: the last thing said of it stays."""
    return list({problem.path: problem for problem in problems}.values())
