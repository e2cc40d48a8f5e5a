"""`make demo` shows what the README's first screen shows, after an accident, too."""

from __future__ import annotations

import re

from local import orphans
from tests.support.installations import installed_stack
from tests.support.readme import blocks, printed_in_order

CLOSING = re.compile(
    r"demo ok: \d+ alerts, \d+ orders filled, p50 \d+\.\d ms alert to order, \d+ s from start"
)


def test_the_demo_prints_what_the_page_shows() -> None:
    """Also in a folder whose supervisor was killed: what that left is ended, and after the demo nothing runs."""
    (page,) = [block for block in blocks("text") if block.startswith("1. ")]
    with installed_stack() as installed:
        installed.up()
        left = installed.processes()
        installed.kill("supervisor")
        shown = installed.empire("demo", timeout_s=900)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert not any(orphans.is_running(pid) for pid in [*left, *installed.processes()])
    assert printed_in_order(page, shown.stdout) == []
    assert CLOSING.fullmatch(shown.stdout.splitlines()[-1])


def test_the_page_shows_the_end_of_the_suite_as_pytest_prints_it() -> None:
    """The second block of the first screen is pytest's own last line."""
    (line,) = [block.strip() for block in blocks("text") if "passed" in block]
    assert re.fullmatch(r"=+ \d+ passed(, \d+ warnings?)? in [\d.]+s( \(\d:\d\d:\d\d\))? =+", line)
