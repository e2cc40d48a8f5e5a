"""Net positions with several tags: what each tag's fills still hold reaches the worker."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from tests.integration.engine.road import CLOSE, ENTRY, Road, Trader, fill, filled

Fill = tuple[str, str | None, Any]
"""Effect, tag of its order (None = none, "?" = no order of ours), quantity."""


async def trade(road: Road, trader: Trader, effect: str, tag: str | None, qty: Any, number: int) -> None:
    """One fill of position p1 at minute `number`."""
    at = f"2026-11-23T09:{number:02}:00Z"
    side = "buy" if effect == "open" else "sell"
    if tag == "?":
        await road.admin.execute(
            "insert into public.fills (user_id, account_id, venue_fill_id, position_id, effect, symbol, side, qty,"
            " price, filled_at) values ($1::text::uuid, $2::text::uuid, $3, 'p1', 'close', 'EURUSD', 'sell', $4,"
            " 1.1, $5::text::timestamptz)",
            *(trader.user, trader.account, f"f{number}", D(str(qty)), at),
        )
        await road.admin.execute("update public.positions set qty = qty - $1", D(str(qty)))
        return
    await road.accept(trader, action="open" if effect == "open" else "reduce", tag=tag)
    (claimed,) = await road.claim(1)
    leg = {**(ENTRY if effect == "open" else CLOSE), "qty": qty, "tag": tag}
    (command,) = (await road.open_one(claimed, leg))["commands"]
    told = fill(f"f{number}", effect=effect, side=side, qty=qty, filled_at=at)
    assert await road.record(claimed, [filled(command["id"], qty, [told])])


@pytest.mark.parametrize(
    ("fills", "held"),
    [
        ([("open", "a", 2), ("open", "b", 1)], 2),
        ([("open", "a", 2), ("open", "b", 1), ("close", "a", 1)], 1),
        ([("open", "a", 2), ("open", "b", 1), ("close", "b", 1)], 2),
        ([("open", "b", 1), ("open", "a", 2), ("close", None, 2)], 1),
        ([("open", "a", 2), ("open", None, 1), ("close", None, 1)], 1),
        ([("open", "a", 2), ("open", "b", 1), ("close", "?", 1)], 1),
        ([("open", "a", 2), ("open", "b", 1), ("close", "b", 2)], 1),
        ([("open", "b", 3)], 0),
        ([("open", "a", 2), ("close", None, 2), ("open", "b", 1)], 0),
    ],
)
async def test_what_a_tag_still_holds(road: Road, fills: list[Fill], held: int) -> None:
    """Exits take their own tag's lots first, others the oldest; what was flat in between is forgotten."""
    trader = await road.trader()
    for number, (effect, tag, qty) in enumerate(fills):
        await trade(road, trader, effect, tag, qty, number)
    await road.accept(trader, action="close", tag="a")
    (claimed,) = await road.claim()
    assert claimed["tag_held"] == {"EURUSD": held}
    assert await road.broken() == {} or any(tag == "?" for _, tag, _ in fills)


async def test_short_is_negative_and_nobody_else_counts(road: Road) -> None:
    """A short is told with its sign; without a tag, and on hedging accounts, nothing is counted."""
    trader = await road.trader()
    await road.trade(trader, qty=2, side="sell", tag="a")
    for tag, expected in (("a", {"EURUSD": 0}), (None, None)):
        await road.accept(trader, action="close", tag=tag)
        (claimed,) = await road.claim()
        assert (claimed["tag_held"] is None) == (expected is None)
        assert await road.deny(claimed)
    await road.admin.execute("update public.orders set tag = 'a'")
    await road.accept(trader, action="close", tag="a")
    (claimed,) = await road.claim()
    assert claimed["tag_held"] == {"EURUSD": -2}
    hedging = await road.trader(mode="hedging")
    await road.accept(hedging, action="close", tag="a")
    (claimed,) = await road.claim()
    assert claimed["tag_held"] is None
