"""Trades, days, weeks and months to the cent, held against a reference that is worked out here from what was played."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from tests.integration.engine.road import Road, Trader
from tests.integration.engine.watching import Watch, as_user, held

BEGIN = datetime(2026, 2, 23, 14, tzinfo=UTC)
CENT = D("0.01")
COLUMNS = ("effect", "side", "qty", "price", "commission", "swap", "fee", "realised", "filled_at")


@dataclass
class Played:
    """One trade as it was played: from flat to flat."""

    position: str
    side: str
    fills: list[dict[str, Any]] = field(default_factory=list)

    @property
    def gross(self) -> D:
        """What its closes have brought."""
        return sum((each["realised"] for each in self.fills), D(0))

    @property
    def net(self) -> D:
        """After every cost."""
        return self.gross - sum((_costs(each) for each in self.fills), D(0))

    @property
    def closed_at(self) -> datetime:
        """When nothing was left."""
        moment: datetime = self.fills[-1]["filled_at"]
        return moment

    def average(self, effect: str) -> D:
        """The average price of what was opened, or closed."""
        mine = [each for each in self.fills if each["effect"] == effect]
        return sum((x["qty"] * x["price"] for x in mine), D(0)) / sum((x["qty"] for x in mine), D(0))


def _costs(fill: dict[str, Any]) -> D:
    costs: D = fill["commission"] + fill["swap"] + fill["fee"]
    return costs


def played(dice: random.Random, count: int, ids: int) -> list[Played]:
    """Trades one after the other under a few ids that are used again, in and out in parts, over some weeks."""
    trades, now = [], BEGIN
    for number in range(count):
        trade = Played(f"p{number % ids}", dice.choice(("buy", "sell")))
        left = D(0)
        for _ in range(dice.randint(1, 3)):
            qty = D(dice.randint(1, 9)) / 10
            now += timedelta(minutes=dice.randint(1, 90))
            trade.fills.append(_fill(dice, trade, "open", qty, D(0), now))
            left += qty
        while left:
            qty = min(left, D(dice.randint(1, 9)) / 10)
            now += timedelta(minutes=dice.randint(1, 700))
            trade.fills.append(_fill(dice, trade, "close", qty, D(dice.randint(-30_000, 30_000)) / 100, now))
            left -= qty
        trades.append(trade)
    return trades


def _fill(
    dice: random.Random, trade: Played, effect: str, qty: D, realised: D, at: datetime
) -> dict[str, Any]:
    other = {"buy": "sell", "sell": "buy"}[trade.side]
    return {
        "effect": effect,
        "side": trade.side if effect == "open" else other,
        "qty": qty,
        "price": D(dice.randint(100_000, 120_000)) / 100_000,
        "realised": realised,
        "commission": D(dice.randint(0, 700)) / 100,
        "swap": D(dice.randint(-100, 100)) / 100,
        "fee": D(dice.randint(0, 20)) / 100,
        "filled_at": at,
    }


async def kept(road: Road, account: str, trades: Sequence[Played]) -> None:
    """The fills of these trades in our books."""
    fills = [(trade, each) for trade in trades for each in trade.fills]
    await road.admin.executemany(
        "insert into public.fills (user_id, account_id, venue_fill_id, position_id, effect, symbol, side, qty, price,"
        " commission, swap, fee, realised, currency, filled_at)"
        " select user_id, id, $2, $3, $4::text::public.effect, 'EURUSD', $5::text::public.side, $6, $7, $8, $9, $10, $11, 'USD', $12"
        " from public.broker_accounts where id = $1::text::uuid",
        [
            (account, f"f{number}", trade.position, *(fill[name] for name in COLUMNS))
            for number, (trade, fill) in enumerate(fills)
        ],
    )


def day_of(at: datetime, zone: str, reset_hour: int) -> date:
    """The trading day of a moment, where the reset is a whole hour and no clock changes at it."""
    return (at.astimezone(ZoneInfo(zone)) - timedelta(hours=reset_hour)).date()


def periods(day: date) -> Iterator[tuple[str, date | None]]:
    """The figures that a day counts for."""
    yield "day", day
    yield "week", day - timedelta(days=day.weekday())
    yield "month", day.replace(day=1)
    yield "all", None


def _half_up(value: D) -> D:
    return value.quantize(CENT, rounding="ROUND_HALF_UP")


def statistics(trades: Sequence[Played]) -> dict[str, Any]:
    """The figures of some trades, in the order of their ends."""
    nets = [each.net for each in sorted(trades, key=lambda each: (each.closed_at, each.position))]
    won, lost = sum((n for n in nets if n > 0), D(0)), -sum((n for n in nets if n < 0), D(0))
    so_far = peak = fall = D(0)
    for net in nets:
        so_far += net
        peak = max(peak, so_far)
        fall = max(fall, peak - so_far)
    wins = sum(n > 0 for n in nets)
    return {
        "trades": len(nets),
        "wins": wins,
        "losses": sum(n < 0 for n in nets),
        "win_rate": _half_up(D(100) * wins / len(nets)) if nets else None,
        "expectancy": _half_up(sum(nets, D(0)) / len(nets)) if nets else None,
        "profit_factor": _half_up(won / lost) if lost else None,
        "best_trade": max(nets, default=None),
        "worst_trade": min(nets, default=None),
        "drawdown": fall if nets else None,
    }


async def rows(connection: asyncpg.Connection, text: str) -> list[dict[str, Any]]:
    """Rows as plain dicts."""
    return [dict(row) for row in await connection.fetch(text)]


@pytest.fixture
async def trader(road: Road) -> Trader:
    """One with two accounts, the first by the clock of UTC, the second by New York's."""
    made = await road.trader(accounts=2)
    await road.set("public.broker_accounts", made.accounts[0], reset_time="00:00")
    await road.set(
        "public.broker_accounts", made.accounts[1], timezone="America/New_York", reset_time="17:00"
    )
    return made


@pytest.mark.parametrize(("zone", "reset", "nth"), [("UTC", 0, 0), ("America/New_York", 17, 1)])
async def test_figures_to_the_cent(road: Road, trader: Trader, zone: str, reset: int, nth: int) -> None:
    """Two hundred trades under a few ids, in and out in parts, across days, weeks and a change of the clocks: every trade's
    average prices and net, and every figure of every period, are the reference's; the days' nets add up to all of it."""
    trades = played(random.Random(nth), 200, 3)
    await kept(road, trader.accounts[nth], trades)
    money: dict[Any, list[D]] = defaultdict(list)
    ended: dict[Any, list[Played]] = defaultdict(list)
    for trade in trades:
        for each in trade.fills:
            for period in periods(day_of(each["filled_at"], zone, reset)):
                money[period].append(each["realised"] - _costs(each))
        for period in periods(day_of(trade.closed_at, zone, reset)):
            ended[period].append(trade)
    async with as_user(road, trader.user) as owner:
        seen = await rows(owner, "select * from public.trades order by closed_at")
        figures = await rows(owner, "select * from public.results")
    assert [(x["position_id"], x["side"], x["gross"], x["net"], x["closed_at"]) for x in seen] == [
        (x.position, x.side, x.gross, x.net, x.closed_at) for x in trades
    ]
    for row, trade in zip(seen, trades, strict=True):
        assert abs(row["entry_price"] - trade.average("open")) < D("1e-10")
        assert abs(row["exit_price"] - trade.average("close")) < D("1e-10")
        assert row["trading_day"] == day_of(trade.closed_at, zone, reset)
    assert {(x["period"], x["starts"]): x["net"] for x in figures} == {k: sum(v) for k, v in money.items()}
    for row in figures:
        wanted = statistics(ended[row["period"], row["starts"]])
        assert {name: row[name] for name in wanted} == wanted, (row["period"], row["starts"])
    assert sum(x["net"] for x in figures if x["period"] == "day") == sum(each.net for each in trades)


async def test_what_is_open_is_no_trade_yet(road: Road, trader: Trader) -> None:
    """Its costs count for the day, its result is not known; closed, it is one trade. Nobody else sees any of it."""
    (trade,) = played(random.Random(5), 1, 1)
    await kept(road, trader.account, [Played(trade.position, trade.side, trade.fills[:-1])])
    other = await road.trader()
    async with as_user(road, trader.user) as owner, as_user(road, other.user) as stranger:
        assert await rows(owner, "select * from public.trades") == []
        (whole,) = await rows(owner, "select * from public.results where period = 'all'")
        assert (whole["trades"], whole["win_rate"], whole["drawdown"]) == (0, None, None)
        await road.admin.execute("delete from public.fills")
        await kept(road, trader.account, [trade])
        assert [row["net"] for row in await rows(owner, "select net from public.trades")] == [trade.net]
        for view in ("trades", "results", "excursions"):
            assert await rows(stranger, f"select * from public.{view}") == []


async def test_how_far_a_trade_went(road: Road) -> None:
    """The worst and the best that reads have seen stay with the trade, apart from the next one under the same id; its own
    result counts, too."""
    trader = await road.trader()
    await road.trade(trader)
    watch = await Watch.of(road, trader.account, "paper")
    now = datetime.now(UTC)
    for second, profit in enumerate((D("-40.10"), D("75.30"), D(-12))):
        await watch.read(
            now + timedelta(seconds=second), 10_000, 10_000 + profit, [held(unrealized_pnl=profit)]
        )
    row = (await rows(road.admin, "select worst_pnl, best_pnl from public.positions"))[0]
    assert row == {"worst_pnl": D("-40.10"), "best_pnl": D("75.30")}
    async with as_user(road, trader.user) as owner:
        assert await rows(owner, "select * from public.excursions") == []
        await _told(road, trader, "close", "90.00")
        (trade,) = await rows(owner, "select mae, mfe, net from public.trades")
        assert trade == {"mae": D("-40.10"), "mfe": D("90.00"), "net": D("90.00")}
        await _told(road, trader, "open")
        await watch.read(
            datetime.now(UTC) + timedelta(minutes=1), 10_000, 9_999, [held(unrealized_pnl=D(-1))]
        )
        row = (await rows(road.admin, "select worst_pnl, best_pnl from public.positions"))[0]
        assert row == {"worst_pnl": D(-1), "best_pnl": D(-1)}
        await _told(road, trader, "close", "-3")
        seen = await rows(owner, "select mae, mfe from public.trades order by closed_at")
        assert seen == [{"mae": D("-40.10"), "mfe": D("90.00")}, {"mae": D(-3), "mfe": D(0)}]


async def _told(road: Road, trader: Trader, effect: str, result: str = "0") -> None:
    """We are told of a fill of now: the position is opened, or closed with this result."""
    await road.admin.execute(
        "with f as (insert into public.fills (user_id, account_id, venue_fill_id, position_id, effect, symbol, side, qty, price,"
        " realised, filled_at) select user_id, account_id, gen_random_uuid()::text, venue_position_id, $3::text::public.effect,"
        " symbol, (case $3::text when 'open' then 'buy' else 'sell' end)::public.side, 1, 1.2, $2, clock_timestamp()"
        " from public.positions where account_id = $1::text::uuid returning id)"
        " select engine.move_positions(array(select id from f), null)",
        *(trader.account, D(result), effect),
    )


async def test_every_high_and_low_of_the_day_is_kept(road: Road) -> None:
    """A row at each new high or low of the day, none in between within a minute, one a minute while something is open; the
    last mark before the reset and the first after it."""
    trader = await road.trader()
    watch = await Watch.of(road, trader.account, "tradelocker", reset_time="00:00")
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    marks = [
        (0, 100),
        (1, 101),
        (2, 100),
        (3, 99),
        (4, 98),
        (5, 99),
        (30, 100),
        (61, 100),
        (70, 99),
        (130, 100),
    ]
    for second, cents in marks:
        await watch.read(noon + timedelta(seconds=second), 10_000, 10_000 + D(cents) / 100, [held()])
    midnight = noon.replace(hour=0) + timedelta(days=1)
    for second, cents in ((-50, 99), (-2, 97), (-1, 98), (1, 99)):
        await watch.read(midnight + timedelta(seconds=second), 10_000, 10_000 + D(cents) / 100, [held()])
    kept_rows = await rows(road.admin, "select timestamp, equity from public.equity_history order by id")
    told = [(row["timestamp"], int((row["equity"] - 10_000) * 100)) for row in kept_rows]
    assert told == [
        *(
            (noon + timedelta(seconds=s), c)
            for s, c in ((0, 100), (1, 101), (3, 99), (4, 98), (70, 99), (130, 100))
        ),
        *((midnight + timedelta(seconds=s), c) for s, c in ((-50, 99), (-2, 97), (-1, 98), (1, 99))),
    ]
