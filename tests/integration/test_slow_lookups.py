"""A lookup whose answer takes long: what it does not show may have come since it was asked. The settler, the database and a
simulator whose lists lag behind."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from tests.conformance.simulators import running_simulator
from tests.integration.steps.cases import PAIR, at_tradelocker
from tests.integration.steps.house import House, house
from tests.support.clusters import Database

SLOW_S = 0.6
"""How late each of the reads of a lookup is answered."""


@pytest.fixture
async def lost(database: Database) -> AsyncIterator[House]:
    """An entry that was sent and never arrived: what became of it is not known."""
    with running_simulator("tradelocker", "--no-limits") as operator:
        place, hand, account = await at_tradelocker(operator)
        account = replace(account, id=str(uuid.uuid4()), connection_id=str(uuid.uuid4()))
        async with house(database, place, hand, account) as made:
            await made.price(PAIR.listing, PAIR.bid, PAIR.bid + PAIR.spread)
            place.fault("drop_after_read", "place")
            await made.trader.alert(symbol="EURUSD", action="open", side="buy", qty_mode="lots", qty="0.10")
            await made.carry_out()
            yield made
        for each in place.opened:
            await each.close()


async def test_an_absence_is_as_old_as_the_question(lost: House) -> None:
    """Asked a moment before its absence would prove anything, and answered after: it proves nothing. Asked again it does."""
    state = "select state::text from engine.commands"
    assert await lost.admin.fetchval(state) == "unknown"
    can = lost.hand.capabilities
    longest = float(can.request_timeout_s + can.lookup_lag_s)
    # The last moment in which it may have come is over in the middle of the answer.
    await lost.admin.execute(
        "update engine.commands set submitted_at = now() - interval '5 minutes', check_at = now(),"
        " send_deadline = clock_timestamp() - make_interval(secs => $1)",
        longest - SLOW_S,
    )
    lost.place.fault("late", "reads", value=str(SLOW_S))
    await lost.settle()
    assert await lost.admin.fetchval(state) == "unknown"
    await lost.admin.execute("update engine.commands set check_at = now()")
    await lost.settle()
    assert await lost.admin.fetchval(state) not in ("unknown", "submitting")
    assert lost.place.net() == D(0)
