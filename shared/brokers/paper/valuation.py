"""What a paper position is worth and how it looks through the port. Pure; money in the account's currency."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from shared.brokers.paper.book import PaperPosition
from shared.brokers.paper.catalog import INDICATIVE_USD
from shared.brokers.paper.instruments import cached_instrument
from shared.models.enums import Side
from shared.models.trading import Position

CENT = Decimal("0.01")


def position_seen(position: PaperPosition, now: datetime) -> Position:
    """A position as the port shows it; the account is filled in by whoever knows it."""
    instrument = cached_instrument(position.symbol, now.date())
    return Position(
        account_id="",
        venue_position_id=position.id,
        symbol=position.symbol,
        root=instrument.root if instrument else position.symbol,
        side=position.side,
        qty=position.qty,
        entry_price=position.entry_price,
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
        opened_at=position.opened_at,
    )


def conversion(currency: str, into: str, prices: Mapping[str, Decimal]) -> Decimal | None:
    """`into` per unit of `currency`: by the pair's last price, else indicative, else None."""
    if currency == into:
        return Decimal(1)
    if currency + into in prices:
        return prices[currency + into]
    if into + currency in prices:
        return 1 / prices[into + currency]
    here, there = INDICATIVE_USD.get(currency), INDICATIVE_USD.get(into)
    return here / there if here and there else None


def open_profit(
    position: PaperPosition, prices: Mapping[str, Decimal], currency: str, now: datetime
) -> Decimal:
    """Unrealised profit at the last price, in account currency; 0 while no price was seen."""
    instrument, last = cached_instrument(position.symbol, now.date()), prices.get(position.symbol)
    if instrument is None or last is None:
        return Decimal(0)
    rate = conversion(instrument.quote_currency, currency, prices) or Decimal(0)
    move = last - position.entry_price if position.side is Side.BUY else position.entry_price - last
    return (move / instrument.tick_size * instrument.tick_value * position.qty * rate).quantize(CENT)
