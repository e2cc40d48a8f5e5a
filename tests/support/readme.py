"""README.md as data: its blocks, its code spans, and the shape of printed lines."""

from __future__ import annotations

import re

from local.paths import PROJECT

TEXT = (PROJECT / "README.md").read_text()
_FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_GIVEN = (
    (re.compile(r"\b(50[23], then )+"), "<503>, then "),
    (re.compile(r"\bE[0-9a-f]+_[0-9a-f]+_\d+"), "<order>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00"), "<time>"),
    (re.compile(r"\b[A-Z]{2,3}[FGHJKMNQUVXZ]\d{4}\b"), "<contract>"),
    (re.compile(r"(?<![\w.])-?\d+(\.\d+)?"), "<n>"),
)


def blocks(kind: str) -> list[str]:
    """The bodies of the fenced blocks of one language, in the order of the page."""
    return [found["body"] for found in _FENCE.finditer(TEXT) if found["kind"] == kind]


def spans() -> list[str]:
    """Every piece of `code` outside the fenced blocks."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", TEXT))


def shape(line: str) -> str:
    """The line without what differs from run to run: numbers, times, ids, runs of blanks."""
    for pattern, name in _GIVEN:
        line = pattern.sub(name, line)
    return " ".join(line.split())


def printed_in_order(page: str, output: str) -> list[str]:
    """The lines of the page that the output does not have in this order; ` ...` at an end stands for any rest."""
    left = iter([shape(line) for line in output.splitlines()])
    wanted = [line for line in page.splitlines() if line.strip() not in ("", "...")]
    return [line for line in wanted if not any(_is_shown(line, printed) for printed in left)]


def _is_shown(line: str, printed: str) -> bool:
    if line.endswith(" ..."):
        return printed.startswith(shape(line.removesuffix(" ...")))
    return printed == shape(line)
