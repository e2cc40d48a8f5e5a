"""What a later exit makes pointless: scopes, halts, and exits that keep their right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.engine.road import ENTRY, EXIT, Json, Road, Trader
from tests.unit.test_symbol_key import VECTORS

HANG = "update engine.queue set held_since = now() - interval '6 s' where state = 'claimed'"
AGE = "update public.deliveries set created_at = now() - interval '6 s'"


async def busy(road: Road, trader: Trader) -> Json:
    """A head that holds the lane, so that what follows waits. Of another symbol."""
    await road.accept(trader, symbol="BUSY")
    (claimed,) = await road.claim(1)
    return claimed


async def ended(road: Road, *events: int) -> list[bool]:
    """Which of the events were superseded."""
    outcomes = [(await road.outcomes(event))[0] for event in events]
    assert all(each in (("done", "skipped", "superseded"), ("queued", None, None)) for each in outcomes), (
        outcomes
    )
    return [each[2] == "superseded" for each in outcomes]


CASES: list[tuple[str, Json, Json, bool]] = [
    ("netting", {}, {"action": "close"}, True),
    ("netting", {"symbol": "XAUUSD"}, {"action": "close"}, False),
    ("netting", {"symbol": "OANDA:eurusd"}, {"action": "close"}, True),
    ("netting", {"symbol": "CME_MINI:MES1!"}, {"action": "close", "symbol": "MESZ2026"}, True),
    ("netting", {"symbol": "MESZ6"}, {"action": "close", "symbol": "MES1!"}, True),
    ("netting", {"symbol": "MES1!"}, {"action": "close", "symbol": "ES1!"}, False),
    ("netting", {"symbol": "MESH7"}, {"action": "flatten", "symbol": "MES1!"}, True),
    ("netting", {"action": "reverse"}, {"action": "close"}, True),
    ("netting", {"action": "close"}, {"action": "close"}, True),
    ("netting", {"action": "reduce"}, {"action": "close"}, True),
    ("netting", {}, {"action": "reduce"}, False),
    ("netting", {"tag": "A"}, {"action": "close", "tag": "A"}, True),
    ("netting", {"tag": "B"}, {"action": "close", "tag": "A"}, False),
    ("netting", {"side": "buy"}, {"action": "close", "side": "sell"}, True),
    ("netting", {"side": "sell"}, {"action": "close", "side": "sell"}, False),
    ("netting", {"action": "close", "side": "buy"}, {"action": "close", "side": "sell"}, False),
    ("netting", {}, {"action": "cancel", "side": None}, True),
    ("netting", {"side": "buy"}, {"action": "cancel", "side": "buy"}, True),
    ("netting", {"side": "sell"}, {"action": "cancel", "side": "buy"}, False),
    ("netting", {}, {"action": "cancel", "order_id": "123"}, False),
    ("netting", {}, {"action": "cancel", "order_id": "123", "symbol": None}, False),
    ("netting", {"action": "close"}, {"action": "cancel", "side": None}, False),
    ("netting", {"action": "reverse"}, {"action": "cancel", "side": None}, False),
    ("netting", {"symbol": "XAUUSD"}, {"action": "flatten", "symbol": None}, True),
    ("netting", {"symbol": "XAUUSD", "action": "close"}, {"action": "flatten", "symbol": None}, True),
    ("netting", {"symbol": "XAUUSD"}, {"action": "flatten"}, False),
    ("netting", {}, {"action": "close", "dry_run": True}, False),
    ("netting", {"dry_run": True}, {"action": "close"}, False),
]


@pytest.mark.parametrize(("mode", "earlier", "later", "gone"), CASES)
async def test_scope_of_a_later_exit(road: Road, mode: str, earlier: Json, later: Json, gone: bool) -> None:
    """A close, cancel or flatten ends what waits in its scope, and nothing else; never an exit by a cancel."""
    trader = await road.trader(mode=mode)
    await busy(road, trader)
    event = await road.accept(trader, **earlier)
    side = {} if "side" in later else {"side": None}
    await road.accept(trader, **{**side, **later})
    assert await ended(road, event) == [gone]
    assert await road.value(
        "select bool_and(processed = $1) from public.webhook_events where id = $2", gone, event
    )
    assert await road.broken() == {}


@pytest.mark.parametrize(
    ("mode", "scope", "gone"),
    [("netting", None, True), ("hedging", None, False), ("hedging", "symbol", True)],
)
async def test_endpoints_are_apart_on_hedging_accounts(
    road: Road, mode: str, scope: str | None, gone: bool
) -> None:
    """A netting account has one position a symbol; on a hedging one each endpoint closes its own."""
    trader = await road.trader(mode=mode)
    other = Trader(trader.user, "11111111-1111-1111-1111-111111111111", trader.accounts)
    await road.admin.execute(
        f"""
        insert into public.webhook_endpoints (id, user_id, broker, name)
        values ('{other.endpoint}', '{trader.user}', 'paper', 'second');
        insert into public.webhook_endpoint_accounts (endpoint_id, account_id, user_id)
        values ('{other.endpoint}', '{trader.account}', '{trader.user}')
        """
    )
    await busy(road, trader)
    event = await road.accept(trader)
    await road.accept(other, action="close", side=None, scope=scope)
    assert await ended(road, event) == [gone]


async def test_waiting_head_is_superseded_and_the_next_promoted(road: Road) -> None:
    """When the head itself is ended, the lane goes on with what is left."""
    trader = await road.trader()
    first, kept = await road.accept(trader), await road.accept(trader, symbol="XAUUSD")
    closing = await road.accept(trader, action="close", side=None)
    assert await ended(road, first, kept) == [True, False]
    for event in (kept, closing):
        (claimed,) = await road.claim()
        assert claimed["event"]["id"] == event
        await road.deny(claimed)
    assert await road.broken() == {}


async def test_what_is_claimed_goes_on(road: Road) -> None:
    """A close does not end what a worker already has: it comes after it."""
    trader = await road.trader()
    event = await road.accept(trader)
    (claimed,) = await road.claim()
    await road.accept(trader, action="close")
    assert await ended(road, event) == [False]
    assert (await road.open_one(claimed))["verdict"] == "opened"


async def test_superseded_says_by_what(road: Road) -> None:
    """The trace and the numbers name the alert that made it pointless, and the outside is told."""
    trader = await road.trader()
    event = await road.accept(trader)
    closing = await road.accept(trader, action="close", side=None)
    row = await road.value("select to_jsonb(d) from public.deliveries d where event_id = $1", event)
    assert row["numbers"] == {"by_event": closing}
    assert row["trace"][-1] == {
        "stage": "ingest",
        "outcome": "superseded",
        "ms": 0,
        "detail": {"by_event": closing},
    }
    assert await road.column("select body ->> 'reason' from engine.outbox") == ["superseded"]


async def test_flatten_by_hand_halts_everything(road: Road) -> None:
    """Epoch raised, everything waiting ended, what is claimed may not be sent, what comes later may."""
    trader = await road.trader()
    claimed = await busy(road, trader)
    waiting = [await road.accept(trader, symbol=symbol, action=action)
               for symbol, action in (("EURUSD", "open"), ("XAUUSD", "close"), ("EURUSD", "reduce"))]  # fmt: skip
    await road.intend(trader, action="flatten")
    assert await ended(road, *waiting) == [True] * 3
    assert (await road.open_one(claimed))["reason"] == "halted"
    await road.deny(claimed)
    later = await road.accept(trader)
    (next_,) = await road.claim()
    assert next_["event"]["id"] == later
    assert (await road.open_one(next_))["verdict"] == "opened"
    (flatten,) = await road.claim(lane="urgent")
    assert flatten["delivery"]["halt_epoch"] == 1
    assert await road.broken() == {}


async def test_clicked_close_leaves_other_exits_alone(road: Road) -> None:
    """It ends entries of the account and exits of its symbol; exits of other symbols keep waiting and may be sent."""
    trader = await road.trader()
    await road.trade(trader, position="x")
    await road.admin.execute("update public.positions set symbol = 'XAUUSD', root = 'XAUUSD'")
    claimed = await busy(road, trader)
    entry = await road.accept(trader, symbol="XAUUSD")
    same, other = [await road.accept(trader, symbol=s, action="reduce") for s in ("EURUSD", "XAUUSD")]
    await road.intend(trader, action="close", symbol="EURUSD")
    assert await ended(road, entry, same, other) == [True, True, False]
    await road.deny(claimed)
    (exit_,) = await road.claim()
    assert exit_["event"]["id"] == other
    assert (await road.open_one(exit_, {**EXIT, "root": "XAUUSD"}))["commands"][0]["go"] is True


async def test_clicked_close_of_one_side_covers_no_other_exit(road: Road) -> None:
    """Closing the long leaves a waiting close of the short something to do."""
    trader = await road.trader(mode="hedging")
    await busy(road, trader)
    other = await road.accept(trader, action="close", side="buy")
    await road.intend(trader, action="close", symbol="EURUSD", side="sell")
    assert await ended(road, other) == [False]


async def test_halt_cancels_entries_written_and_not_begun(road: Road) -> None:
    """The second leg of a reverse is provably unsent: it never will be, although its delivery goes on."""
    trader = await road.trader()
    await road.trade(trader)
    await road.accept(trader, action="reverse", side="sell")
    (claimed,) = await road.claim()
    legs = [{**EXIT, "kind": "close"}, {**ENTRY, "leg": 1, "side": "sell", "after_fill": True}]
    opened = await road.open_one(claimed, *legs)
    await road.intend(trader, action="close", symbol="XAUUSD")
    begun = await road.begin(opened["commands"][1]["id"], claimed["token"])
    assert (begun["go"], begun["reason"]) == (False, "halted")


@pytest.mark.parametrize(
    ("source", "action", "lane"),
    [("dashboard", "flatten", "urgent"), ("cli", "close", "urgent"), ("system", "flatten", "urgent"),
     ("api", "flatten", "urgent"), ("api", "close", "normal"), ("dashboard", "reduce", "normal")],
)  # fmt: skip
async def test_who_uses_the_urgent_lane(road: Road, source: str, action: str, lane: str) -> None:
    """People and risk rules; programs through the API only to flatten; alerts never."""
    trader = await road.trader()
    await road.intend(trader, source, action=action, symbol="EURUSD")
    assert await road.column("select lane::text from engine.queue") == [lane]
    await road.accept(trader, action="flatten")
    assert await road.value("select lane::text from public.deliveries order by id desc limit 1") == "normal"


async def hung(road: Road, trader: Trader, *exits: Json) -> tuple[Json, list[int]]:
    """A head that has held its lane for 6 s, and exits that have waited as long behind it."""
    claimed = await busy(road, trader)
    events = [await road.accept(trader, **{"side": None, **each}) for each in exits]
    await road.admin.execute(HANG)
    await road.admin.execute(AGE)
    return claimed, events


async def test_hung_exit_is_promoted(road: Road) -> None:
    """After 5 s behind a hung head an alert's exit goes to the urgent lane; the head may send no more."""
    trader = await road.trader()
    claimed, (event,) = await hung(road, trader, {"action": "close"})
    later = await road.accept(trader)
    assert (await road.rescue())["promoted"] == 1
    (urgent,) = await road.claim(lane="urgent")
    assert urgent["event"]["id"] == event
    assert (await road.open_one(claimed))["reason"] == "halted"
    await road.deny(claimed)
    (following,) = await road.claim()
    assert following["event"]["id"] == later
    assert (await road.open_one(following))["verdict"] == "opened"
    assert await road.broken() == {}


async def test_hung_exits_do_not_end_one_another(road: Road) -> None:
    """Closes of two symbols are both promoted, in their order, and both may be sent."""
    trader = await road.trader()
    _, events = await hung(
        road,
        trader,
        {"action": "close"},
        {"action": "close", "symbol": "XAUUSD"},
        {"action": "reduce", "symbol": "GBPUSD"},
    )
    assert (await road.rescue())["promoted"] == 3
    for event in events:
        (urgent,) = await road.claim(lane="urgent")
        assert urgent["event"]["id"] == event
        closing: dict[str, Any] = {**EXIT, "kind": "close", "qty": None}
        assert (await road.open_one(urgent, closing))["commands"][0]["go"] is True
        await road.record(urgent, outcome="unknown")
    assert await road.broken() == {}


async def test_busy_is_not_hung(road: Road) -> None:
    """An exit that waits in a moving lane keeps its turn, however long the line is."""
    trader = await road.trader()
    await road.accept(trader)
    await road.accept(trader, action="reduce")
    await road.admin.execute(AGE)
    await road.claim()
    assert (await road.rescue())["promoted"] == 0


async def test_halt_of_a_root_covers_its_months(road: Road) -> None:
    """A close by hand of MES1! lets no exit of MESZ6 that waited go on, and leaves those of other roots."""
    trader = await road.trader()
    await busy(road, trader)
    same = await road.accept(trader, action="reduce", symbol="MESZ6")
    other = await road.accept(trader, action="reduce", symbol="NQ1!")
    await road.intend(trader, action="close", symbol="CME_MINI:MES1!")
    assert await ended(road, same, other) == [True, False]


async def test_symbols_are_keyed_as_in_python(road: Road) -> None:
    """engine.symbol_key answers every vector as shared.models.symbol_key does."""
    keys = {symbol: await road.value("select engine.symbol_key($1)", symbol) for symbol in VECTORS}
    assert keys == VECTORS
