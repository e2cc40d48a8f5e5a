"""The contract's third part: a broker that answers, and not as one would like: too fast, logged out, in parts, late, no."""

from __future__ import annotations

import time

import pytest

from shared.models.enums import OrderStatus
from shared.models.outcome import Found, Outcome, Rejected
from shared.models.reasons import Reason
from tests.conformance.harness import (
    ContractVenue,
    accepted,
    entry,
    eventually,
    instrument_of,
    rejected,
    sent,
)


class Moods:
    """What a broker may do to an order that reached it."""

    @pytest.mark.parametrize("fault", ["rate_limit_json", "rate_limit_text"])
    async def test_too_fast_is_refused_and_nothing_is_done(self, venue: ContractVenue, fault: str) -> None:
        """429, as JSON or as plain text, is a refusal: nothing was done, and the next order waits as long as it says."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault(fault, "place")
        began = time.monotonic()
        outcome = rejected(await broker.execute(sent(entry(instrument, venue.qty))))
        assert outcome.reason is Reason.BROKER_BUSY
        assert venue.orders_made() == 0

        async def again() -> Outcome | None:
            second = await broker.execute(sent(entry(instrument, venue.qty)))
            return None if isinstance(second, Rejected) and second.reason is Reason.BROKER_BUSY else second

        accepted(await eventually(again, "an order after the pause"))
        # The simulators say half a second, a second, or nothing: then it is a second.
        assert time.monotonic() - began >= 0.4
        assert venue.orders_made() == 1

    async def test_an_ended_session_costs_no_order(self, venue: ContractVenue) -> None:
        """A token that is suddenly not good any more is replaced, and the order goes out, once."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault("expired_token", "place")
        assert accepted(await broker.execute(sent(entry(instrument, venue.qty)))).status is OrderStatus.FILLED
        assert venue.orders_made() == 1

    async def test_a_late_fill_is_seen(self, venue: ContractVenue) -> None:
        """An order that is filled a moment after it was taken: the outcome or a lookup says filled."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault("late_fill", "place", value="0.4")
        command = sent(entry(instrument, venue.qty))
        outcome = accepted(await broker.execute(command))

        async def look() -> bool | None:
            if outcome.status is OrderStatus.FILLED:
                return True
            answer = await broker.lookup(command)
            done = isinstance(answer, Found) and accepted(answer.outcome).status is OrderStatus.FILLED
            return done or None

        assert await eventually(look, "the fill")

    async def test_a_partial_fill_is_told_as_it_is(self, venue: ContractVenue) -> None:
        """Half filled is half filled: the quantity that was filled, and no claim of the rest."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault("partial_fill", "place", value="0.5")
        outcome = accepted(await broker.execute(sent(entry(instrument, 2 * venue.qty))))
        assert outcome.filled_qty == venue.qty
        assert outcome.status in (OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELED)
        assert venue.net() == venue.qty

    async def test_a_later_refusal_is_a_refusal(self, venue: ContractVenue) -> None:
        """An order that was taken and then turned down is Rejected, now or when asked about."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault("refuse_later", "place")
        outcome = await broker.execute(sent(entry(instrument, venue.qty)))
        assert isinstance(outcome, Rejected)
        assert venue.net() == 0
