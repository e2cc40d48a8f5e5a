"""A stop that is gone at a broker's simulator: set again, once; where that is refused the position is closed. Real processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal as D
from functools import partial
from typing import Any

import pytest

from local.keys.files import KeyFiles
from shared.brokers.port import Broker
from shared.models.command import Protection
from shared.models.enums import CommandKind, OrderType
from shared.models.market import Instrument
from shared.models.trading import AccountSnapshot
from tests.conformance.harness import accepted, close_of, leg_of, sent
from tests.conformance.simulators import Operator, running_simulator
from tests.integration.test_books_brokers import CASES, Case, becomes, begin, mover, the_hand
from tests.integration.test_worker_connections import send
from tests.support.connections import Customer, fleet_worker
from tests.support.processes import Running
from tests.support.stacks import RunningStack
from tests.support.trading import PATIENCE_S, until

SETS = {"tradelocker": "protect", "topstepx": "place", "metatrader": "protect"}
"""By which of its operations a broker sets the stop of a position."""
REFUSALS = {"tradelocker": "stop_loss", "topstepx": "closed", "metatrader": "10016"}
LONG_AGO = (
    "update engine.commands set submitted_at = submitted_at - interval '1 minute',"
    " answered_at = answered_at - interval '1 minute';"
    "update public.fills set created_at = created_at - interval '1 minute';"
    "update public.orders set created_at = created_at - interval '2 minutes'"
)
"""Lists do not lag behind what was done so long ago."""


TOOK = (
    "select extract(epoch from n.since - '{0}') || ' ' || extract(epoch from n.asked_at - '{0}')"
    " || ' ' || extract(epoch from d.finished_at - '{0}')"
    " from engine.naked n join public.deliveries d on d.event_id = n.event_id order by n.id limit 1"
)
"""Seconds since a moment: when it was first seen, when the stop was asked for, when it was seen to stand."""


def stops(seen: AccountSnapshot) -> list[Any]:
    """Every stop that stands at the broker: as an order, or as the position's."""
    orders = [each.stop_price for each in seen.orders if each.type is OrderType.STOP and each.reduce_only]
    return orders or [each.stop_loss for each in seen.positions if each.stop_loss is not None]


async def taken_away(hand: Broker, instrument: Instrument) -> None:
    """The trader removes the stop of his position at the broker himself."""
    (held,) = (await hand.snapshot()).positions
    leg = leg_of(
        instrument, kind=CommandKind.PROTECT, side=held.side, qty=held.qty, held_qty=held.qty,
        venue_position_id=held.venue_position_id, protection=Protection(clear_stop_loss=True),
    )  # fmt: skip
    accepted(await hand.execute(sent(leg)))
    assert stops(await hand.snapshot()) == []


@contextmanager
def workers(stack: RunningStack, files: KeyFiles, venue: Operator, case: Case) -> Iterator[Running]:
    """One that executes, one that watches: that one."""
    urls = {case.place.broker: venue.url}
    with (
        fleet_worker(stack.database, files, urls),
        fleet_worker(stack.database, files, urls, "positions") as watches,
    ):
        yield watches


@pytest.mark.parametrize("case", CASES, ids=[each.place.broker for each in CASES])
async def test_a_stop_taken_away_comes_back(
    stack: RunningStack, trader: Customer, files: KeyFiles, case: Case
) -> None:
    """Taken away by hand it stands again a few seconds later where it stood, once, by one change. Taken away again while the
    broker refuses to set it, the position is closed, as the limits say, and nothing is left standing."""
    sql = stack.database.sql
    comes = partial(becomes, stack.database)

    async def answers(question: str, answer: str) -> None:
        async def there() -> bool:
            return sql(question) == answer

        await until(there, 3 * PATIENCE_S)

    changes = "select count(*) from public.webhook_events where source = 'system' and payload #>> '{intent,action}' = 'modify'"
    with (
        running_simulator(case.place.broker, "--no-limits") as venue,
        workers(stack, files, venue, case) as watches,
    ):
        url = await begin(trader, case)
        await trader.call("set_risk", p_scope={}, p_values={"naked_policy": "close"})
        mover(venue, case)(0)
        number = sql("select account_id from public.broker_accounts where trading_enabled")
        stop = str(case.bid - 10 * case.step)
        alert = {"action": "open", "side": "buy", "symbol": case.symbol, "ref_price": str(case.bid)}
        road = await send(trader, url, **alert, **case.qty, sl={"mode": "price", "value": stop})
        assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
        sql(LONG_AGO)
        async with the_hand(venue, case, number) as hand:
            instrument = await hand.instrument(case.symbol)
            assert isinstance(instrument, Instrument)
            (before,) = stops(await hand.snapshot())
            await taken_away(hand, instrument)
            began = sql("select clock_timestamp()")
            await answers("select coalesce(string_agg(why, ' '), '') from engine.naked", "its stop stands")
            seen, asked, stands = (D(each) for each in sql(TOOK.format(began)).split())
            print(
                f"{case.place.broker}: seen after {seen:.1f} s, asked for after {asked:.1f} s, stands after {stands:.1f} s"
            )
            # How much later than that is up to the broker's limits, and to how busy the machine is.
            assert 3 <= asked - seen <= stands - seen
            assert sql(changes) == "1"
            assert stops(await hand.snapshot()) == [before]
            sql(LONG_AGO)
            # Nobody sees it gone before the broker refuses to set it.
            watches.send(signal.SIGSTOP)
            await taken_away(hand, instrument)
            venue.fault(
                "refuse", operation=SETS[case.place.broker], value=REFUSALS[case.place.broker], times=None
            )
            watches.send(signal.SIGCONT)
            # The times are proved above and in tests/unit/risk/test_naked.py: from here on they are not waited for.
            await comes("select count(*) from engine.naked", "2")
            sql("update engine.naked set since = since - interval '3 seconds' where ended_at is null")
            await comes(f"select ({changes}) > 1", "t")
            sql("update engine.naked set since = since - interval '7 seconds' where ended_at is null")
            await comes("select count(*) from public.positions where closed_at is null", "0")
            await comes(
                "select count(*) from public.orders where status in ('working', 'partially_filled')", "0"
            )
            after = await hand.snapshot()
            assert (after.positions, after.orders) == ((), ())
    told = sql("select message from public.logs where type = 'naked_closes'")
    assert "has had no stop for" in told
    assert told.endswith("it is being closed.")
    lanes = "select d.lane || ' ' || d.outcome from public.deliveries d where d.action = 'close'"
    assert sql(lanes) == "urgent executed"
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"


NAKED = "select count(*) from engine.naked"
TOLD = (
    "select coalesce(string_agg(type, ' ' order by first), '') from (select type, min(id) as first from public.logs"
    " where type in ('naked', 'naked_closes', 'stop_again') group by type) x"
)
"""Each once, however often the stop is asked for again until the time that it has is over."""


@pytest.mark.parametrize(
    ("case", "policy", "told"),
    [(CASES[0], "close", "stop_again naked_closes"), (CASES[2], "alarm", "stop_again naked")],
    ids=["tradelocker is closed", "metatrader is told of"],
)
async def test_a_bracket_that_was_dropped_and_cannot_be_set(
    stack: RunningStack, trader: Customer, files: KeyFiles, case: Case, policy: str, told: str
) -> None:
    """The broker fills the entry and drops its stop in silence, and refuses the one that we set at once: the answer says so, the
    watch asks for it again, and what the limits say follows: closed, or told, once."""
    sql = stack.database.sql
    comes = partial(becomes, stack.database)
    with running_simulator(case.place.broker, "--no-limits") as venue, workers(stack, files, venue, case):
        url = await begin(trader, case)
        if policy == "close":
            await trader.call("set_risk", p_scope={}, p_values={"naked_policy": policy})
        mover(venue, case)(0)
        venue.fault("drop_bracket", operation="place")
        venue.fault("refuse", operation="protect", value=REFUSALS[case.place.broker], times=None)
        stop = {"mode": "price", "value": str(case.bid - 10 * case.step)}
        alert = {"action": "open", "side": "buy", "symbol": case.symbol, "ref_price": str(case.bid)}
        road = await send(trader, url, **alert, **case.qty, sl=stop)
        assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
        assert sql("select stop_loss is null from public.positions") == "t"
        await comes(NAKED, "1")
        # The times are proved elsewhere: here they are not waited for.
        sql("update engine.naked set since = since - interval '3 seconds'")
        await comes(TOLD, "stop_again")
        sql("update engine.naked set since = since - interval '10 seconds'")
        await comes(TOLD, told)
        if policy == "close":
            await comes("select count(*) from public.positions where closed_at is null", "0")
        held = [each for each in venue.state().values() if each.get("positions")]
    assert sql("select count(*) from public.logs where type in ('naked', 'naked_closes')") == "1"
    assert len(held) == (0 if policy == "close" else 1)
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"


async def test_what_an_exit_has_left_standing_is_swept_once(
    stack: RunningStack, trader: Customer, files: KeyFiles
) -> None:
    """The position is closed at the broker by hand, and its stop and target stay there: filled they would open one. They are
    canceled, each once, though both workers die (kill -9) after they have seen it."""
    sql, case = stack.database.sql, CASES[1]
    comes = partial(becomes, stack.database)
    orders = "select count(*) from public.orders where status = 'working' and reduce_only"
    with running_simulator(case.place.broker, "--no-limits") as venue:
        urls = {case.place.broker: venue.url}
        with (
            fleet_worker(stack.database, files, urls) as executes,
            fleet_worker(stack.database, files, urls, "positions") as watches,
        ):
            url = await begin(trader, case)
            mover(venue, case)(0)
            number = sql("select account_id from public.broker_accounts where trading_enabled")
            levels = {"sl": {"mode": "offset", "value": 50}, "tp": [{"mode": "offset", "value": 50}]}
            alert = {"action": "open", "side": "buy", "symbol": case.symbol, "ref_price": str(case.bid)}
            road = await send(trader, url, **alert, **case.qty, **levels)
            assert [each["outcome"] for each in road.deliveries] == ["executed"], road.deliveries
            await comes(orders, "2")
            async with the_hand(venue, case, number) as hand:
                instrument = await hand.instrument(case.symbol)
                assert isinstance(instrument, Instrument)
                (held,) = (await hand.snapshot()).positions
                venue.fault("error_before", operation="cancel", times=2)
                accepted(await hand.execute(sent(close_of(instrument, held))))
            doubts = "select count(*) from engine.reconciled, jsonb_object_keys(suspects) k where k like 'orphan:%'"
            await comes(doubts, "2")
            executes.kill()
            watches.kill()
        # Lists do not lag for so long: the next read is believed.
        sql(
            "update engine.reconciled set believed_at = now(), suspects ="
            " (select jsonb_object_agg(k, now() - interval '1 minute') from jsonb_object_keys(suspects) k) where suspects <> '{}'"
        )
        with (
            fleet_worker(stack.database, files, urls),
            fleet_worker(stack.database, files, urls, "positions"),
        ):
            await comes(orders, "0")
            await comes("select count(*) from public.deliveries where status not in ('done', 'dead')", "0")
        book = venue.state()[number]
        canceled = [each for each in venue.log() if each["operation"] == "cancel" and each["applied"]]
    assert [each for each in book["orders"] if each["status"] == 1] == []
    assert book["positions"] == []
    assert len(canceled) == 2
    asked = "select count(*) from public.webhook_events where source = 'system' and payload #>> '{intent,action}' = 'cancel'"
    assert sql(asked) == "2"
    assert sql("select engine.invariant_rows()::text ~ '[1-9]'") == "f"
