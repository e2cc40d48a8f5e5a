"""The promise of the limits (semantics 6), played: days of orders, fills, price moves, restarts and clock changes.

No order is admitted whose stated worst case crosses a limit. A limit is noticed at the first mark beyond it. What
the flatten leaves is reported, and without gaps and latency no more than one tick beyond.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from shared.brokers.paper.book import PaperAnswer
from shared.models.enums import Action, Side
from tests.unit.risk.promise_model import START, Desk, Fired, Reference, next_reset, resets

D = Decimal
CLOCKS_CHANGE = [
    datetime(2026, 3, 6, 15, 0, tzinfo=UTC),  # New York goes to summer time on the 8th
    datetime(2026, 10, 30, 15, 0, tzinfo=UTC),  # and back on the 1st of November
]
MONEY = st.integers(300, 1500)
SEED = {"amount": int(START) - 2000, "on": "2026-01-02", "by": "trader"}


def some_rules() -> st.SearchStrategy[dict[str, Any]]:
    """Limits as a trader sets them; at least one."""
    buffers = st.sampled_from([0, 10, 25])
    return st.fixed_dictionaries(
        {},
        optional={
            "daily_loss": st.fixed_dictionaries(
                {
                    "limit": MONEY,
                    "unit": st.just("account"),
                    "reference": st.sampled_from(["balance", "equity", "max"]),
                    "buffer_pct": buffers,
                }
            ),
            "weekly_loss": st.fixed_dictionaries(
                {"limit": MONEY, "unit": st.just("usd"), "buffer_pct": buffers}
            ),
            "static_floor": st.fixed_dictionaries(
                {"amount": MONEY, "unit": st.just("account"), "buffer_pct": buffers}
            ),
            "trailing_drawdown": st.fixed_dictionaries(
                {
                    "kind": st.sampled_from(["end_of_day", "intraday"]),
                    "amount": MONEY,
                    "unit": st.just("account"),
                    "buffer_pct": buffers,
                    "floor_seed": st.just(SEED),
                }
            ),
            "daily_profit": st.fixed_dictionaries(
                {"limit": MONEY, "unit": st.just("account"), "action": st.just("flatten")}
            ),
            "flat_by": st.just({"time": "15:45", "tz": "America/New_York"}),
        },
    ).filter(bool)


class Days(RuleBasedStateMachine):
    """One account through its days."""

    @initialize(start=st.sampled_from(CLOCKS_CHANGE), rules=some_rules())
    def opens(self, start: datetime, rules: dict[str, Any]) -> None:
        """An account with limits, on the Friday before the clocks change."""
        self.desk = Desk(start, D("1.10000"), rules)
        self.reference = Reference.begins()

    # What happens

    @rule(side=st.sampled_from(list(Side)), lots=st.integers(1, 20), stop=st.integers(5, 120))
    def alert(self, side: Side, lots: int, stop: int) -> None:
        """An entry: if it is admitted then all stops hit together cross no limit."""
        desk = self.desk
        locked = desk.account.locked_until is not None and desk.account.locked_until > desk.now
        covered = all(each.stop_loss is not None for each in desk.book.positions)
        answer = desk.alert(Action.OPEN, side, D(lots), stop)
        if not isinstance(answer, PaperAnswer):
            return
        assert not locked, "an entry went through a lock"
        if answer.accepted is None or not covered:
            return
        worst = self.at_the_stops()
        left = self.reference.thresholds(desk.limits, worst)
        crossed = {name: cents for name, cents in left.items() if cents <= 0 and name != "daily_profit"}
        assert not crossed, f"worst case {worst / 100} crosses {crossed}"

    @rule(side=st.sampled_from(list(Side)), lots=st.integers(1, 20))
    def by_hand(self, side: Side, lots: int) -> None:
        """The trader trades at the broker itself, without a stop and past every rule."""
        self.desk.by_hand(side, D(lots))

    @rule(direction=st.sampled_from([-1, 1]), ticks=st.integers(1, 90))
    def market(self, direction: int, ticks: int) -> None:
        """The price walks, and every mark is looked at: what is beyond is seen at the first, at most a tick beyond."""
        for _ in range(ticks):
            before = self.reference.thresholds(self.desk.limits, int(self.desk.equity * 100))
            self.desk.tick(direction)
            for fired in self.look():
                if (
                    before.get(fired.breach.rule, 0) > 0
                ):  # what is opened by hand beyond a limit is beyond it at once
                    left = self.reference.thresholds(self.desk.limits, int(fired.closed * 100))
                    excess = -left[fired.breach.rule]
                    assert excess <= fired.held * 100, f"{fired.breach.rule}: {excess / 100} beyond"

    @rule()
    def close(self) -> None:
        """An exit is never refused, whatever is locked."""
        answer = self.desk.alert(Action.CLOSE, None, D(1), None)
        if self.desk.held:
            raise AssertionError(f"the position is still there: {answer}")

    @rule(minutes=st.integers(1, 30 * 60))
    def time_passes(self, minutes: int) -> None:
        """Hours pass without a mark, resets and changes of the clock in them."""
        desk = self.desk
        for first_of_week in resets(desk.now, minutes).values():
            self.reference.day_begins(desk.book.balance, desk.equity, first_of_week=first_of_week)
        desk.advance(minutes)
        self.look()

    @rule()
    def restart(self) -> None:
        """Every process dies; what is stored is all there is."""
        self.desk.restart()

    # What must hold

    def look(self) -> list[Fired]:
        """One mark: exactly the rules that the reference sees touched have fired, and nothing is open then."""
        desk = self.desk
        seen = int(desk.equity * 100)
        touched = {name for name, left in self.reference.thresholds(desk.limits, seen).items() if left <= 0}
        was_open = desk.held > 0
        fired = desk.mark()
        self.reference.peak = max(self.reference.peak, seen)
        of_money = {each.breach.rule for each in fired} - {"flat_by"}
        assert of_money == touched, f"fired {of_money}, touched {touched}"
        if fired and was_open:
            assert desk.held == 0, "locked, and not flat"
            assert all(each.closed == each.seen for each in fired), "closed at another price than seen"
        for each in fired:
            self.locked_until_named(each)
        return fired

    def locked_until_named(self, fired: Fired) -> None:
        """The lock ends at the account's reset, never for a floor."""
        until, desk = fired.breach.until, self.desk
        if fired.breach.rule in ("static_floor", "trailing_drawdown"):
            assert until is None
        elif fired.breach.rule != "weekly_loss":
            assert until == next_reset(desk.now)
        assert desk.account.locked_until is not None

    def at_the_stops(self) -> int:
        """Cents of equity when every stop is hit, counted from the book."""
        cents = int(self.desk.book.balance * 100)
        for each in self.desk.book.positions:
            assert each.stop_loss is not None
            move = (
                each.stop_loss - each.entry_price
                if each.side is Side.BUY
                else each.entry_price - each.stop_loss
            )
            cents += int(move * 100_000 * each.qty * 100)
        return cents


Days.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_limits_hold_over_days = Days.TestCase


def test_the_days_are_not_empty() -> None:
    """What is played above happens: admitted below the limit, denied at it, fired at the first mark beyond, locked, freed."""
    rules = {"daily_loss": {"limit": 1000, "unit": "account", "buffer_pct": 10}}
    desk, buy = Desk(CLOCKS_CHANGE[0], D("1.10000"), rules), Side.BUY
    assert desk.alert(Action.OPEN, buy, D(10), 90) == "daily_loss", (
        "900 at the stop are the limit less its buffer"
    )
    assert isinstance(desk.alert(Action.OPEN, buy, D(10), 89), PaperAnswer)
    desk.by_hand(buy, D(10))
    fired = []
    for _ in range(50):
        desk.tick(-1)
        fired += desk.mark()
    first = fired[0]
    assert (first.breach.rule, first.seen, first.closed, first.held) == (
        "daily_loss",
        START - 900,
        START - 900,
        20,
    )
    assert (desk.held, desk.account.lock_reason) == (0, "daily_loss")
    assert desk.alert(Action.OPEN, buy, D(1), 5) == "account_locked"
    desk.advance(12 * 60)
    assert isinstance(desk.alert(Action.OPEN, buy, D(1), 5), PaperAnswer), "the reset has ended the lock"
