"""What the rules are asked about: a plan's legs in a context, and what several rules need to know of both.

Each fact is worked out once, when the first rule asks for it: all rules together may cost an order 0.3 ms."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from shared.models.command import Leg
from shared.models.context import RiskContext, RiskState
from shared.models.market import Instrument, Quote
from shared.risk import floors
from shared.risk.book import Held, book_after, sizes
from shared.risk.decision import Denied
from shared.risk.grid import shown
from shared.risk.money import account_per_usd, fresh_equity, usable_instrument, usable_quote
from shared.risk.open_risk import AtRisk, at_risk
from shared.risk.resets import times_around

_NOTHING_KNOWN = RiskState()
T = TypeVar("T")


class once(Generic[T]):
    """functools.cached_property without the lock that it takes before Python 3.12: a case has one thread."""

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    def __get__(self, case: Any, owner: type | None = None) -> T:
        found = case.__dict__[self._name] = self._work(case)
        return found


class Case:
    """A plan before the rules."""

    def __init__(self, legs: Sequence[Leg], ctx: RiskContext) -> None:
        self.legs = legs
        self.ctx = ctx

    @once
    def limited(self) -> tuple[Leg, ...]:
        """The legs that limits apply to: entries, and changes that count as one."""
        return tuple(leg for leg in self.legs if leg.is_limited)

    @once
    def opens(self) -> bool:
        """Whether there is a new order: a change of protection opens nothing, no count refuses it."""
        return any(leg.is_entry for leg in self.legs)

    @once
    def sizes(self) -> bool:
        """Whether anything can become larger."""
        return sizes(self.legs)

    @once
    def book(self) -> Mapping[str, Held]:
        """What the account holds once everything is filled, by root."""
        return book_after(self.legs, self.ctx)

    @once
    def worst(self) -> Mapping[str, Decimal]:
        """The largest that each root can become, by its name in capitals."""
        mode = self.ctx.account.margin_mode
        return {root.upper(): held.worst(mode) for root, held in self.book.items()}

    @once
    def at_risk(self) -> AtRisk | None:
        """What can be lost while everything works as stated; None = it cannot be told."""
        return at_risk(self.legs, self.ctx)

    @once
    def told_at_risk(self) -> Mapping[str, str]:
        """The same as the numbers of a verdict."""
        risk = self.at_risk
        return {} if risk is None else {"open_risk": shown(risk.open_risk, 2), "order": shown(risk.order, 2)}

    @once
    def state(self) -> RiskState:
        """What the database remembers, less what has ended; without it nothing is known."""
        return _NOTHING_KNOWN if self.ctx.risk is None else floors.current(self.ctx.risk, self.ctx.now)

    @once
    def money(self) -> floors.Money:
        """The equity and the rate of the dollar."""
        return floors.Money(self.ctx.account.equity, account_per_usd(self.ctx))

    @once
    def equity(self) -> Decimal | Denied:
        """The equity, if it was read a moment ago."""
        return fresh_equity(self.ctx)

    @once
    def quote(self) -> Quote | Denied:
        """The quote, if it can be calculated with."""
        return usable_quote(self.ctx)

    @once
    def instrument(self) -> Instrument | Denied:
        """The instrument, if it can be calculated with."""
        return usable_instrument(self.ctx)

    @once
    def day(self) -> tuple[datetime, datetime]:
        """When the account's day began and when it ends."""
        return times_around(self.ctx.now, self.ctx.account.reset_time, self.ctx.account.timezone)
