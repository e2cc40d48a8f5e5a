"""Scopes on the road: which instrument an alert means, and how much of a position."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal as D

import asyncpg
import pytest

from tests.support.clusters import Database
from tests.support.trading import new_trader, worker


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The operator's connection to the test's own database."""
    opened = await database.connect("supabase_admin")
    yield opened
    await opened.close()


async def test_own_word_and_pip_are_traded(database: Database, connection: asyncpg.Connection) -> None:
    """A symbol the trader translated is traded under his word, with his pip; the trace says so."""
    trader = await new_trader(database, connection)
    await connection.execute(
        "insert into public.symbol_map (user_id, account_id, tv_symbol, venue_symbol, pip_size)"
        " values ($1, $2, 'MYGOLD', 'XAUUSD', 0.1)",
        *(trader.user, trader.account),
    )
    buy = {
        "action": "open",
        "side": "buy",
        "symbol": "FEED:MYGOLD",
        "qty_mode": "lots",
        "qty": 0.1,
        "ref_price": 2400,
    }
    with worker(database):
        done = await trader.delivery(await trader.alert(**buy, sl={"mode": "pips", "value": 50}))
        assert done["outcome"] == "executed", done
        closed = await trader.delivery(
            await trader.alert(action="close", symbol="FEED:MYGOLD", ref_price=2400)
        )
    (resolved,) = [step["detail"] for step in done["trace"] if step["stage"] == "resolve"]
    assert (resolved["symbol_map"], resolved["pip_size"], resolved["symbol"]) == (
        "XAUUSD",
        D("0.1"),
        "XAUUSD",
    )
    opening, _ = await trader.rows("orders")
    assert (opening["symbol"], opening["tv_symbol"], opening["stop_loss"]) == (
        "XAUUSD",
        "FEED:MYGOLD",
        D(2395),
    )
    assert closed["outcome"] == "executed", closed
    assert await trader.invariants() == {}


@pytest.mark.parametrize(
    ("allowed", "symbol", "outcome"),
    [
        (["XAUUSD"], "EURUSD", ("denied", "symbol_not_allowed")),
        (["OANDA:eurusd"], "EURUSD", ("executed", None)),
        ([], "EURUSD", ("denied", "symbol_not_allowed")),
        (["MES1!"], "CME_MINI:MESH2027", ("executed", None)),
        (["ES1!"], "MES1!", ("denied", "symbol_not_allowed")),
    ],
)
async def test_endpoint_opens_only_its_symbols(
    database: Database,
    connection: asyncpg.Connection,
    allowed: list[str],
    symbol: str,
    outcome: tuple[str, str | None],
) -> None:
    """What is not on the endpoint's list is not opened through it; a future is on it in every month."""
    trader = await new_trader(database, connection, allowed_symbols=allowed)
    buy = {
        "action": "open",
        "side": "buy",
        "symbol": symbol,
        "qty_mode": "units",
        "qty": 1000,
        "ref_price": 1.1,
    }
    if "ES" in symbol:
        buy |= {"qty_mode": "contracts", "qty": 1, "ref_price": 6000}
    with worker(database):
        done = await trader.delivery(await trader.alert(**buy))
        assert (done["outcome"], done["reason"]) == outcome, done
        # An exit is never refused by a list.
        closed = await trader.delivery(
            await trader.alert(action="close", symbol=symbol, ref_price=buy["ref_price"])
        )
    assert closed["reason"] in (None, "nothing_to_close"), closed


async def test_tag_limits_an_exit_on_netting(database: Database, connection: asyncpg.Connection) -> None:
    """Two strategies on one net position: each closes what its own fills hold, and only once."""
    trader = await new_trader(database, connection)
    buy = {"action": "open", "side": "buy", "symbol": "EURUSD", "qty_mode": "lots", "ref_price": 1.1}
    close = {"action": "close", "symbol": "EURUSD", "ref_price": 1.1}
    seen = []
    with worker(database):
        for intent in (
            {**buy, "qty": 0.2, "tag": "trend"},
            {**buy, "qty": 0.1, "tag": "swing"},
            {**close, "tag": "trend"},
            {**close, "tag": "trend"},
            {**close, "tag": "swing"},
        ):
            done = await trader.delivery(await trader.alert(**intent))
            left = sum(row["qty"] for row in await trader.rows("positions"))
            seen.append((done["outcome"], done["reason"], left))
    assert seen == [
        ("executed", None, D("0.2")),
        ("executed", None, D("0.3")),
        ("executed", None, D("0.1")),
        ("skipped", "nothing_to_close", D("0.1")),
        ("executed", None, D(0)),
    ]
    assert await trader.invariants() == {}
