"""A day trader's account, simulated on the pure layer, and beside it a reference that knows nothing of our code.

`Desk` plays what the workers and the database do: the book of the paper broker, the state that the database keeps,
the road of an alert, the watch of the open account, lock and flatten. `Reference` recounts the same days in its own
way: whole cents, thresholds from the definitions of semantics 6, resets found minute by minute on the wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from shared import codec
from shared.brokers.paper import matching
from shared.brokers.paper.book import PaperAnswer, PaperCommand, PaperState
from shared.brokers.paper.instruments import cached_instrument
from shared.brokers.paper.valuation import open_profit, position_seen
from shared.brokers.paper.wire import Kept
from shared.models.context import Limits, RiskContext, RiskState, TradingDay, TradingWeek
from shared.models.enums import Action, Freshness, QtyMode, Side, StopMode
from shared.models.market import Instrument, Quote
from shared.models.signal import Signal, StopSpec
from shared.models.trading import Account, Position
from shared.risk import actions, policy
from shared.risk import fit as grid
from shared.risk.decision import Denied, Skipped
from shared.risk.watch import Breach, breaches
from tests.unit.risk.builders import NETTING, account

ZONE, RESET = "America/New_York", "17:00"
START = Decimal(100_000)
MINUTE = timedelta(minutes=1)


def eurusd(now: datetime) -> Instrument:
    """What is traded: a tick of one lot is a dollar."""
    found = cached_instrument("EURUSD", now.date())
    assert found is not None
    return found


def resets(begin: datetime, minutes: int) -> dict[datetime, bool]:
    """Every moment of the next minutes at which the wall clock shows the reset; true = a week begins then."""
    zone, found = ZoneInfo(ZONE), {}
    for nth in range(1, minutes + 1):
        local = (begin + nth * MINUTE).astimezone(zone)
        if local.strftime("%H:%M") == RESET:
            found[begin + nth * MINUTE] = local.strftime("%a") == "Sun"
    return found


def next_reset(now: datetime) -> datetime:
    """The first of them after now."""
    return min(resets(now, 26 * 60))


@dataclass(frozen=True)
class Fired:
    """A breach as it happened: what was seen, and what the account had once everything was closed."""

    breach: Breach
    seen: Decimal
    closed: Decimal
    held: Decimal


class Desk:
    """One account with its limits. Prices move by one tick; there is no gap, no slippage and no latency."""

    def __init__(self, now: datetime, price: Decimal, rules: dict[str, Any]) -> None:
        self.now, self.price = now, price
        self._stored = codec.encode({"rule_sets": [{"scope": "user", "rules": rules}]})
        self.limits = codec.decode_as(Limits, self._stored)
        self.book = PaperState(START)
        self.account: Account = account(
            NETTING,
            balance=START,
            equity=START,
            timezone=ZONE,
            reset_time=time.fromisoformat(RESET),
        )
        self.state = RiskState(initial_balance=START, high_close=START, peak_equity=START)
        self.sent = 0
        self._day_begins(now, first_of_week=True)

    # What the account is worth

    @property
    def equity(self) -> Decimal:
        """Balance and open profit at the price now."""
        prices = {**self.book.prices, "EURUSD": self.price}
        return self.book.balance + sum(
            (open_profit(each, prices, "USD", self.now) for each in self.book.positions), Decimal(0)
        )

    @property
    def held(self) -> Decimal:
        """Lots open, on either side."""
        return sum((each.qty for each in self.book.positions), Decimal(0))

    def positions(self) -> tuple[Position, ...]:
        """As the broker shows them."""
        return tuple(
            replace(position_seen(each, self.now), account_id="a", endpoint_id="e")
            for each in self.book.positions
        )

    # Time

    def advance(self, minutes: int) -> None:
        """Time passes; each reset on the way closes a day."""
        end = self.now + minutes * MINUTE
        for at, first_of_week in resets(self.now, minutes).items():
            self.now = at
            high = max(self.state.high_close or START, self.book.balance)
            self.state = replace(self.state, high_close=high)
            self._day_begins(at, first_of_week=first_of_week)
        self.now = end

    def _day_begins(self, at: datetime, *, first_of_week: bool) -> None:
        equity = self.equity
        local = at.astimezone(ZoneInfo(ZONE))
        day = TradingDay(local.date(), at, next_reset(at), self.book.balance, equity)
        week = TradingWeek(equity) if first_of_week else self.state.week
        self.state = replace(self.state, day=day, week=week)

    def restart(self) -> None:
        """Everything in memory is lost: the book, the state and the limits come back as they were stored."""
        kept = codec.decode_as(Kept, codec.encode(Kept.of(self.book)))
        self.book = kept.state(self.book.balance, self.book.currency, self.book.hedging)
        self.state = codec.decode_as(RiskState, codec.encode(self.state))
        self.limits = codec.decode_as(Limits, self._stored)

    # The market

    def tick(self, direction: int) -> None:
        """The price moves one tick; stops and targets that it reaches are filled."""
        self.price += direction * eurusd(self.now).tick_size
        self.book, _ = matching.meet_price(self.book, "EURUSD", self.price, self.now)

    def by_hand(self, side: Side, qty: Decimal) -> None:
        """A trade at the broker that no rule was asked about."""
        self._apply(PaperCommand(self._name(), matching.CommandKind.PLACE, "EURUSD", side, qty=qty))

    # The road of an alert

    def alert(
        self, action: Action, side: Side | None, qty: Decimal, stop_ticks: int | None
    ) -> str | PaperAnswer:
        """The broker's answer, or the reason why nothing was sent."""
        ctx = self._context()
        stop = None
        if stop_ticks is not None:
            stop = StopSpec(StopMode.TICKS, Decimal(stop_ticks))
        signal = Signal(action, "EURUSD", side, qty_mode=QtyMode.LOTS, qty=qty, sl=stop)
        decided = actions.plan(signal, ctx)
        if isinstance(decided, (Denied, Skipped)):
            return decided.reason.value
        approved = policy.evaluate(decided, ctx)
        if isinstance(approved, Denied):
            return approved.reason.value
        fitted = grid.fit(approved, ctx)
        if isinstance(fitted, Denied):
            return fitted.reason.value
        answers = [self._apply(PaperCommand.of(self._name(), leg)) for leg in fitted.legs]
        return answers[0]

    def _context(self) -> RiskContext:
        instrument = eurusd(self.now)
        self.account = replace(
            self.account,
            balance=self.book.balance,
            equity=self.equity,
            as_of=self.now,
            freshness=Freshness.FRESH,
        )
        return RiskContext(
            now=self.now,
            account=self.account,
            instrument=instrument,
            quote=Quote("EURUSD", self.price, self.price, self.now),
            positions=self.positions(),
            limits=self.limits,
            rates={"USD": Decimal(1)},
            usd_rate=Decimal(1),
            risk=self.state,
            held={"EURUSD": instrument},
        )

    # The watch of the open account

    def mark(self) -> list[Fired]:
        """One read of the account: what is broken locks and flattens at once, at the price of this very mark."""
        equity = self.equity
        self.account = replace(self.account, balance=self.book.balance, equity=equity, as_of=self.now)
        found = breaches(self.account, self.positions(), self.state, self.limits, self.now)
        self.state = replace(self.state, peak_equity=max(self.state.peak_equity or equity, equity))
        held, fired = self.held, []
        for each in found:
            self._lock(each)
            if each.flatten:
                self._flatten()
            fired.append(Fired(each, equity, self.equity, held))
        return fired

    def _lock(self, breach: Breach) -> None:
        until = breach.until or datetime.max.replace(tzinfo=self.now.tzinfo)
        if self.account.locked_until is None or until > self.account.locked_until:
            self.account = replace(self.account, locked_until=until, lock_reason=breach.rule)

    def _flatten(self) -> None:
        for each in self.book.positions:
            side = each.side.opposite
            self._apply(
                PaperCommand(
                    self._name(),
                    matching.CommandKind.CLOSE,
                    "EURUSD",
                    side,
                    position_id=each.id,
                    market_price=self.price,
                )
            )

    def _apply(self, command: PaperCommand) -> PaperAnswer:
        given = replace(command, market_price=self.price)
        self.book, answer = matching.apply(self.book, given, self.now)
        return answer

    def _name(self) -> str:
        self.sent += 1
        return f"c{self.sent}"


@dataclass
class Reference:
    """The account's days counted again. Money in whole cents."""

    day_balance: int
    day_equity: int
    week_equity: int
    high_close: int
    peak: int

    @classmethod
    def begins(cls) -> Reference:
        """At the first day's beginning."""
        cents = _cents(START)
        return cls(cents, cents, cents, cents, cents)

    def day_begins(self, balance: Decimal, equity: Decimal, *, first_of_week: bool) -> None:
        """A reset."""
        self.high_close = max(self.high_close, _cents(balance))
        self.day_balance, self.day_equity = _cents(balance), _cents(equity)
        if first_of_week:
            self.week_equity = _cents(equity)

    def thresholds(self, limits: Limits, now: int) -> dict[str, int]:
        """Cents of equity left until each rule of money is touched, by its name; 0 and less = touched."""
        (scoped,) = limits.rule_sets
        rules, left = scoped.rules, {}
        if (daily := rules.daily_loss) is not None:
            base = {
                "balance": self.day_balance,
                "equity": self.day_equity,
                "max": max(self.day_balance, self.day_equity),
            }[daily.reference]
            left["daily_loss"] = now - (base - _kept(daily.limit, daily.buffer_pct))
        if (weekly := rules.weekly_loss) is not None:
            left["weekly_loss"] = now - (self.week_equity - _kept(weekly.limit, weekly.buffer_pct))
        if (static := rules.static_floor) is not None:
            left["static_floor"] = now - (_cents(START) - _kept(static.amount, static.buffer_pct))
        if (trailing := rules.trailing_drawdown) is not None:
            assert trailing.floor_seed is not None
            top = self.high_close if trailing.kind == "end_of_day" else max(self.peak, now)
            floor = max(_cents(trailing.floor_seed.amount), max(_cents(START), top) - _cents(trailing.amount))
            buffer = _cents(trailing.amount) - _kept(trailing.amount, trailing.buffer_pct)
            left["trailing_drawdown"] = now - (floor + buffer)
        if (profit := rules.daily_profit) is not None:
            earned = now - min(self.day_balance, self.day_equity)
            left["daily_profit"] = _cents(profit.limit) - earned
        return left


def _kept(limit: Decimal, buffer_pct: Decimal) -> int:
    """Cents of a loss limit without its buffer."""
    return _cents(limit * (100 - buffer_pct) / 100)


def _cents(money: Decimal) -> int:
    cents = money * 100
    assert cents == int(cents), money
    return int(cents)
