"""Sends one command, once, and waits a while to see what it did. What does not show is left to `lookup`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from shared import log
from shared.brokers.errors import BrokerError, NotSent, Refused, UnreadableError
from shared.brokers.port import Sent
from shared.brokers.topstepx import wording
from shared.brokers.topstepx.account import LOOK_BACK, Desk, or_else
from shared.brokers.topstepx.closing import Closer
from shared.brokers.topstepx.errors import Denied, outcome_of, reason_of
from shared.brokers.topstepx.protecting import Guard
from shared.brokers.topstepx.rows import ContractRow, OrderRow, TradeRow
from shared.brokers.topstepx.views import total
from shared.models.command import Leg
from shared.models.enums import CommandKind, OrderStatus, OrderType
from shared.models.outcome import Accepted, Outcome, Rejected, Unknown
from shared.models.reasons import Reason
from shared.models.trading import Position

T = TypeVar("T")
_log = log.get("topstepx")
PRICE_WITHIN_S = 1.0
ELSEWHERE = Rejected(
    Reason.EXECUTOR_OFFLINE,
    "Topstep takes orders from the trader's own device only; this is not it. Close in TopstepX where it is urgent",
)


@dataclass(frozen=True, slots=True)
class Story:
    """What is seen of an order: its row (None = not in the list yet) and its fills."""

    row: OrderRow | None
    trades: tuple[TradeRow, ...]


class Sender:
    """Executes commands on one account. `may_send` False: this process must not trade it, and sends nothing."""

    def __init__(self, desk: Desk, *, may_send: bool) -> None:
        self._desk, self._may_send = desk, may_send
        self.guard = Guard(desk)
        self.closer = Closer(desk, self.guard)

    async def send(self, command: Sent) -> Outcome:
        """Exactly one order for the command, within `send_within` and by `send_by`, or never; no raising."""
        if not self._may_send:
            return ELSEWHERE
        by = self._desk.send_by(command)
        does: dict[CommandKind, Callable[[Sent, float], Awaitable[Outcome]]] = {
            CommandKind.PLACE: self._place,
            CommandKind.CLOSE: self.closer.close,
            CommandKind.CANCEL: self._cancel,
            CommandKind.MODIFY: self._modify,
            CommandKind.PROTECT: self.guard.protect,
        }
        try:
            return await does[command.leg.kind](command, by)
        except BrokerError as error:
            return outcome_of(error)
        except UnreadableError as error:
            return Rejected(Reason.BROKER_UNREACHABLE, f"nothing was sent: {error}"[:500])

    # Entries, and orders that only reduce.

    async def _place(self, command: Sent, by: float) -> Outcome:
        leg = command.leg
        wrong = malformed(command)
        if wrong is not None:
            return wrong
        if leg.reduce_only and leg.type is OrderType.MARKET:
            return await self.closer.close(as_close(command), by)
        wrong = await self._not_reducing(leg) if leg.reduce_only else None
        if wrong is not None:
            return wrong
        body = await self._worded(command)
        if isinstance(body, Rejected):
            return body
        try:
            order_id = await self._desk.client.place(body, by)
        except Denied as error:
            return await self._refused(command, error)
        # From here on the broker has it, whatever we fail to see.
        return await or_else(Accepted(order_id, OrderStatus.WORKING), self._placed(command, order_id))

    async def _worded(self, command: Sent) -> dict[str, object] | Rejected:
        """The body, or a refusal by us. NotSent when what it is made of cannot be read: nothing has left yet."""
        leg = command.leg
        try:
            row = await self._desk.catalogue.row(leg.venue_symbol)
            if row is None:
                return Rejected(Reason.INSTRUMENT_UNKNOWN, f"there is no contract {leg.venue_symbol}")
            if not row.contract.active:
                return Rejected(
                    Reason.INSTRUMENT_UNKNOWN,
                    f"{row.contract.symbol} is not the active month: no order is taken",
                )
            body = wording.placing(leg, row.id, command.client_order_id)
            return body if leg.protection.empty else await self._with_brackets(leg, row, body)
        except (BrokerError, UnreadableError) as error:
            raise NotSent(f"the contract could not be read: {error}") from error

    async def _with_brackets(
        self, leg: Leg, row: ContractRow, body: dict[str, object]
    ) -> dict[str, object] | Rejected:
        assert leg.side is not None
        reference = {OrderType.LIMIT: leg.price, OrderType.STOP: leg.stop_price}.get(leg.type)
        if reference is None:
            # Of a market order the last price tells best; the alert's own is what is left where there is none.
            reference = await self._last_price(row.id) or leg.ref_price
        if reference is None:
            return Rejected(Reason.NO_QUOTE, "no price is known from which stop and target could be counted")
        ticks = wording.brackets(leg.protection, leg.side, reference, row.tick_size)
        if ticks is None:
            numbers = {"price": f"{reference:f}"}
            return Rejected(
                Reason.STOP_PASSED, f"stop or target is on the wrong side of {reference:f}", numbers
            )
        return {**body, **ticks}

    async def _last_price(self, contract_id: str) -> Decimal | None:
        """The last price, if it is at hand soon: the prices asked for are set exactly after the fill anyway."""
        try:
            async with asyncio.timeout(PRICE_WITHIN_S):
                return await self._desk.catalogue.last_price(contract_id)
        except (BrokerError, UnreadableError, TimeoutError):
            return None

    async def _not_reducing(self, leg: Leg) -> Rejected | None:
        """The gateway knows no order that only reduces: one that could open is not sent."""
        try:
            held = await self._desk.held(leg.venue_symbol)
        except (BrokerError, UnreadableError) as error:
            raise NotSent(f"the position could not be read: {error}") from error
        if held is None or held.side is leg.side:
            return Rejected(Reason.POSITION_NOT_FOUND, "there is no position that it could reduce")
        if leg.qty is not None and leg.qty > held.qty:
            numbers = {"qty": f"{leg.qty:f}", "position": f"{held.qty:f}"}
            return Rejected(Reason.REDUCE_TOO_LARGE, f"the position is {held.qty:f}", numbers)
        return None

    async def _refused(self, command: Sent, error: Denied) -> Outcome:
        """A refusal. That the tag is in use says that an order of this command is there already."""
        reason = reason_of(error)
        if reason is Reason.INSTRUMENT_UNKNOWN:
            self._desk.catalogue.forget_active()
        if reason is not Reason.DUPLICATE_ORDER:
            return outcome_of(error)
        doubt = Unknown("the broker has an order under this id already, and the lists do not show it yet")
        return await or_else(doubt, self._there_already(command, doubt))

    async def _there_already(self, command: Sent, doubt: Unknown) -> Outcome:
        row = await self.by_tag(command, command.submitted_at - LOOK_BACK)
        # One that was rejected may be this very one: the other, which took the tag, is not listed yet.
        taken = row is not None and row.status is not OrderStatus.REJECTED
        return await self.told(command, row.id, row) if row is not None and taken else doubt

    async def by_tag(self, command: Sent, since: datetime) -> OrderRow | None:
        """The order that carries a command's id. Of several the one that was not rejected: a tag is taken once."""
        wanted = {command.client_order_id, wording.tag_of(command)}
        listed = [*await self._desk.unfinished(), *await self._desk.orders(since)]
        mine = {each.id: each for each in listed if each.custom in wanted}
        return min(mine.values(), key=lambda each: each.status is OrderStatus.REJECTED, default=None)

    async def _placed(self, command: Sent, order_id: str) -> Outcome:
        seen: list[Story] = []

        async def look() -> Story | None:
            story = await self.story(order_id, command)
            seen[:] = [story]
            return story if _complete(story, command.leg) else None

        await self._desk.until(look, self._desk.patience.confirm)
        story = seen[0] if seen else Story(None, ())
        return await self.told(command, order_id, story.row, story.trades)

    async def story(self, order_id: str, command: Sent) -> Story:
        """The order in the lists. A market order that is filled is told by its fills alone."""
        leg, since = command.leg, command.submitted_at
        trades: tuple[TradeRow, ...] = ()
        if leg.type is OrderType.MARKET:
            trades = await self._fills(order_id, since)
            if total(trades)[0] >= (leg.qty or 0):
                return Story(None, trades)
        rows = {each.id: each for each in await self._desk.orders(since)}
        row = rows.get(order_id)
        if row is not None and row.filled > total(trades)[0]:
            trades = await self._fills(order_id, since)
        return Story(row, trades)

    async def _fills(self, order_id: str, since: datetime) -> tuple[TradeRow, ...]:
        found = await self._desk.trades(since)
        return tuple(each for each in found if each.order_id == order_id)

    async def told(
        self,
        command: Sent,
        order_id: str,
        row: OrderRow | None,
        trades: tuple[TradeRow, ...] | None = None,
        *,
        reads_only: bool = False,
    ) -> Accepted | Rejected:
        """The outcome of an order of ours, with its position; the protection of an entry is seen to first."""
        leg = command.leg
        if trades is None:
            made = command.submitted_at if row is None else row.created
            trades = await self._fills(order_id, min(made, command.submitted_at))
        self._desk.memory.told([order_id], command.client_order_id)
        tag, wanted = command.client_order_id, leg.qty or Decimal(0)
        outcome = self._desk.lens.outcome(order_id, wanted, row, trades, tag)
        filled = total(trades)[0]
        if isinstance(outcome, Rejected) or not filled or leg.protection.empty:
            return outcome  # the position is the sum of its fills; only its stop and target are not in them
        over = outcome.status in (OrderStatus.FILLED, OrderStatus.CANCELED)
        if not reads_only and over:
            await self.guard.after_fill(command, order_id, leg.venue_symbol, filled)
        position = await or_else(None, self._position(leg.venue_symbol))
        return replace(outcome, positions=() if position is None else (position,))

    async def _position(self, contract_id: str) -> Position | None:
        """The position as it is now; None where the list does not show it (yet)."""
        held = await self._desk.held(contract_id)
        return None if held is None else self._desk.lens.position(held, await self._desk.unfinished())

    # Working orders.

    async def _cancel(self, command: Sent, by: float) -> Outcome:
        order_id = command.leg.venue_order_id or ""
        try:
            await self._desk.client.cancel(order_id, by)
        except Refused as error:
            return await self._too_late(order_id, error)

        async def look() -> OrderRow | None:
            row = await self._desk.order(order_id)
            return row if row is not None and row.is_final else None

        row = await self._desk.until(look, self._desk.patience.confirm)
        if row is None:
            return Accepted(order_id, OrderStatus.CANCELED)
        if row.status is OrderStatus.FILLED:
            late = "it was filled before"
            return Rejected(Reason.ORDER_NOT_FOUND, late, effects=(self._desk.lens.state(row),))
        return Accepted(order_id, OrderStatus.CANCELED, row.filled, row.average)

    async def _modify(self, command: Sent, by: float) -> Outcome:
        leg, order_id = command.leg, command.leg.venue_order_id or ""
        if not leg.protection.empty:
            text = (
                "stop and target of an order that waits cannot be changed here: cancel it, and place it again"
            )
            return Rejected(Reason.NOT_SUPPORTED, text)
        body = wording.modifying(leg)
        if not body:
            return Rejected(Reason.NOTHING_TO_MODIFY, "nothing to change was named")
        try:
            await self._desk.client.modify(order_id, body, by)
        except Refused as error:
            return await self._too_late(order_id, error)
        return Accepted(order_id, OrderStatus.WORKING)

    async def _too_late(self, order_id: str, error: Refused) -> Outcome:
        """A refusal to touch an order is often news about it: what became of it goes along."""
        rejected = outcome_of(error)
        if not isinstance(rejected, Rejected) or reason_of(error) not in _ABOUT_THE_ORDER:
            return rejected
        row = await or_else(None, self._desk.order(order_id))
        if row is None or not row.is_final:
            return rejected
        return replace(rejected, reason=Reason.ORDER_NOT_FOUND, effects=(self._desk.lens.state(row),))


_ABOUT_THE_ORDER = frozenset({Reason.ORDER_NOT_FOUND, Reason.BROKER_REJECTED, Reason.INVALID})


def malformed(command: Sent) -> Rejected | None:
    """What can never be sent."""
    leg = command.leg
    if leg.side is None or leg.qty is None:
        return Rejected(Reason.INVALID, "an order needs a side and a quantity")
    if len(command.client_order_id) > wording.TAG_LENGTH:
        return Rejected(Reason.INVALID, f"an order's id has at most {wording.TAG_LENGTH} characters")
    if leg.qty <= 0 or leg.qty != leg.qty.to_integral_value():
        return Rejected(Reason.INVALID_QUANTITY, f"{leg.qty:f} is no whole number of contracts")
    return None


def as_close(command: Sent) -> Sent:
    """A market order that only reduces is the gateway's own close: that can never open."""
    return replace(command, leg=replace(command.leg, kind=CommandKind.CLOSE))


def _complete(story: Story, leg: Leg) -> bool:
    """Whether nothing more is to be waited for."""
    done, row = total(story.trades)[0], story.row
    if row is None:
        return bool(done) and done >= (leg.qty or 0)
    waits = leg.type is OrderType.MARKET and not row.is_final
    return not waits and done >= row.filled
