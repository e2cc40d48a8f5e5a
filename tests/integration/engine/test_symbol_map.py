"""A trader's own words for symbols reach the worker with the claim."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from tests.integration.engine.road import Json, Road, Trader


async def says(
    road: Road, trader: Trader, tv: str, venue: str, *, account: bool = False, pip: str | None = None
) -> None:
    """A row of symbol_map: the user's, or his first account's."""
    await road.admin.execute(
        "insert into public.symbol_map (user_id, account_id, tv_symbol, venue_symbol, pip_size)"
        " values ($1::text::uuid, $2::text::uuid, $3, $4, $5::text::numeric)",
        *(trader.user, trader.account if account else None, tv, venue, pip),
    )


async def word_for(road: Road, trader: Trader, symbol: str | None) -> Json | None:
    """What the claim of an alert for this symbol says."""
    await road.accept(trader, symbol=symbol, **({} if symbol else {"action": "flatten"}))
    (claimed,) = await road.claim()
    assert await road.deny(claimed)
    found: Json | None = claimed["word"]
    return found


@pytest.mark.parametrize(
    ("symbol", "meant"),
    [
        ("XAUUSD", "GOLD"),
        ("xauusd", "GOLD"),
        ("TVC:XAUUSD", "GOLD"),
        ("OANDA:XAUUSD", "GOLD.oanda"),
        ("oanda:xauusd", "GOLD.oanda"),
        ("XAUUSDT", None),
        ("EURUSD", "EURUSD.r"),
        ("FX:EURUSD", "EURUSD.r"),
        (None, None),
    ],
)
async def test_word_of_the_symbol(road: Road, symbol: str | None, meant: str | None) -> None:
    """The exchange counts where the word names one; the account's word goes before the user's."""
    trader = await road.trader()
    await says(road, trader, "XAUUSD", "GOLD", pip="0.1")
    await says(road, trader, "OANDA:XAUUSD", "GOLD.oanda")
    await says(road, trader, "EURUSD", "EURUSDm")
    await says(road, trader, "EURUSD", "EURUSD.r", account=True)
    found = await word_for(road, trader, symbol)
    assert (found and found["venue_symbol"]) == meant
    assert (found and found["pip_size"]) == (D("0.1") if meant == "GOLD" else None)


async def test_words_are_ones_own(road: Road) -> None:
    """Another user's word, and another account's, mean nothing here."""
    trader, other = await road.trader(accounts=2), await road.trader()
    await says(road, other, "XAUUSD", "GOLD")
    await says(road, trader, "EURUSD", "EURUSD.r", account=True)
    for symbol, meant in (("XAUUSD", None), ("EURUSD", "EURUSD.r")):
        await road.accept(trader, symbol=symbol)
        words = {each["delivery"]["account_id"]: each["word"] for each in await road.claim()}
        assert words[trader.accounts[1]] is None
        assert (words[trader.account] and words[trader.account]["venue_symbol"]) == meant
        await road.lose_leases()
        await road.admin.execute("delete from engine.queue")
