"""The account's day: when it begins, what it began with, what was paid in and out, how it ended."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from tests.integration.engine.road import Road
from tests.integration.engine.watching import START, Watch, as_user, held, later, rule

NEW_YORK = {"timezone": "America/New_York", "reset_time": "17:00"}


def utc(day: int, clock: str, month: int = 3) -> datetime:
    """A moment of 2026."""
    return datetime.fromisoformat(f"2026-{month:02}-{day:02}T{clock}:00+00:00")


@pytest.fixture
async def watch(road: Road) -> Watch:
    """A real account, its days by New York, 17:00."""
    trader = await road.trader(broker="tradelocker")
    return await Watch.of(road, trader.account, **NEW_YORK)


@pytest.mark.parametrize(
    ("zone", "reset", "at", "day"),
    [
        ("America/New_York", "17:00", utc(6, "21:59"), "2026-03-05"),
        ("America/New_York", "17:00", utc(6, "22:00"), "2026-03-06"),  # 17:00 in winter
        ("America/New_York", "17:00", utc(8, "20:59"), "2026-03-07"),
        (
            "America/New_York",
            "17:00",
            utc(8, "21:00"),
            "2026-03-08",
        ),  # 17:00 in summer, which began at 07:00 UTC
        (
            "America/New_York",
            "02:30",
            utc(8, "07:29"),
            "2026-03-07",
        ),  # 02:30 does not exist: half an hour after 03:00
        ("America/New_York", "02:30", utc(8, "07:30"), "2026-03-08"),
        (
            "America/New_York",
            "01:30",
            utc(1, "05:45", 11),
            "2026-10-31",
        ),  # 01:30 comes twice: the second one counts
        ("America/New_York", "01:30", utc(1, "06:15", 11), "2026-10-31"),
        ("America/New_York", "01:30", utc(1, "06:30", 11), "2026-11-01"),
        ("Europe/Prague", "00:00", utc(29, "21:59"), "2026-03-29"),  # the day with 23 hours
        ("Europe/Prague", "00:00", utc(29, "22:00"), "2026-03-30"),
        ("Asia/Kolkata", "00:00", utc(6, "18:30"), "2026-03-07"),
    ],
)
async def test_days_run_from_reset_to_reset(
    road: Road, zone: str, reset: str, at: datetime, day: str
) -> None:
    """A trading day belongs to the account's zone and reset, also where the clocks change that day."""
    found = await road.value(
        "select engine.trading_day($1::text, $2::text::time, $3)::text", *(zone, reset, at)
    )
    assert found == day
    began = await road.value("select engine.day_began($1, $2::text::time, $3::text::date)", zone, reset, day)
    ends = await road.value(
        "select engine.day_began($1, $2::text::time, $3::text::date + 1)", zone, reset, day
    )
    assert began <= at < ends


async def test_a_day_begins_with_the_mark_nearest_to_its_reset(watch: Watch) -> None:
    """Read 20 s before and 5 s after the reset: the day begins with the later one, and knows its bounds in UTC."""
    await watch.read(later(utc(6, "22:00"), seconds=-20), 10_000)
    await watch.read(later(utc(6, "22:00"), seconds=5), 10_000, 10_040, [held()])
    day = await watch.day("2026-03-06")
    assert day is not None
    assert (day["source"], day["start_balance"], day["start_equity"]) == ("seen", 10_000, 10_040)
    assert (day["began_at"], day["ends_at"]) == ("2026-03-06T22:00:00+00:00", "2026-03-07T22:00:00+00:00")
    await watch.read(later(utc(6, "22:00"), minutes=5), 10_000, 10_300, [held()])
    await watch.read(later(utc(6, "22:00"), minutes=6), 10_000, 9_800, [held()])
    day = await watch.day("2026-03-06")
    assert day is not None
    assert (day["high_water"], day["low_water"]) == (10_300, 9_800)
    assert (await watch.marks())["peak_equity"] == 10_300


async def test_a_reset_nobody_saw_is_unknown(watch: Watch) -> None:
    """A position was open over the reset and nobody read the account: its start is not known, entries will be denied."""
    await watch.read(utc(6, "20:00"), 10_000, 10_100, [held()])
    await watch.read(utc(7, "02:00"), 10_000, 9_900, [held()])
    day = await watch.day("2026-03-06")
    assert day is not None
    assert (day["source"], day["start_equity"], day["low_water"]) == (None, None, 9_900)


async def test_a_reset_is_rebuilt_from_fills(watch: Watch) -> None:
    """Flat before and at the reset, and the fills explain every cent: the balance at the reset is known."""
    await watch.read(utc(6, "20:00"), 10_000)
    await watch.fill(utc(6, "21:00"), 0, effect="open")
    await watch.fill(utc(6, "21:30"), -100, commission=5)
    await watch.fill(utc(6, "23:00"), 0, "p2", "open")
    await watch.fill(utc(6, "23:30"), 50, "p2")
    await watch.read(utc(7, "02:00"), 9_945)
    day, before = await watch.day("2026-03-06"), await watch.day("2026-03-05")
    assert day is not None
    assert before is not None
    assert (day["source"], day["start_balance"], day["start_equity"]) == ("rebuilt", 9_895, 9_895)
    assert before["close_balance"] == 9_895


@pytest.mark.parametrize("trouble", ["unexplained", "open over the reset"])
async def test_what_fills_do_not_explain_is_not_guessed(watch: Watch, trouble: str) -> None:
    """A cent that no fill explains, or a position over the reset: the day's start stays unknown."""
    await watch.read(utc(6, "20:00"), 10_000)
    await watch.fill(utc(6, "21:00"), 0, effect="open")
    await watch.fill(utc(6, "23:00") if trouble == "open over the reset" else utc(6, "21:30"), -100)
    await watch.read(utc(7, "02:00"), 9_900 if trouble == "open over the reset" else 9_899)
    day = await watch.day("2026-03-06")
    assert day is not None
    assert day["source"] is None


async def test_paper_has_no_gap(road: Road) -> None:
    """The paper book is ours, so its fills are all there is: a reset nobody saw is rebuilt on first sight."""
    trader = await road.trader()
    watch = await Watch.of(road, trader.account, "paper", **NEW_YORK)
    await watch.fill(utc(6, "21:00"), 0, effect="open")
    await watch.fill(utc(6, "23:00"), -100)
    await watch.read(utc(7, "02:00"), 9_900)
    day = await watch.day("2026-03-06")
    assert day is not None
    assert (day["source"], day["start_balance"]) == ("rebuilt", 10_000)


async def test_money_paid_in_and_out_is_no_result(road: Road, watch: Watch) -> None:
    """A deposit and, on a flat account, a withdrawal are flows of the day; its trader is told."""
    await watch.read(START, 10_000)
    await watch.read(later(START, seconds=30), 12_500)
    await watch.read(later(START, seconds=60), 12_000)
    assert (await watch.day("2026-03-01") or {})["flows"] == 2_000
    told = await road.column("select message from public.logs where type = 'money_moved' order by id")
    assert [line.split(":")[0] for line in told] == [
        f"2500.00 USD were paid in to L{watch.account[:8]}",
        f"500.00 USD were paid out of L{watch.account[:8]}",
    ]


@pytest.mark.parametrize(
    ("before", "after", "seconds", "balance", "flow"),
    [
        ([], [], 600, 9_700, 0),  # nobody looked for ten minutes: a trade may lie in between
        ([held()], [], 1, 9_700, 0),  # a stop was hit that is not recorded yet
        (
            [held()],
            [held()],
            1,
            9_700,
            0,
        ),  # a fee, a swap, or a withdrawal: a loss until somebody says otherwise
        ([held()], [], 1, 10_300, 0),  # a target was hit
        ([held()], [held()], 1, 10_300, 300),
        ([], [], 3_600, 10_300, 300),
        ([held()], [held(qty=2)], 1, 10_300, 0),
    ],
)
async def test_a_loss_is_never_taken_for_a_withdrawal(
    watch: Watch,
    before: list[dict[str, object]],
    after: list[dict[str, object]],
    seconds: int,
    balance: int,
    flow: int,
) -> None:
    """What falls counts as lost where a trade can explain it, what rises as paid in where none can."""
    await watch.read(START, 10_000, positions=before)
    await watch.read(later(START, seconds=seconds), balance, positions=after)
    assert (await watch.day("2026-03-01") or {})["flows"] == flow


async def test_a_fill_told_late_takes_its_money_back(watch: Watch) -> None:
    """A gain that nobody could explain was a trade after all: it is no deposit any more, and no withdrawal follows."""
    await watch.read(START, 10_000)
    await watch.read(later(START, minutes=20), 10_300)
    assert (await watch.day("2026-03-01") or {})["flows"] == 300
    await watch.fill(later(START, minutes=5), 0, effect="open", created_at=later(START, minutes=21))
    await watch.fill(later(START, minutes=10), 300, created_at=later(START, minutes=21))
    await watch.read(later(START, minutes=22), 10_300)
    await watch.read(later(START, minutes=23), 10_300)
    assert (await watch.day("2026-03-01") or {})["flows"] == 0


async def test_nothing_is_concluded_while_an_order_is_on_its_way(road: Road) -> None:
    """The balance has a fill that is not recorded yet: no flow, neither now nor when it is."""
    trader = await road.trader()
    watch = await Watch.of(road, trader.account, "paper")
    now = datetime.now(UTC)
    await watch.read(later(now, seconds=-100), 10_000)
    await road.accept(trader)
    (claimed,) = await road.claim(1)
    await road.open_one(claimed)
    await watch.read(later(now, seconds=1), 10_080)
    ask = "select distinct flows from engine.account_days where account_id = $1::text::uuid"
    assert await road.column(ask, watch.account) == [0]


async def test_a_day_closes_with_what_the_next_begins_with(road: Road, watch: Watch) -> None:
    """Close, net result without what was paid in, the highest close, the best day and the sum of net days."""
    balance = 10_000
    await watch.read(utc(3, "22:00"), balance)
    for day, (result, deposit) in enumerate([(500, 0), (-300, 0), (100, 1_000)], start=4):
        noon = utc(day, "12:00")
        await watch.read(noon, balance, positions=[held()])
        await watch.fill(later(noon, seconds=5), result)
        await watch.read(later(noon, seconds=10), balance + result)
        balance += result + deposit
        await watch.read(later(noon, seconds=20), balance)
        await watch.read(utc(day, "22:00"), balance)
    days = await road.admin.fetch(
        "select trading_day::text as day, net, flows from engine.account_days"
        " where account_id = $1::text::uuid and net is not null order by 1",
        watch.account,
    )
    assert [(row["day"], row["net"], row["flows"]) for row in days] == [
        ("2026-03-03", 500, 0),
        ("2026-03-04", -300, 0),
        ("2026-03-05", 100, 1_000),
    ]
    assert (await watch.marks())["high_close"] == 11_300
    profits = await road.value("select engine.profits_json($1::text::uuid)", watch.account)
    assert profits == {"best_day": 500, "net_profit": 300}


async def test_the_week_begins_on_sunday(road: Road, watch: Watch) -> None:
    """The start of the week is that of its first day, after Sunday's reset; flows of all its days count."""
    sunday = utc(8, "21:00")
    await watch.read(later(sunday, seconds=-10), 10_000)
    await watch.read(later(sunday, seconds=10), 10_000)
    await watch.read(later(sunday, hours=24), 10_000)
    await watch.read(later(sunday, hours=24, seconds=30), 10_700)
    found = await road.value(
        "select engine.week_json(a, $2, engine.day_json(a, $2)) from public.broker_accounts a where id = $1::text::uuid",
        *(watch.account, later(sunday, hours=26)),
    )
    assert (found["start_equity"], found["flows"]) == (10_000, 700)
    assert found["ends_at"] == "2026-03-15T21:00:00+00:00"


async def test_the_minute_before_the_reset_tells_the_start(road: Road, watch: Watch) -> None:
    """Between the reset and the first read after it the day is known already by the mark before; a minute later it is not."""
    reset = utc(6, "22:00")
    await watch.read(later(reset, seconds=-20), 10_000, 10_050, [held()])
    ask = "select engine.day_json(a, $2) from public.broker_accounts a where id = $1::text::uuid"
    found = await road.value(ask, *(watch.account, later(reset, seconds=3)))
    assert (found["start_equity"], found["trading_day"]) == (10_050, "2026-03-06")
    await watch.read(later(reset, seconds=-10), 10_000, 10_060, [held()])
    assert (await road.value(ask, *(watch.account, later(reset, hours=1))))["start_equity"] == 10_060
    assert await road.value(ask, *(watch.account, later(reset, hours=25))) is None


async def test_another_reset_is_another_day(road: Road, watch: Watch) -> None:
    """The reset is moved: the start is looked up in the history of equity, or else it is not known."""
    await watch.read(later(utc(6, "22:00"), seconds=5), 10_000)
    for minutes in range(0, 10, 2):
        await watch.read(later(utc(6, "23:00"), minutes=minutes), 10_000, 10_010 + minutes, [held()])
    await road.set("public.broker_accounts", watch.account, reset_time="18:04")
    await watch.read(later(utc(6, "23:00"), minutes=12), 10_000, 9_990, [held()])
    day = await watch.day("2026-03-06")
    assert day is not None
    assert (day["source"], day["start_equity"]) == ("rebuilt", 10_014)
    await road.set("public.broker_accounts", watch.account, reset_time="17:30")
    await watch.read(later(utc(6, "23:00"), minutes=13), 10_000, 9_990, [held()])
    day = await watch.day("2026-03-06")
    assert day is not None
    assert day["source"] is None


async def test_the_trader_confirms_what_nobody_saw(road: Road) -> None:
    """His figure is that of the reset, so what was paid in since counts; what is known is not to be confirmed again."""
    trader = await road.trader(broker="tradelocker")
    watch = await Watch.of(road, trader.account)
    await road.admin.execute(
        "update public.broker_accounts set reset_time = ((now() - interval '2 hours') at time zone 'UTC')::time"
    )
    now = datetime.now(UTC)
    await watch.read(later(now, seconds=-90), 10_000, positions=[held()])
    await watch.read(later(now, seconds=-60), 10_500, positions=[held()])
    await rule(road, trader.user, {"daily_loss": {"limit": 500, "unit": "usd"}})
    assert (await watch.risk() or {})["day"] is None
    async with as_user(road, trader.user) as user:
        for amount, why in (("0", "more than 0"), ("'NaN'", "more than 0"), ("200000", "cannot be right")):
            with pytest.raises(asyncpg.PostgresError, match=why):
                await user.execute(f"select public.confirm_day_start('{trader.account}', {amount})")
        await user.execute(f"select public.confirm_day_start('{trader.account}', 10100)")
        await user.execute(f"select public.confirm_day_start('{trader.account}', 10200, 9900)")
        day = (await watch.risk() or {})["day"]
        assert (day["start_balance"], day["start_equity"], day["flows"], day["source"]) == (
            10_200,
            10_200,
            500,
            "confirmed",
        )
        await road.admin.execute("update engine.account_days set source = 'seen'")
        with pytest.raises(asyncpg.PostgresError, match="is known"):
            await user.execute(f"select public.confirm_day_start('{trader.account}', 9000)")
    assert await road.value("select count(*) from public.logs where type = 'day_start_confirmed'") == 2
