"""How a book is kept and told: its JSON shape, and what an answer of old means today. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct, field
from msgspec.structs import replace

from shared.brokers.paper.book import PaperAnswer, PaperOrder, PaperPosition, PaperState, PaperTerms
from shared.models.enums import OrderStatus
from shared.models.outcome import Accepted
from shared.models.trading import Fill

PRICES_KEPT = 200
"""Prices are kept for so many symbols at most, and for every symbol with a position or an order."""


class Kept(Struct, frozen=True):
    """A book without its money, as it lies in the database. An empty object is a new book."""

    next_id: int = 1
    positions: tuple[PaperPosition, ...] = ()
    orders: tuple[PaperOrder, ...] = ()
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    terms: PaperTerms = field(default_factory=PaperTerms)

    @classmethod
    def of(cls, state: PaperState) -> Kept:
        """What is kept of a state."""
        return cls(state.next_id, state.positions, state.orders, _worth_keeping(state), state.terms)

    def state(self, balance: Decimal, currency: str, hedging: bool) -> PaperState:
        """The state again."""
        return PaperState(
            balance=balance,
            currency=currency,
            hedging=hedging,
            next_id=self.next_id,
            positions=self.positions,
            orders=self.orders,
            prices=self.prices,
            terms=self.terms,
        )


def _worth_keeping(state: PaperState) -> Mapping[str, Decimal]:
    if len(state.prices) <= PRICES_KEPT:
        return state.prices
    used = {each.symbol for each in state.positions} | {each.symbol for each in state.orders}
    newest = list(state.prices)[-PRICES_KEPT // 2 :]
    return {symbol: price for symbol, price in state.prices.items() if symbol in used or symbol in newest}


def fills_of(answer: PaperAnswer) -> list[Fill]:
    """Every execution an answer tells about: the command's own, and those its price set off."""
    own = list(answer.accepted.fills) if answer.accepted else []
    return [fill for effect in answer.outcome.effects for fill in effect.fills] + own


def seen_since(
    first: Accepted, client_order_id: str, fills: tuple[Fill, ...], state: PaperState
) -> PaperAnswer:
    """What became of an accepted command: a waiting order may have been filled or canceled since."""
    if first.status is not OrderStatus.WORKING or first.venue_order_id is None:
        return PaperAnswer(accepted=first)
    if any(order.id == first.venue_order_id for order in state.orders):
        return PaperAnswer(accepted=first)
    own = tuple(fill for fill in fills if fill.client_order_id == client_order_id)
    if not own:
        return PaperAnswer(accepted=replace(first, status=OrderStatus.CANCELED))
    qty = sum((fill.qty for fill in own), Decimal(0))
    average = sum((fill.qty * fill.price for fill in own), Decimal(0)) / qty
    return PaperAnswer(
        accepted=replace(first, status=OrderStatus.FILLED, filled_qty=qty, avg_price=average, fills=own)
    )
