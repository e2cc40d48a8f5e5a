"""set_risk: what is refused, what counts at once, what waits, and who can read it afterwards."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.security.people import (
    GUARDED,
    OWNER,
    OWNER_AT_AAL1,
    OWNER_STEPPED_UP,
    OWNER_WITHOUT_FACTOR,
    Actor,
    account,
    acting,
    refused,
    seed,
)
from tests.support.clusters import Database

LIVE = json.dumps({"account_id": account(GUARDED, "live")})
PAPER = json.dumps({"account_id": account(GUARDED)})
DAY: dict[str, Any] = {"limit": 500, "unit": "usd"}
TRAIL: dict[str, Any] = {"kind": "end_of_day", "amount": 2000, "unit": "account"}
WINDOW = {"days": ["mon"], "from": "09:00", "to": "17:00"}


NONSENSE: list[tuple[Any, str]] = [
    ({"no_such_rule": {}}, "rules.no_such_rule"),
    ({"daily_loss": 5}, "rules.daily_loss"),
    ({"daily_loss": {**DAY, "colour": "red"}}, "rules.daily_loss.colour"),
    ({"daily_loss": {"unit": "usd"}}, "rules.daily_loss.limit"),
    ({"daily_loss": {**DAY, "limit": None}}, "rules.daily_loss.limit"),
    ({"daily_loss": {**DAY, "limit": "NaN"}}, "rules.daily_loss.limit"),
    ({"daily_loss": {**DAY, "limit": "5OO"}}, "rules.daily_loss.limit"),
    ({"daily_loss": {**DAY, "limit": -1}}, "rules.daily_loss.limit"),
    ({"daily_loss": {**DAY, "limit": 10**12}}, "rules.daily_loss.limit"),
    ({"daily_loss": {**DAY, "limit": 1e-30}}, "rules.daily_loss.limit"),
    ({"daily_loss": {"limit": 0, "unit": "pct_of_initial"}}, "rules.daily_loss.limit"),
    ({"daily_loss": {"limit": 101, "unit": "pct_of_initial"}}, "rules.daily_loss.limit"),
    ({"daily_loss": {**DAY, "unit": "eur"}}, "rules.daily_loss.unit"),
    ({"daily_loss": {**DAY, "buffer_pct": 100}}, "rules.daily_loss.buffer_pct"),
    ({"daily_loss": {**DAY, "reference": True}}, "rules.daily_loss.reference"),
    ({"trailing_drawdown": {**TRAIL, "amount": 0}}, "rules.trailing_drawdown.amount"),
    ({"trailing_drawdown": {**TRAIL, "floor_seed": "x"}}, "rules.trailing_drawdown.floor_seed"),
    ({"trailing_drawdown": {**TRAIL, "start": 50000, "cap": 47000}}, "rules.trailing_drawdown.cap"),
    (
        {"trailing_drawdown": {**TRAIL, "floor_seed": {"amount": 0, "on": "2026-11-02", "by": "me"}}},
        "rules.trailing_drawdown.floor_seed.amount",
    ),
    (
        {"trailing_drawdown": {**TRAIL, "floor_seed": {"amount": 1, "on": "2026-02-30", "by": "me"}}},
        "rules.trailing_drawdown.floor_seed.on",
    ),
    (
        {"trailing_drawdown": {**TRAIL, "floor_seed": {"amount": 1}}},
        "rules.trailing_drawdown.floor_seed.on",
    ),
    ({"max_qty": {}}, "rules.max_qty"),
    ({"max_qty": {"per_symbol": {"mes": 1}}}, "rules.max_qty.per_symbol"),
    ({"max_qty": {"per_symbol": {"MES": "NaN"}}}, "rules.max_qty.per_symbol.MES"),
    ({"max_qty": {"per_account": 1, "mini_of": {"MES": "MES"}}}, "rules.max_qty.mini_of.MES"),
    (
        {
            "max_qty": {
                "scaling": [
                    {"profit_from": 5, "per_account": 1},
                    {"profit_from": 5, "per_account": 2},
                ]
            }
        },
        "rules.max_qty.scaling[1].profit_from",
    ),
    ({"exposure": {"per_group_usd": 5}}, "rules.exposure"),
    (
        {"exposure": {"per_group_usd": 5, "groups": {"a": ["ES"], "b": ["ES"]}}},
        "rules.exposure.groups.b",
    ),
    ({"exposure": {"per_group_usd": 5, "groups": {"a": []}}}, "rules.exposure.groups.a"),
    ({"margin_use": {"max_pct": 100.5}}, "rules.margin_use.max_pct"),
    ({"stop_distance": {}}, "rules.stop_distance"),
    ({"spread": {}}, "rules.spread"),
    ({"cool_down": {"after_losses": 1.5, "minutes": 5}}, "rules.cool_down.after_losses"),
    ({"cool_down": {"minutes": 0}}, "rules.cool_down"),
    ({"hours": {"tz": "Europe/Berlin"}}, "rules.hours"),
    ({"hours": {"windows": [WINDOW], "tz": "Europe/Atlantis"}}, "rules.hours.tz"),
    ({"hours": {"windows": [{**WINDOW, "to": "09:00"}]}}, "rules.hours.windows[0].to"),
    ({"hours": {"windows": [{**WINDOW, "to": "24:00"}]}}, "rules.hours.windows[0].to"),
    ({"hours": {"windows": [{**WINDOW, "days": ["someday"]}]}}, "rules.hours.windows[0].days"),
    ({"hours": {"windows": []}}, "rules.hours.windows"),
    ({"flat_by": {"time": "3pm", "tz": "UTC"}}, "rules.flat_by.time"),
    ({"hours": {"calendar": "moon"}}, "rules.hours.calendar"),
    ({"news": {"calendar": "../etc", "before_min": 1, "after_min": 1}}, "rules.news.calendar"),
    ({"no_opposite": {"across": "world"}}, "rules.no_opposite.across"),
    ({"sides": {"allowed": ["up"]}}, "rules.sides.allowed"),
    ({"duplicates": {"window_s": 0}}, "rules.duplicates"),
    ({"pack": {"name": "", "version": "1", "size": "50K", "stage": "combine"}}, "rules.pack.name"),
]


@pytest.fixture
def people(database: Database) -> Database:
    """Users with rows and idle accounts."""
    seed(database)
    return database


async def put(database: Database, scope: str, actor: Actor = OWNER_STEPPED_UP, **values: Any) -> None:
    """set_risk, kept."""
    async with acting(database, actor, keep=True) as connection:
        await connection.execute("select public.set_risk($1, $2)", scope, json.dumps(values))


def in_force(database: Database, environment: str = "live") -> dict[str, Any]:
    """The limits that count for GUARDED's account now, whatever scope they are from."""
    row = database.sql(
        "select to_jsonb(l) || jsonb_build_object('rules', ("
        " select coalesce(jsonb_agg(r.rules), '[]') from engine.limits_in_force r"
        f" where r.account_id = l.account_id)) from engine.account_limits l"
        f" where account_id = '{account(GUARDED, environment)}'"
    )
    found: dict[str, Any] = json.loads(row, parse_float=Decimal)
    return found


def pass_time(database: Database, hours: float) -> None:
    """Every time of the limits is so much further back."""
    by = f"interval '{hours} hours'"
    database.sql(
        f"""update public.risk_settings set effective_from = effective_from - {by}, created_at = created_at - {by},
          ends_at = ends_at - {by}, superseded_at = superseded_at - {by};
        update public.profiles set loosen_delay_next_from = loosen_delay_next_from - {by};
        update public.broker_accounts set next_settings_from = next_settings_from - {by}"""
    )


async def test_rules_that_make_no_sense(people: Database) -> None:
    """Refused with 422: the path of the field, what was sent, and a sentence."""
    async with acting(people, OWNER_WITHOUT_FACTOR) as connection:
        for rules, path in NONSENSE:
            text = json.dumps({"rules": rules})
            with pytest.raises(asyncpg.PostgresError) as caught:
                async with connection.transaction():
                    await connection.execute("select public.set_risk('{}', $1)", text)
            assert (caught.value.sqlstate, caught.value.detail) == ("PT422", path), rules
            sentence = str(caught.value.args[0])
            assert sentence.startswith(f"{path} is "), sentence
            assert sentence.endswith("."), sentence


async def test_absurd_numbers_name_their_column(people: Database) -> None:
    """The old limits, too: not finite, negative or absurd is refused with the limit's name and the bound."""
    for values, text in (
        ({"max_order_qty": "NaN"}, 'max_order_qty is "NaN": it must be a number.'),
        ({"max_daily_loss_pct": 101}, "max_daily_loss_pct is 101: at most 100 is allowed."),
        ({"max_open_trades": -1}, "max_open_trades is -1: at least 0 is allowed."),
    ):
        async with acting(people, OWNER_WITHOUT_FACTOR) as connection:
            with pytest.raises(asyncpg.PostgresError, match=text):
                await connection.execute("select public.set_risk('{}', $1)", json.dumps(values))


async def test_a_looser_limit_waits_a_day(people: Database) -> None:
    """With a step-up it is taken, and counts after the delay; until then the old one does. Nobody has to do anything."""
    await put(people, LIVE, max_order_qty=1)
    await put(people, LIVE, max_order_qty=5)
    assert in_force(people)["max_order_qty"] == 1
    waits = people.sql(
        "select waits ->> 'max_order_qty', effective_from - now() between interval '23 hours 59 minutes' and"
        f" interval '24 hours' from public.pending_risk where account_id = '{account(GUARDED, 'live')}'"
    )
    assert waits == "5|t"
    pass_time(people, 25)
    assert in_force(people)["max_order_qty"] == 5
    assert (
        people.sql("select count(*) from public.pending_risk where kind = 'limits' and broker is null") == "0"
    )


async def test_a_change_that_does_both(people: Database) -> None:
    """What tightens counts at once, what loosens later: field by field, also inside a rule."""
    rule = {"limit": 500, "unit": "usd", "buffer_pct": 10}
    await put(people, LIVE, max_order_qty=5, max_open_trades=5, rules={"daily_loss": rule})
    both = {"limit": 400, "unit": "usd", "buffer_pct": 5}
    await put(people, LIVE, max_order_qty=9, max_open_trades=2, rules={"daily_loss": both})
    now = in_force(people)
    assert (now["max_order_qty"], now["max_open_trades"]) == (5, 2)
    assert now["rules"] == [{"daily_loss": {"limit": 400, "unit": "usd", "buffer_pct": 10}}]
    pass_time(people, 25)
    then = in_force(people)
    assert (then["max_order_qty"], then["max_open_trades"]) == (9, 2)
    assert then["rules"] == [{"daily_loss": both}]


async def test_what_cannot_be_compared_waits(people: Database) -> None:
    """Another unit makes the numbers mean something else: the old rule stays whole until the delay has passed."""
    await put(people, LIVE, rules={"daily_loss": {"limit": 500, "unit": "usd"}})
    await put(people, LIVE, rules={"daily_loss": {"limit": 1, "unit": "pct_of_initial"}})
    assert in_force(people)["rules"] == [{"daily_loss": {"limit": 500, "unit": "usd"}}]


async def test_tightening_tightens_what_waits(people: Database) -> None:
    """A tighter value replaces the looser one that waits and need not wait anew; the rest waits on."""
    await put(people, LIVE, max_order_qty=1, max_open_trades=1)
    await put(people, LIVE, max_order_qty=9, max_open_trades=9)
    pass_time(people, 20)
    await put(people, LIVE, actor=OWNER_AT_AAL1, max_order_qty=3)
    assert in_force(people)["max_order_qty"] == 1
    pass_time(people, 5)
    now = in_force(people)
    assert (now["max_order_qty"], now["max_open_trades"]) == (3, 9)


async def test_loosening_again_waits_anew(people: Database) -> None:
    """More than what waits already is a new wish, and waits from now on."""
    await put(people, LIVE, max_order_qty=1)
    await put(people, LIVE, max_order_qty=5)
    pass_time(people, 20)
    await put(people, LIVE, max_order_qty=6)
    pass_time(people, 20)
    assert in_force(people)["max_order_qty"] == 1
    pass_time(people, 5)
    assert in_force(people)["max_order_qty"] == 6


async def test_what_waits_can_be_cancelled(people: Database) -> None:
    """Without a step-up: the limits stay as they are, for good."""
    await put(people, LIVE, max_order_qty=1)
    await put(people, LIVE, max_order_qty=5)
    async with acting(people, OWNER_AT_AAL1, keep=True) as connection:
        assert await connection.fetchval("select public.cancel_pending_risk($1)", LIVE) is True
        assert await connection.fetchval("select public.cancel_pending_risk($1)", LIVE) is False
    pass_time(people, 48)
    assert in_force(people)["max_order_qty"] == 1
    await put(people, LIVE, actor=OWNER_AT_AAL1, max_order_qty=0.5)
    assert in_force(people)["max_order_qty"] == Decimal("0.5")


async def test_practice_money_does_not_wait(people: Database) -> None:
    """On a paper account looser limits count at once, and ask for nothing."""
    await put(people, PAPER, actor=OWNER_AT_AAL1, max_order_qty=1)
    await put(people, PAPER, actor=OWNER_AT_AAL1, max_order_qty=5)
    assert in_force(people, "paper")["max_order_qty"] == 5


async def test_the_delay_is_a_limit_itself(people: Database) -> None:
    """Longer counts at once; shorter waits for the delay that it shortens."""
    await put(people, LIVE, max_order_qty=1)
    async with acting(people, OWNER_STEPPED_UP, keep=True) as connection:
        assert await connection.fetchval("select public.set_loosen_delay(2880)") is None
        assert await connection.fetchval("select public.set_loosen_delay(0)") is not None
    await put(people, LIVE, max_order_qty=5)
    pass_time(people, 47)
    assert in_force(people)["max_order_qty"] == 1
    pass_time(people, 2)
    assert in_force(people)["max_order_qty"] == 5
    await put(people, LIVE, max_order_qty=6)
    assert in_force(people)["max_order_qty"] == 6


async def test_every_change_is_recorded(people: Database) -> None:
    """Who, the scope, old and new values, what counts at once and from when on the rest does."""
    await put(people, LIVE, max_order_qty=1, max_open_trades=5)
    await put(people, LIVE, max_order_qty=5, max_open_trades=4)
    row = json.loads(
        people.sql(
            f"select to_jsonb(a) from public.admin_actions a where target_user_id = '{GUARDED}'"
            " order by id desc limit 1"
        )
    )
    assert (row["action"], row["actor"]) == ("limits_loosened", "owner")
    said = row["details"]
    assert said["account_id"] == account(GUARDED, "live")
    assert (said["now"], said["later"]) == ({"max_open_trades": [5, 4]}, {"max_order_qty": [1, 5]})
    assert said["effective_from"] > row["created_at"]


async def test_a_first_ceiling_above_the_usual_one_loosens(people: Database) -> None:
    """A trade may risk 5 % where nobody says anything: 10 % asks for a step-up, and waits."""
    scope = json.dumps({"account_id": account(OWNER, "live")})
    async with (
        acting(people, OWNER_WITHOUT_FACTOR) as connection,
        refused(connection, "PT403", "second_factor_required"),
    ):
        await connection.execute("select public.set_risk($1, $2)", scope, '{"max_risk_per_trade_pct": 10}')
    await put(people, LIVE, max_risk_per_trade_pct=10)
    assert in_force(people)["max_risk_per_trade_pct"] == 5
    pass_time(people, 25)
    assert in_force(people)["max_risk_per_trade_pct"] == 10


async def test_two_spellings_are_one_symbol(people: Database) -> None:
    """An exchange in front does not make a symbol a new one: no loosening; another symbol is one."""
    await put(people, LIVE, allowed_symbols=["EURUSD", "GBPUSD"])
    await put(people, LIVE, actor=OWNER_AT_AAL1, allowed_symbols=["OANDA:EURUSD"])
    assert in_force(people)["allowed_symbols"] == ["EURUSD"]
    await put(people, LIVE, allowed_symbols=["OANDA:EURUSD", "USDJPY"])
    assert in_force(people)["allowed_symbols"] == ["EURUSD"]


async def test_entries_are_not_admitted_while_limits_change(people: Database) -> None:
    """set_risk takes the lock under which entries of the user are admitted: before or after, never beside it."""
    async with acting(people, OWNER_AT_AAL1) as connection:
        await connection.execute("select public.set_risk($1, $2)", LIVE, '{"max_order_qty": 1}')
        free = await people.connect("supabase_admin")
        taken = await free.fetchval("select pg_try_advisory_lock(hashtextextended($1, 0))", GUARDED)
        await free.close()
    assert taken is False


async def test_an_accounts_day_waits_too(people: Database) -> None:
    """Another zone, reset or initial balance of a live account counts after the delay; what was there cancels it."""
    live = account(GUARDED, "live")
    now = f"select timezone, reset_time, initial_balance from public.broker_accounts where id = '{live}'"
    told = "select waits from public.pending_risk where kind = 'account'"
    values = {"timezone": "America/Chicago", "reset_time": "17:00", "initial_balance": "50000"}

    async def ask(**asked: Any) -> Any:
        async with acting(people, OWNER_STEPPED_UP, keep=True) as connection:
            return await connection.fetchval("select public.set_account($1, $2)", live, json.dumps(asked))

    assert await ask(**values) is not None
    assert people.sql(now) == "UTC|00:00:00|"
    assert json.loads(people.sql(told)) == {**values, "initial_balance": 50000}
    assert await ask(initial_balance=60000) is not None
    pass_time(people, 25)
    people.sql("select engine.housekeeping()")
    assert people.sql(now) == "America/Chicago|17:00:00|60000"
    assert people.sql(told) == ""
    assert await ask(timezone="UTC") is not None
    assert await ask(timezone="America/Chicago") is None
    assert people.sql(told) == ""


async def test_an_accounts_day_makes_sense(people: Database) -> None:
    """An unknown zone, a time that is none, a balance that is none: 422 with the setting's name."""
    for values, path in (
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"reset_time": "25:00"}, "reset_time"),
        ({"initial_balance": -1}, "initial_balance"),
        ({"initial_balance": "NaN"}, "initial_balance"),
        ({"initial_balance": None}, "initial_balance"),
        ({"balance": 5}, "balance"),
    ):
        async with acting(people, OWNER_AT_AAL1) as connection:
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.execute(
                    "select public.set_account($1, $2)", account(GUARDED), json.dumps(values)
                )
        assert (caught.value.sqlstate, caught.value.detail) == ("PT422", path)


async def test_a_paper_accounts_day_is_set_at_once(people: Database) -> None:
    """Practice money does not wait."""
    async with acting(people, OWNER_AT_AAL1, keep=True) as connection:
        asked = json.dumps({"timezone": "Europe/Prague"})
        assert await connection.fetchval("select public.set_account($1, $2)", account(GUARDED), asked) is None
    row = f"select timezone from public.broker_accounts where id = '{account(GUARDED)}'"
    assert people.sql(row) == "Europe/Prague"
