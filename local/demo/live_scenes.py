"""The scenes of what is known live: profit and loss as it moves, a stop that fires, a broker that is unplugged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from local.console.following import Following, following
from local.console.session import call, rows
from local.demo.broker_scenes import NAMES
from local.demo.scenes import Stage, expect, until
from local.demo.tradingview import alert

D = Decimal
SECONDS = 4
SHOWN = ("paper", "tradelocker", "topstepx", "metatrader")
COIN, COIN_AT, COIN_STEP = "ETHUSD", D(3300), D("1.25")
GOLD, LISTING, TICK = "COMEX:GC1!", "GC", D("0.1")
STOP, TARGET = D(8), D(16)
UNPLUGGED = "tradelocker"
COLUMNS = {
    "orders": "id,type,status,price::text,stop_price::text",
    "trades": "gross::text,costs::text,net::text,exit_price::text,currency",
}
"""Money as text: every digit."""


async def profit_and_loss(stage: Stage) -> list[str]:
    """What is open at four brokers, each value as the topic tells it: once a second at most, and moving."""
    began = time.monotonic()
    async with following(stage.trader.client, stage.trader.user_id) as live:
        stage.show("second  " + "  ".join(f"{_name(broker):>18}" for broker in SHOWN))
        second = 0
        while second < SECONDS or not all(live.moved(_shown(live, broker)) for broker in SHOWN):
            second += 1
            expect(second < 60, f"profit and loss stand still: {live.changes}")
            await stage.venue.price(COIN, str(COIN_AT + second * COIN_STEP))
            await asyncio.sleep(1)
            stage.show(f"{second:>6}  " + "  ".join(f"{_worth(live, broker):>18}" for broker in SHOWN))
        took = time.monotonic() - began
        counts = [len(live.changes[_shown(live, broker)]) for broker in SHOWN]
    expect(max(counts) <= took + 2, f"told more often than once a second: {counts} in {took:.1f} s")
    return [
        f"told by the topic of positions, at most once a second each: {sum(counts)} messages in {took:.0f} s"
    ]


def _name(broker: str) -> str:
    return NAMES.get(broker, "Paper")


def _shown(live: Following, broker: str) -> str:
    """The position of a broker that is shown: the newest, at the venue whose prices move."""
    mine = [each for each in live.open if each["broker"] == broker]
    if broker == "paper":
        mine = [each for each in mine if each["symbol"] == COIN]
    expect(bool(mine), f"nothing is open at {broker}")
    return str(max(mine, key=lambda each: int(each["id"]))["id"])


def _worth(live: Following, broker: str) -> str:
    row = live.rows[_shown(live, broker)]
    return f"{row['symbol']} {D(row['unrealized_pnl'] or 0):.2f}"


async def a_stop_fires(stage: Stage) -> list[str]:
    """The stop fires at the broker, without us: its target is canceled, and it is a closed trade with a net result."""
    trader, broker = stage.at["topstepx"], stage.brokers["topstepx"]
    contract = await broker.contract(LISTING)
    bid = D("4100.0")
    await broker.price(contract, bid, bid + TICK)
    road = await stage.filled(
        trader,
        broker="topstepx",
        action="open",
        side="buy",
        symbol=GOLD,
        qty_mode="contracts",
        qty="1",
        sl={"mode": "offset", "value": str(STOP)},
        tp={"mode": "offset", "value": str(TARGET)},
    )
    (order,) = road.orders
    where = {"account_id": trader.account_id, "symbol": order["symbol"]}
    exits = await _until_rows(trader.client, "orders", 2, **where, origin="protection", status="working")
    stop, target = (next(each for each in exits if each["type"] == kind) for kind in ("stop", "limit"))
    began = time.monotonic()
    fallen = D(stop["stop_price"]) - 2 * TICK
    await broker.price(contract, fallen, fallen + TICK)
    (trade,) = await _until_rows(trader.client, "trades", 1, **where)
    took = time.monotonic() - began
    await _until_rows(trader.client, "orders", 1, id=stop["id"], status="filled")
    await _until_rows(trader.client, "orders", 1, id=target["id"], status="canceled")
    await broker.walk(contract)
    net = D(trade["gross"]) - D(trade["costs"])
    expect(D(trade["net"]) == net < 0, f"not the result of its fills: {trade}")
    return [
        f"bought 1 {order['symbol']} at {order['avg_price']}; at the broker stand its stop {stop['stop_price']} "
        f"and its target {target['price']}",
        f"the market falls to {fallen}: in our books after {took:.1f} s",
        f"stop: filled; target: canceled; closed at {D(trade['exit_price'])}: gross {D(trade['gross']):.2f}, "
        f"costs {D(trade['costs']):.2f}, net {net:.2f} {trade['currency']}",
    ]


async def _until_rows(client: Any, table: str, count: int, **equal: Any) -> list[dict[str, Any]]:
    """Rows of a table with these values, once there are so many."""
    found: list[dict[str, Any]] = []

    async def there() -> bool:
        nonlocal found
        query = client.table(table).select(COLUMNS[table])
        for name, value in equal.items():
            query = query.eq(name, value)
        found = await rows(query)
        return len(found) == count

    await until(there, f"{table} {equal} never were {count}")
    return found


async def a_broker_unplugged(stage: Stage) -> list[str]:
    """Its data is stale within its limit and the house degraded; what is open is open, and nobody else notices."""
    name = NAMES[UNPLUGGED]
    await until(lambda: _is_all_fresh(stage), "an account is not read any more")
    before, well = await _pictures(stage), await _health(stage)
    began = time.monotonic()
    with stage.brokers[UNPLUGGED].unplugged():
        await until(lambda: _is_known(stage, "stale"), f"{name} is away and its data is not stale")
        stale_s = time.monotonic() - began
        await until(lambda: _is_ill(stage), f"{name} is away and health says nothing")
        ill, ill_s = await _health(stage), time.monotonic() - began
        # A busy machine may keep the reader of another account waiting for a moment.
        await until(lambda: _is_unchanged(stage, before), f"something else has changed since: {before}")
        other = await stage.filled(stage.at["metatrader"], **_small("metatrader", "OANDA:EURUSD"))
        refused = await stage.send(stage.trader, alert(action="cancel", symbol="EURUSD"))
        expect(refused.statuses == (202,), f"the door is shut: {refused.statuses}")
    plugged = time.monotonic()
    await until(lambda: _is_known(stage, "fresh"), f"{name} is back and its data is not fresh")
    await until(lambda: _is_as_before(stage, well), f"{name} is back and health does not say so")
    open_there = before[UNPLUGGED][1]
    return [
        f"{name} unplugged: its data stale after {stale_s:.1f} s, health {ill['status']} after {ill_s:.1f} s",
        f"  {ill['message']}",
        f"  {len(open_there)} positions there are still open by our books, nothing else has changed; "
        f"an order at {NAMES['metatrader']} meanwhile: {other.orders[0]['status']}",
        f"{name} plugged in: fresh and {well['status']} again after {time.monotonic() - plugged:.1f} s",
    ]


def _small(broker: str, symbol: str) -> dict[str, Any]:
    size = {"qty_mode": "lots", "qty": "0.01"}
    return {"broker": broker, "action": "open", "side": "buy", "symbol": symbol, **size}


async def _pictures(stage: Stage) -> dict[str, tuple[str, list[str], list[str]]]:
    """Of each broker: how fresh its accounts are (not of the unplugged one), its open positions, its working orders."""
    client = stage.trader.client
    accounts = await rows(
        client.table("broker_accounts").select("broker,freshness").eq("trading_enabled", True)
    )
    held = await rows(client.table("positions").select("id,broker,qty::text").is_("closed_at", "null"))
    orders = await rows(
        client.table("orders").select("id,broker,status").in_("status", ["working", "unknown"])
    )
    return {
        broker: (
            ""
            if broker == UNPLUGGED
            else ",".join(sorted({x["freshness"] for x in accounts if x["broker"] == broker})),
            sorted(f"{x['id']} {x['qty']}" for x in held if x["broker"] == broker),
            sorted(f"{x['id']} {x['status']}" for x in orders if x["broker"] == broker),
        )
        for broker in SHOWN
    }


async def _is_all_fresh(stage: Stage) -> bool:
    pictures = await _pictures(stage)
    return await _is_known(stage, "fresh") and all(known in ("", "fresh") for known, *_ in pictures.values())


async def _is_unchanged(stage: Stage, before: dict[str, tuple[str, list[str], list[str]]]) -> bool:
    return await _pictures(stage) == before


async def _health(stage: Stage) -> dict[str, Any]:
    told: dict[str, Any] = await call(stage.trader.client, "system_health")
    return told


async def _is_known(stage: Stage, freshness: str) -> bool:
    there = (
        stage.trader.client.table("broker_accounts")
        .select("freshness")
        .eq("id", stage.at[UNPLUGGED].account_id)
    )
    return [each["freshness"] for each in await rows(there)] == [freshness]


async def _is_ill(stage: Stage) -> bool:
    told = await _health(stage)
    return bool(told["status"] == "degraded" and told["brokers"][UNPLUGGED]["status"] != "operational")


async def _is_as_before(stage: Stage, well: dict[str, Any]) -> bool:
    told = await _health(stage)
    return bool(
        told["status"] == "healthy" or all(told[name] == well[name] for name in ("status", "message"))
    )


PROFIT: tuple[tuple[str, Callable[[Stage], Awaitable[list[str]]]], ...] = (
    ("profit and loss, live", profit_and_loss),
)
"""While something is open at each of four brokers."""
SCENES: tuple[tuple[str, Callable[[Stage], Awaitable[list[str]]]], ...] = (
    ("a stop fires at the broker", a_stop_fires),
    ("a broker unplugged", a_broker_unplugged),
)
