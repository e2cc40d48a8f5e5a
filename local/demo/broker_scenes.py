"""The scenes with the three simulated brokers: logins, fills, sizes by risk, and a flatten while one hangs."""

from __future__ import annotations

import asyncio
import secrets as random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from local.console import connecting, events, flatten
from local.console.connecting import Place
from local.console.render import order_line, road_lines
from local.console.session import call
from local.demo.people import Trader, endpoint_url
from local.demo.scenes import Stage, expect, until
from shared.crypto.sealing import Credential

CHECKED_S = 60.0
HANGING = "topstepx"
HANG_S = 600.0
"""Until it is told to recover: what is flat there before the others are would show nothing."""

PLACES = {
    "tradelocker": Place("tradelocker", "simulated", "SIM"),
    "topstepx": Place("topstepx", "simulated"),
    "metatrader": Place("metatrader", "simulated", "SIM"),
}
NAMES = {"tradelocker": "TradeLocker", "topstepx": "TopstepX", "metatrader": "MetaTrader"}


async def connected(stage: Stage) -> list[str]:
    """A login at each broker, sealed here, opened and tried by the worker; one account of each may trade."""
    return list(await asyncio.gather(*(_connect(stage, place) for place in PLACES.values())))


async def _connect(stage: Stage, place: Place) -> str:
    trader, broker = stage.trader, place.broker
    credential = Credential(trader.login.email, random.token_urlsafe(12), place.server)
    connection = await connecting.connect(trader.client, trader.login.root, place, credential)
    row = await connecting.wait_checked(trader.client, connection, CHECKED_S)
    expect(row["status"] == "connected", f"{broker}: {row['status']}: {row['last_error']}")
    found = await connecting.accounts(trader.client, connection)
    account = found[0]
    await call(trader.client, "enable_account", p_account_id=account["id"])
    stage.at[broker] = await _endpoint(trader, broker, account["id"])
    return (
        f"{NAMES[broker]}: login sealed here, opened by the worker, connected; "
        f"{account['account_id']} ({account['margin_mode']}) has {account['balance']} {account['currency']}"
    )


async def _endpoint(trader: Trader, broker: str, account_id: str) -> Trader:
    """The same trader with an address whose alerts go to this account."""
    endpoint = await call(
        trader.client, "create_endpoint", p_broker=broker, p_name=NAMES[broker], p_account_ids=[account_id]
    )
    address = await endpoint_url(trader.login, trader.client, endpoint)
    return replace(trader, account_id=account_id, endpoint_url=address)


async def a_fill_each(stage: Stage) -> list[str]:
    """An alert at the same moment to each broker, three fills."""
    intents = {
        "tradelocker": {"symbol": "OANDA:EURUSD", "qty_mode": "lots", "qty": "0.10"},
        "topstepx": {"symbol": "CME_MINI:MES1!", "qty_mode": "contracts", "qty": "1"},
        "metatrader": {"symbol": "OANDA:GBPUSD", "qty_mode": "lots", "qty": "0.10"},
    }
    roads = await asyncio.gather(
        *(
            stage.filled(stage.at[broker], broker=broker, action="open", side="buy", **intent)
            for broker, intent in intents.items()
        )
    )
    lines: list[str] = []
    for broker, road in zip(intents, roads, strict=True):
        expect([order["status"] for order in road.orders] == ["filled"], f"{broker}: {road.orders}")
        lines += [f"{NAMES[broker]}:", *(f"  {line}" for line in road_lines(road, brief=True))]
    return lines


RISKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("metatrader", {"symbol": "OANDA:EURUSD", "side": "buy", "sl": {"mode": "pips", "value": 20}}),
    ("tradelocker", {"symbol": "OANDA:USDJPY", "side": "sell", "sl": {"mode": "pips", "value": 30}}),
    ("metatrader", {"symbol": "OANDA:XAUUSD", "side": "buy", "sl": {"mode": "offset", "value": "8.5"}}),
    ("topstepx", {"symbol": "CME_MINI:MNQ1!", "side": "sell", "sl": {"mode": "offset", "value": "100"}}),
)
"""Four markets whose ticks are worth something else: in dollars, in yen, of gold, of a future."""


async def one_percent(stage: Stage) -> list[str]:
    """1 % of the account at risk on each, with the arithmetic that the trace holds."""
    lines: list[str] = []
    for broker, intent in RISKED:
        road = await stage.filled(
            stage.at[broker], broker=broker, action="open", qty_mode="risk_pct", qty="1", **intent
        )
        lines += _arithmetic(broker, intent["symbol"].partition(":")[2], road)
    return lines


def _arithmetic(broker: str, symbol: str, road: events.Road) -> list[str]:
    """How the size came about, in the numbers of the trace's size step, and the order that was made of it."""
    step = next(each for each in road.deliveries[0]["trace"] if each["stage"] == "size")
    size, (order,) = step["detail"]["sizing"], road.orders
    money, unit = size["currency"], size["unit"].removesuffix("s")
    expect(Decimal(order["filled_qty"]) == Decimal(size["qty"]), f"not filled as sized: {order}")
    expect(Decimal(size["worst_loss"]) <= Decimal(size["risk_money"]), f"more at risk than allowed: {size}")
    return [
        f"{symbol} at {NAMES[broker]}: {size['amount']} % of {size['base_money']} is {size['risk_money']} {money}",
        f"  stop {size['stop_price']} is {size['ticks']} ticks from {size['entry_price']}; a tick of one {unit} is "
        f"{size['tick_value']} {money}, with {size['commission_per_unit']} commission one {unit} loses "
        f"{size['loss_per_unit']} {money}",
        f"  {size['risk_money']} / {size['loss_per_unit']} = {size['qty_before_step']}, in steps of "
        f"{size['qty_step']}: {size['qty']} {size['unit']}, {Decimal(size['worst_loss']):.2f} {money} at risk",
        f"  {order_line(order)}",
    ]


async def flatten_while_one_hangs(stage: Stage) -> list[str]:
    """Flat everywhere else, told as still trying at the broker that hangs, and flat there when it works again."""
    begun = time.monotonic()
    await stage.brokers[HANGING].hang(HANG_S)
    try:
        asked = await flatten.ask(stage.trader.client, None)
        assert asked is not None  # there are accounts
        lines = await _flat(stage, asked, but=HANGING)
    finally:
        await stage.brokers[HANGING].recover()
    took = time.monotonic() - begun
    expect("still trying" in "".join(lines), f"nothing was left to do: {lines}")
    shown = [f"{NAMES[HANGING]} hangs, after {took:.1f} s:", *lines]
    lines = await _flat(stage, asked)
    took = time.monotonic() - begun
    return [*shown, f"{NAMES[HANGING]} answers again, after {took:.1f} s:", *lines]


async def _flat(stage: Stage, asked: flatten.Asked, but: str = "") -> list[str]:
    """A line per account, in the order of brokers, once all are flat, but perhaps those at one broker."""
    seen: list[tuple[str, str]] = []

    async def all_flat() -> bool:
        nonlocal seen
        lines, *_ = await flatten.look(stage.trader.client, asked)
        seen = [(row["broker"], line) for row, line in zip(asked.accounts, lines, strict=True)]
        return all(line.endswith(": flat") for broker, line in seen if broker != but)

    await until(all_flat, "an account is not flat")
    return sorted(f"  {NAMES.get(broker, 'Paper')} {line}" for broker, line in seen)


SCENES: tuple[tuple[str, Callable[[Stage], Awaitable[list[str]]]], ...] = (
    ("logins at three brokers", connected),
    ("an alert to each broker, three fills", a_fill_each),
)
RISKED_SCENES: tuple[tuple[str, Callable[[Stage], Awaitable[list[str]]]], ...] = (
    ("1 % of the account at risk in four markets", one_percent),
)
ENDING: tuple[tuple[str, Callable[[Stage], Awaitable[list[str]]]], ...] = (
    ("a flatten while one broker hangs", flatten_while_one_hangs),
)
"""What leaves nothing open."""
