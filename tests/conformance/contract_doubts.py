"""The contract's second part: connections that break, answers that are lost, and what is found out afterwards."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from shared.brokers.port import ReadFailed
from shared.models.outcome import Absent, CannotTell, Found, Rejected, Unknown
from shared.models.reasons import Reason
from tests.conformance.harness import (
    HASTY_S,
    PATIENT_S,
    ContractVenue,
    accepted,
    close_of,
    entry,
    instrument_of,
    open_position,
    rejected,
    sent,
    settled,
)

DOUBTS = [
    pytest.param("drop_after_read", 0, id="connection dropped after reading"),
    pytest.param("drop_after_accept", 1, id="connection dropped after accepting"),
    pytest.param("hang_after_accept", 1, id="hangs after accepting"),
    pytest.param("error_before", 0, id="500 and nothing done"),
    pytest.param("error_after", 1, id="502 although it was done"),
    pytest.param("garbled", 1, id="an answer cut in the middle"),
]


class Doubts:
    """Unknown is neither yes nor no, and is found out."""

    @pytest.mark.parametrize(("fault", "made"), DOUBTS)
    async def test_a_doubtful_entry_is_unknown_and_found_out(
        self, venue: ContractVenue, fault: str, made: int
    ) -> None:
        """No answer is Unknown, never a refusal; asking the venue tells whether it arrived; it is sent once."""
        venue.answer_s = HASTY_S if fault.startswith("hang") else PATIENT_S
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault(fault, "place")
        command = sent(entry(instrument, venue.qty))
        outcome = await broker.execute(command)
        assert isinstance(outcome, Unknown), outcome
        answer = await settled(await venue.connect(), command)
        assert venue.orders_made() == made
        assert isinstance(answer, Found if made else Absent)
        if isinstance(answer, Found):
            assert accepted(answer.outcome).filled_qty == venue.qty

    @pytest.mark.parametrize(("fault", "done"), DOUBTS)
    @pytest.mark.parametrize("whole", [True, False], ids=["whole", "part"])
    async def test_a_doubtful_close_is_found_out(
        self, venue: ContractVenue, fault: str, done: int, whole: bool
    ) -> None:
        """The same for a close, of everything and of a part: the position tells."""
        position = await open_position(
            opener := await venue.connect(), await instrument_of(opener, venue), 3 * venue.qty
        )
        venue.answer_s = HASTY_S if fault.startswith("hang") else PATIENT_S
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault(fault, "close")
        command = sent(close_of(instrument, position, None if whole else venue.qty))
        assert isinstance(await broker.execute(command), Unknown)
        answer = await settled(await venue.connect(), command)
        assert isinstance(answer, Found if done else Absent)
        assert venue.net() == 3 * venue.qty - done * (3 if whole else 1) * venue.qty

    async def test_nothing_leaves_after_the_lease(self, venue: ContractVenue) -> None:
        """A command whose time is over is not sent, entry or exit: somebody else may be asking about it."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        position = await open_position(broker, instrument, venue.qty)
        over = time.monotonic() - 0.001
        for leg in (entry(instrument, venue.qty), close_of(instrument, position)):
            outcome = rejected(await broker.execute(sent(leg, send_by=over)))
            assert outcome.reason in (Reason.BROKER_BUSY, Reason.BROKER_UNREACHABLE)
        assert (venue.orders_made(), venue.net()) == (1, venue.qty)

    async def test_a_late_answer_is_waited_for(self, venue: ContractVenue) -> None:
        """An answer that comes late, but in time, is the outcome."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault("late", "place", value="0.3")
        assert accepted(await broker.execute(sent(entry(instrument, venue.qty)))).filled_qty == venue.qty

    async def test_what_was_never_sent_is_absent(self, venue: ContractVenue) -> None:
        """An order that never left is absent, and not before the lists have had time to show it."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        command = sent(entry(instrument, venue.qty))
        if broker.capabilities.lookup_lag_s > 0:
            assert isinstance(await broker.lookup(command), CannotTell)
        assert isinstance(await settled(broker, command), Absent)
        lag = float(broker.capabilities.lookup_lag_s)
        assert (datetime.now(UTC) - command.submitted_at).total_seconds() >= lag

    async def test_lists_that_lag_do_not_fool_a_lookup(self, venue: ContractVenue) -> None:
        """While the lists lag, an order that did arrive is never said to be absent."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        lag = min(float(broker.capabilities.lookup_lag_s) * 0.7, 1.0)
        venue.fault("lag_lists", "reads", value=str(lag or 0.1), times=None)
        venue.fault("drop_after_accept", "place")
        command = sent(entry(instrument, venue.qty))
        assert isinstance(await broker.execute(command), Unknown)
        # However long it was under way, it has arrived by now: from here on the lists lag behind.
        arrived = replace(command, submitted_at=datetime.now(UTC))
        assert isinstance(await settled(broker, arrived), Found)

    async def test_a_slow_answer_is_as_old_as_its_question(self, venue: ContractVenue) -> None:
        """An answer that takes longer than lists lag behind may have been made when the question came: no proof of absence."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        lag = float(broker.capabilities.lookup_lag_s)
        # Each of several reads is late: together they take longer.
        venue.fault("late", "reads", value=str(0.7 * lag or 0.1))
        answer = await broker.lookup(sent(entry(instrument, venue.qty)))
        assert isinstance(answer, CannotTell if lag else Absent)

    async def test_a_tag_that_is_there_twice_is_not_judged(self, venue: ContractVenue) -> None:
        """A venue that did it twice: an enforcing one cannot; for another a lookup says that it cannot tell."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault("duplicate_tag", "place")
        command = sent(entry(instrument, venue.qty))
        await broker.execute(command)
        answer = await broker.lookup(command)
        enforced = broker.capabilities.client_id == "enforced"
        assert isinstance(answer, Found if enforced else CannotTell)

    async def test_an_order_that_lost_its_tag_is_never_absent(self, venue: ContractVenue) -> None:
        """Where only a label names our order and the venue loses it, it is not sent again: left to a person, or
        found by an adapter that declares it."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault("strip_comment", "place")
        venue.fault("drop_after_accept", "place")
        command = sent(entry(instrument, venue.qty), datetime.now(UTC) - timedelta(seconds=60))
        assert isinstance(await broker.execute(command), Unknown)
        answer = await broker.lookup(command)
        found = broker.capabilities.client_id == "enforced" or broker.capabilities.recognises
        assert isinstance(answer, Found if found else CannotTell)

    async def test_an_order_of_another_command_is_not_this_ones(self, venue: ContractVenue) -> None:
        """An order without a label that another command of ours has made proves nothing about this one, whoever made it."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.fault("strip_comment", "place")
        first = accepted(await broker.execute(sent(entry(instrument, venue.qty))))
        venue.fault("drop_after_read", "place")
        command = sent(entry(instrument, venue.qty))
        assert isinstance(await broker.execute(command), Unknown)
        assert first.venue_order_id is not None
        asked = replace(command, taken=frozenset({first.venue_order_id}))
        assert isinstance(await settled(await venue.connect(), asked), Absent)
        assert venue.orders_made() == 1

    async def test_reads_are_tried_again(self, venue: ContractVenue) -> None:
        """One failure of a read, of any kind, is not noticed."""
        broker = await venue.connect()
        for fault in (
            "drop_after_read",
            "error_before",
            "rate_limit_json",
            "rate_limit_text",
            "expired_token",
            "garbled",
        ):
            venue.fault(fault, "reads")
            assert (await broker.snapshot()).balance > 0

    async def test_a_read_that_fails_is_not_a_flat_account(self, venue: ContractVenue) -> None:
        """When the venue cannot be read the snapshot raises; it is never empty."""
        broker = await venue.connect()
        venue.fault("error_before", "reads", times=None)
        with pytest.raises(ReadFailed):
            await broker.snapshot()
        with pytest.raises(ReadFailed):
            await broker.fills(datetime.now(UTC))

    async def test_another_login_is_refused(self, venue: ContractVenue) -> None:
        """A login that does not have the account gives no broker: nothing can go to a wrong account."""
        with pytest.raises(ReadFailed):
            await venue.connect_elsewhere()

    async def test_a_venue_that_is_not_there_was_sent_nothing(self, venue: ContractVenue) -> None:
        """A connection that could not be made is a refusal by us: provably nothing left."""
        broker = await venue.connect()
        instrument = await instrument_of(broker, venue)
        venue.down()
        # A connection that was kept may only turn out to be dead by the first request on it: that one is in doubt.
        assert isinstance(await broker.execute(sent(entry(instrument, venue.qty))), Unknown | Rejected)
        outcome = rejected(await broker.execute(sent(entry(instrument, venue.qty))))
        assert outcome.reason is Reason.BROKER_UNREACHABLE
