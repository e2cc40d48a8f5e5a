"""A trace's verdicts as lines: what denies in words, what was compared with its numbers, the others counted."""

from __future__ import annotations

from msgspec.structs import replace

from local.console.checks import check_lines
from shared import codec
from shared.models.context import Limits
from shared.models.enums import Action, StopMode
from shared.risk.actions import plan
from shared.risk.decision import Plan
from shared.risk.policy import evaluate
from tests.unit.risk.builders import BUY, D, account, context, risk_state, scoped, signal, stop
from workers.execution.trace import of_checks

ENTRY = signal(Action.OPEN, BUY, "0.5", sl=stop(StopMode.PIPS, "20"))
RULES = scoped("user", daily_loss={"limit": 500, "unit": "usd"}, spread={"max_ticks": 20})


def lines(equity: int) -> list[str]:
    ctx = replace(
        context(account=account(equity=D(equity)), risk=risk_state()),
        limits=Limits(None, 4, rule_sets=(RULES,)),
    )
    answer = plan(ENTRY, ctx)
    assert isinstance(answer, Plan)
    return list(check_lines(codec.decode(codec.encode(of_checks(evaluate(answer, ctx).checks)))))


def test_rules_that_are_set_have_a_line_each() -> None:
    """Value, limit and what is left in the rule's unit, whose setting it is, and every other number behind it."""
    assert lines(10000) == [
        "trades_per_day: 1 of 4, 3 left",
        "spread: 10 of 20 ticks, 10 left, set for the user",
        "risk_per_trade: 1 of 5 %, 4 left (loss 100, base 10000)",
        "daily_loss: 100 of 450 USD, 350 left, set for the user "
        "(loss 0, open_risk 0, order 100, until 2026-11-24T00:00:00+00:00)",
        "5 more hold, 24 are not set",
    ]


def test_what_denies_is_a_sentence_and_comes_first() -> None:
    """The denial in words, then all the others as before: a trader sees everything that stands in the way."""
    found = lines(9600)
    assert found[0].startswith(
        "DENIES daily_loss: Today's loss 400, open risk 0 and this order's 100 make 500 USD; the limit set for the user "
        "is 450 USD, and the day ends 2026-11-24T00:00:00+00:00."
    )
    assert [line.split(":")[0] for line in found[1:]] == [
        "trades_per_day", "spread", "risk_per_trade", "5 more hold, 24 are not set",
    ]  # fmt: skip


def test_a_step_without_verdicts_has_no_lines() -> None:
    """Nothing was asked: nothing is shown."""
    assert list(check_lines({"legs": []})) == []
