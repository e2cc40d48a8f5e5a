"""The judge of surviving mutants: only listed ones may survive, and what is listed must."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutation.judge import LISTED, Mutant, change_of, function_of, listed, outcomes, verdict

ONE = Mutant("shared.risk.fit._on_tick", "- a\n+ b")


def test_survivors_that_are_not_listed_are_faults() -> None:
    """Nothing is wrong where list and survivors agree; one too many on either side is said."""
    assert verdict(Counter([ONE]), Counter([ONE])) == []
    assert verdict(Counter([ONE, ONE]), Counter([ONE])) == ["not listed: shared.risk.fit._on_tick\n- a\n+ b"]
    assert verdict(Counter(), Counter([ONE]))[0].startswith("listed, but noticed")


def test_a_report_is_read() -> None:
    """Names, outcomes and diffs of mutmut become functions and changes that keep their name when lines move."""
    report = (
        "    shared.risk.fit.x__on_tick__mutmut_3: survived\n    shared.risk.fit.x_fit__mutmut_12: no tests\n"
    )
    assert outcomes(report) == {
        "shared.risk.fit.x__on_tick__mutmut_3": "survived",
        "shared.risk.fit.x_fit__mutmut_12": "no tests",
    }
    assert function_of("shared.risk.fit.x__on_tick__mutmut_3") == "shared.risk.fit._on_tick"
    diff = "# name: survived\n--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n def f():\n-    a\n+    b\n"
    assert change_of(diff) == "- a\n+ b"


def test_every_listed_mutant_has_a_reason() -> None:
    """The list of this repository can be read, and an entry without a reason is refused."""
    listed(LISTED.read_text())
    with pytest.raises(ValueError, match="why"):
        listed('[[equivalent]]\nfunction = "f"\nchange = "- a"\nreason = " "')
