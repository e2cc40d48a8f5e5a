"""What the rules may look at: entries on their way, losses in a row, twins, the trader's other accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.integration.engine.road import ENTRY, Json, Road, Trader, outcome
from tests.integration.engine.watching import Watch, later, rule

RULES: Json = {
    "daily_loss": {"limit": 500, "unit": "usd"},
    "cool_down": {"after_losses": 2, "minutes": 30},
    "consistency": {"max_pct": 50},
    "duplicates": {"window_s": 60},
    "no_opposite": {},
}


async def limited(road: Road, accounts: int = 1) -> Trader:
    """A trader with rules of every kind."""
    trader = await road.trader(accounts=accounts)
    await rule(road, trader.user, RULES)
    return trader


async def state(road: Road, trader: Trader, **intent: Any) -> Json:
    """The state that the next delivery of the trader's first account is claimed with."""
    await road.accept(trader, **intent)
    found = None
    for each in await road.claim():
        if each["delivery"]["account_id"] == trader.account:
            found = each["risk"]
        await road.deny(each)
    assert found is not None
    told: Json = found
    return told


async def test_the_day_of_a_paper_account_is_known_at_once(road: Road) -> None:
    """Nobody has read it yet, and its book is all there is: the day begins with its balance less today's fills."""
    trader = await limited(road)
    found = await state(road, trader)
    assert found["day"]["start_balance"] == 10_000
    assert found["day"]["source"] in ("rebuilt", "seen")
    assert found["week"] is None or found["week"]["start_equity"] == 10_000


async def test_entries_on_their_way(road: Road) -> None:
    """An order that nobody knows about, one that waits at the broker and half of one count; a rejected one does not."""
    trader = await limited(road)
    for number, (what, filled) in enumerate(
        [("unknown", 0), ("working", 0), ("working", 1), ("rejected", 0)]
    ):
        await road.accept(trader, symbol=f"X{number}")
        (claimed,) = await road.claim(1)
        root = f"X{number}"
        leg = {**ENTRY, "qty": 2, "root": root, "symbol": root, "worst_loss": 100}
        (command,) = (await road.open_one(claimed, {**leg, "request": leg}))["commands"]
        if what == "working":
            told = {"id": command["id"], "outcome": "accepted", "venue_order_id": root, "status": "working"}
            told |= {"filled_qty": filled, "status": "partially_filled" if filled else "working"}
        else:
            told = outcome(command["id"], what, "market_closed" if what == "rejected" else None)
        await road.record(claimed, [told], what if what != "working" else "executed")
    found = await state(road, trader, symbol="XAUUSD")
    assert found["in_flight"] == [
        {"root": "X0", "side": "buy", "qty": 2, "notional_usd": None},
        {"root": "X1", "side": "buy", "qty": 2, "notional_usd": None},
        {"root": "X2", "side": "buy", "qty": 1, "notional_usd": None},
    ]
    assert found["in_flight_loss"] == 250


async def test_losses_in_a_row(road: Road) -> None:
    """Closed round trips by their net result, the latest first; what is half closed is none yet."""
    trader = await limited(road)
    watch = Watch(road, trader.account)
    now = later(datetime.now(UTC), hours=-2)
    trips = [("a", 50, 0), ("b", -20, 0), ("c", 5, 6), ("d", -1, 0)]
    for number, (position, result, commission) in enumerate(trips):
        await watch.fill(later(now, minutes=number * 10), 0, position, "open")
        await watch.fill(later(now, minutes=number * 10 + 5), result, position, commission=commission)
    await watch.fill(later(now, minutes=50), 0, "e", "open", qty=2)
    await watch.fill(later(now, minutes=55), -500, "e")
    found = await state(road, trader)
    assert found["losses_in_a_row"] == 3
    assert datetime.fromisoformat(found["last_loss_at"]) == later(now, minutes=35)
    # A netting position lives again under the same id: each time flat is a trip of its own.
    await watch.fill(later(now, minutes=60), 0, "b", "open")
    await watch.fill(later(now, minutes=61), 30, "b")
    assert (await state(road, trader, symbol="XAUUSD"))["losses_in_a_row"] == 0


async def test_twins(road: Road) -> None:
    """The same symbol, side and action within the window, which opened something: anything else is no twin."""
    trader = await limited(road)
    first = await road.trade(trader, symbol="FX:EURUSD")
    assert (await state(road, trader))["twin"] == first["delivery"]["id"]
    assert (await state(road, trader, side="sell"))["twin"] is None
    assert (await state(road, trader, symbol="XAUUSD"))["twin"] is None
    assert (await state(road, trader, symbol="XAUUSD"))["twin"] is None  # the one before was denied
    await road.admin.execute("update public.deliveries set created_at = created_at - interval '61 seconds'")
    assert (await state(road, trader))["twin"] is None


async def test_the_other_accounts(road: Road) -> None:
    """Positions and entries on their way of the trader's other accounts; not those of others, not real ones for paper."""
    trader, stranger = await limited(road, accounts=2), await road.trader()
    real = await road.account(trader, "tradelocker")
    for account in (*trader.accounts, real, *stranger.accounts):
        await road.admin.execute(
            "insert into public.positions (user_id, broker, account_id, venue_position_id, symbol, root, side, qty,"
            " entry_price) select user_id, broker, id, 'p', 'EURUSD', 'EURUSD', 'sell', 3, 1 from public.broker_accounts"
            " where id = $1::text::uuid",
            account,
        )
    found = await state(road, trader)
    assert found["others"] == [{"account_id": trader.accounts[1], "root": "EURUSD", "side": "sell", "qty": 3}]
    assert found["unprotected"] == 1
