"""The scene with a limit: a daily loss that is reached, what it does at once, and what it lets through."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from local.console import events
from local.console.render import outcome, plain
from local.console.session import call, rows
from local.demo import tradingview
from local.demo.scenes import SETTLED_S, Stage, expect, until
from shared.models.reasons import Reason
from shared.risk.reasons import sentence

SYMBOL, LOTS = "OANDA:EURUSD", "1"
PRICE, LOSING_PRICE = "1.1000", "1.0950"
LIMIT = {"daily_loss": {"limit": 500, "unit": "usd"}}


async def a_daily_loss(stage: Stage) -> list[str]:
    """The limit is touched: flat and locked until a named time; no entry, every exit, nothing opened by hand either."""
    trader = stage.far
    await stage.venue.price("EURUSD", PRICE)
    await stage.filled(trader, **_entry())
    await call(
        trader.client, "set_risk", p_scope={"account_id": trader.account_id}, p_values={"rules": LIMIT}
    )
    lines = [
        f"{LOTS} lot of EURUSD bought at {PRICE}; a daily loss of 500 USD is set; the price falls to {LOSING_PRICE}"
    ]
    began = time.monotonic()
    await stage.venue.price("EURUSD", LOSING_PRICE)
    breach = await _breach(stage)
    lines += await _flattened(stage, breach["event_id"], began)
    numbers = {
        name: Decimal(value) for name, value in breach["numbers"].items() if name in ("value", "limit")
    }
    until_when = datetime.fromisoformat(breach["until"])
    lines.insert(
        1,
        f"{breach['rule']}: {numbers['value']:.2f} lost, at {numbers['limit']:.2f} it fires: "
        f"locked until {until_when:%Y-%m-%d %H:%M} UTC",
    )
    return [*lines, await _denied(stage), await _let_through(stage), await _by_hand(stage)]


def _entry(price: str = PRICE) -> dict[str, Any]:
    return {
        "action": "open",
        "side": "buy",
        "symbol": SYMBOL,
        "qty_mode": "lots",
        "qty": LOTS,
        "ref_price": price,
    }


async def _breach(stage: Stage) -> dict[str, Any]:
    """What fired, once it has."""
    found: list[dict[str, Any]] = []

    async def fired() -> bool:
        nonlocal found
        told = stage.far.client.table("logs").select("correlation_id,details").eq("type", "risk_breached")
        found = await rows(told.eq("details->>account_id", stage.far.account_id))
        return bool(found)

    await until(fired, "the daily loss did not fire")
    breach: dict[str, Any] = found[0]["details"] | {"event_id": found[0]["correlation_id"]}
    expect(breach["rule"] == "daily_loss", f"something else fired: {found}")
    return breach


async def _flattened(stage: Stage, event_id: int, began: float) -> list[str]:
    road = await events.wait_finished(stage.far.client, event_id, SETTLED_S)
    took = time.monotonic() - began
    (delivery,) = road.deliveries
    expect(delivery["numbers"].get("flat") == "yes", f"not flat: {outcome(delivery)}")
    closes = [f"{each['kind']} {each['qty']} {each['symbol']} @ {each['avg_price']}" for each in road.orders]
    return [f"flattened {took:.1f} s after the price fell: {', '.join(closes)}"]


async def _denied(stage: Stage) -> str:
    """The next buy."""
    road = await _road(stage, **_entry(LOSING_PRICE))
    (delivery,) = road.deliveries
    expect((delivery["outcome"], delivery["reason"]) == ("denied", "account_locked"), outcome(delivery))
    return f"the next buy: denied: {plain(sentence(Reason(delivery['reason']), delivery['numbers']))}"


async def _let_through(stage: Stage) -> str:
    """The next close: an exit is never refused."""
    road = await _road(stage, action="close", symbol=SYMBOL, ref_price=LOSING_PRICE)
    (delivery,) = road.deliveries
    expect(delivery["outcome"] in ("executed", "skipped"), outcome(delivery))
    return f"the next close: accepted: {outcome(delivery)}"


async def _by_hand(stage: Stage) -> str:
    """Bought at the broker itself, past us."""
    began = time.monotonic()
    await stage.venue.trade_by_hand(stage.far.account_id, "EURUSD", "buy", Decimal(LOTS))

    async def flat() -> bool:
        return not (await stage.venue.positions(stage.far.account_id))

    await until(flat, "what was bought by hand behind the lock stayed open")
    took = time.monotonic() - began
    told = stage.far.client.table("logs").select("correlation_id").eq("type", "opened_behind_lock")
    flattens = await rows(told.eq("details->>account_id", stage.far.account_id))
    expect(len(flattens) == 1, f"one trade by hand, and so many flattens: {len(flattens)}")
    # Not over when it is closed: it looks once more, and our books have the order then.
    road = await events.wait_finished(stage.far.client, flattens[0]["correlation_id"], SETTLED_S)
    (delivery,) = road.deliveries
    expect(
        (delivery["outcome"], len(road.orders)) == ("executed", 1), f"not by one order: {outcome(delivery)}"
    )
    return f"bought by hand at the broker, past the lock: closed again after {took:.1f} s"


async def _road(stage: Stage, **intent: Any) -> events.Road:
    posted = await stage.send(stage.far, tradingview.alert(**intent))
    expect(posted.statuses == (202,), f"the alert was answered {posted.statuses}: {posted.answer}")
    return await events.wait_finished(stage.far.client, posted.event_id, SETTLED_S)


SCENES: tuple[tuple[str, Callable[[Stage], Awaitable[list[str]]]], ...] = (
    ("a daily loss reached", a_daily_loss),
)
