"""What the rules are asked about: a plan's legs in a context, and what several rules need to know of both.

Each fact is worked out once, when the first rule asks for it: all rules together may cost an order 0.3 ms."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from shared.models.command import Leg
from shared.models.context import RiskContext, RiskState
from shared.models.market import Instrument, Quote
from shared.risk import floors
from shared.risk.book import Held, book_after, sizes
from shared.risk.decision import Denied
from shared.risk.money import account_per_usd, fresh_equity, usable_instrument, usable_quote
from shared.risk.open_risk import AtRisk, at_risk
from shared.risk.resets import times_around

_NOTHING_KNOWN = RiskState()


class Case:
    """A plan before the rules."""

    def __init__(self, legs: Sequence[Leg], ctx: RiskContext) -> None:
        self.legs = legs
        self.ctx = ctx

    @cached_property
    def limited(self) -> tuple[Leg, ...]:
        """The legs that limits apply to: entries, and changes that count as one."""
        return tuple(leg for leg in self.legs if leg.is_limited)

    @cached_property
    def opens(self) -> bool:
        """Whether there is a new order: a change of protection opens nothing, no count refuses it."""
        return any(leg.is_entry for leg in self.legs)

    @cached_property
    def sizes(self) -> bool:
        """Whether anything can become larger."""
        return sizes(self.legs)

    @cached_property
    def book(self) -> Mapping[str, Held]:
        """What the account holds once everything is filled, by root."""
        return book_after(self.legs, self.ctx)

    @cached_property
    def worst(self) -> Mapping[str, Decimal]:
        """The largest that each root can become, by its name in capitals."""
        mode = self.ctx.account.margin_mode
        return {root.upper(): held.worst(mode) for root, held in self.book.items()}

    @cached_property
    def at_risk(self) -> AtRisk | None:
        """What can be lost while everything works as stated; None = it cannot be told."""
        return at_risk(self.legs, self.ctx)

    @cached_property
    def state(self) -> RiskState:
        """What the database remembers, less what has ended; without it nothing is known."""
        return _NOTHING_KNOWN if self.ctx.risk is None else floors.current(self.ctx.risk, self.ctx.now)

    @cached_property
    def money(self) -> floors.Money:
        """The equity and the rate of the dollar."""
        return floors.Money(self.ctx.account.equity, account_per_usd(self.ctx))

    @cached_property
    def equity(self) -> Decimal | Denied:
        """The equity, if it was read a moment ago."""
        return fresh_equity(self.ctx)

    @cached_property
    def quote(self) -> Quote | Denied:
        """The quote, if it can be calculated with."""
        return usable_quote(self.ctx)

    @cached_property
    def instrument(self) -> Instrument | Denied:
        """The instrument, if it can be calculated with."""
        return usable_instrument(self.ctx)

    @cached_property
    def day(self) -> tuple[datetime, datetime]:
        """When the account's day began and when it ends."""
        return times_around(self.ctx.now, self.ctx.account.reset_time, self.ctx.account.timezone)
