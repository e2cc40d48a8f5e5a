"""Sends one command, once, and waits a while to see what it did. What does not show is left to `lookup`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from shared import clock, log
from shared.brokers.errors import OVERTAKEN, BrokerError, Refused, Silent, UnreadableError
from shared.brokers.metatrader import wording
from shared.brokers.metatrader.account import Desk
from shared.brokers.metatrader.errors import outcome_of, reason_of
from shared.brokers.metatrader.following import Follower, shows
from shared.brokers.metatrader.lineage import closing_of
from shared.brokers.metatrader.rows import PositionRow
from shared.brokers.port import Sent
from shared.models.command import Protection, is_overtaken
from shared.models.enums import CommandKind, OrderStatus, OrderType
from shared.models.outcome import Accepted, Outcome, Rejected, Unknown
from shared.models.reasons import Reason
from shared.models.trading import Position

T = TypeVar("T")
_log = log.get("broker")


class Sender:
    """Executes commands on one account."""

    def __init__(self, desk: Desk, follower: Follower) -> None:
        self._desk, self._follower = desk, follower

    async def send(self, command: Sent) -> Outcome:
        """Exactly one trade for the command, within `send_within` and by `send_by`, or none; no raising."""
        by = min(clock.monotonic() + self._desk.timing.send_within, command.send_by)
        does: dict[CommandKind, Callable[[Sent, float], Awaitable[Outcome]]] = {
            CommandKind.PLACE: self._place,
            CommandKind.CLOSE: self._close,
            CommandKind.CANCEL: self._cancel,
            CommandKind.MODIFY: self._modify,
            CommandKind.PROTECT: self._protect,
        }
        try:
            return await does[command.leg.kind](command, by)
        except BrokerError as error:
            return outcome_of(error)
        except UnreadableError as error:
            # What has to be read beforehand is NotSent when it cannot be: this was read afterwards.
            return Unknown(str(error)[:500])

    # Entries.

    async def _place(self, command: Sent, by: float) -> Outcome:
        leg = command.leg
        refused = await self._unfit(command, by)
        if refused is not None:
            return refused
        done = await self._desk.client.trade(wording.placing(leg, command.client_order_id), by)
        if done.order_id is None:
            raise Silent("the order was taken, and the answer does not say which it is")
        # From here on the broker has it, whatever we fail to see.
        self._desk.memory.told(done.order_id, command.client_order_id)
        taken = Accepted(done.order_id, OrderStatus.WORKING)
        if leg.type is not OrderType.MARKET:
            return await _or(taken, self._waiting(command, taken))
        return await _or(taken, self._filled(command, done.order_id))

    async def _unfit(self, command: Sent, by: float) -> Rejected | None:
        """Why a command is no order that can be sent here."""
        leg = command.leg
        if leg.reduce_only:
            # Whatever is left of an order when the position is gone opens one the other way round.
            return Rejected(Reason.NOT_SUPPORTED, "MetaTrader has no reduce-only orders; close the position")
        if leg.side is None or leg.qty is None or not wording.is_tag(command.client_order_id):
            return Rejected(
                Reason.INVALID, "an order needs a side, a quantity and an id of three parts, 26 characters"
            )
        seen = self._desk.seen
        if not seen.trade_allowed or seen.investor_mode:
            seen = await self._desk.before(by, self._desk.information())
        if seen.investor_mode:
            return Rejected(
                Reason.NOT_AUTHORIZED, "the account is logged in with its investor (read-only) password"
            )
        if not seen.trade_allowed:
            return Rejected(Reason.TRADING_DISABLED, "the broker does not allow this account to trade")
        return None

    async def _filled(self, command: Sent, order_id: str) -> Outcome:
        outcome = await self._follower.placed(command, order_id, self._desk.patience.confirm)
        if isinstance(outcome, Rejected) or not outcome.filled_qty:
            return outcome
        return await _or(outcome, self._with_position(command, outcome))

    async def _with_position(self, command: Sent, outcome: Accepted) -> Outcome:
        wanted, fill = command.leg.protection, outcome.fills[0]
        if not wanted.empty and fill.venue_position_id is not None:
            await self._guard(fill.venue_position_id, wanted)
        position = await self._follower.opened(command, outcome)
        return outcome if position is None else replace(outcome, positions=(position,))

    async def _guard(self, position_id: str, wanted: Protection) -> None:
        """Stop and target as they provably are; what the broker has dropped is set once more."""
        row = await self._follower.guarded(position_id, wanted)
        if row is None or shows(row, wanted):
            return
        _log.warning("the broker dropped a stop or target, setting it again", position_id=position_id)
        await self._set_levels(row, wanted, clock.monotonic() + self._desk.timing.send_within)

    async def _waiting(self, command: Sent, taken: Accepted) -> Outcome:
        """A pending order that was taken. Stop and target that were dropped from it are set once more."""
        wanted = command.leg.protection
        if wanted.empty:
            return taken
        row = await self._desk.client.order(taken.venue_order_id or "")
        if row is not None and not shows(row, wanted):
            _log.warning("the broker dropped a stop or target, setting it again", order_id=row.id)
            by = clock.monotonic() + self._desk.timing.send_within
            await self._desk.client.trade(
                wording.modifying(row, replace(command.leg, price=None, stop_price=None)), by
            )
        return taken

    # Exits.

    async def _close(self, command: Sent, by: float) -> Outcome:
        leg = command.leg
        if leg.venue_position_id is not None:
            # A hedged position does not grow: what was read as all of it still is.
            whole = leg.qty is None or (leg.held_qty is not None and leg.qty >= leg.held_qty)
            part = None if whole else leg.qty
            ticket = await self._ticket(leg.venue_position_id, by)
            if ticket is None:
                return Rejected(Reason.POSITION_NOT_FOUND, f"there is no position {leg.venue_position_id}")
            return await self._closed(command, ticket, part, leg.qty or leg.held_qty, by)
        if leg.side is None:
            return await self._close_symbol(command, by)
        positions = await self._desk.before(by, self._desk.positions())
        held = [each for each in positions if each.symbol == leg.venue_symbol and each.side is not leg.side]
        if len(held) == 1:
            return await self._closed(command, held[0].ticket, leg.qty, leg.qty or held[0].volume, by)
        what = f"{leg.side.opposite.value} position of {leg.venue_symbol}"
        if held:
            return Rejected(Reason.AMBIGUOUS, f"there is more than one {what}, and the close names none")
        return Rejected(Reason.POSITION_NOT_FOUND, f"there is no {what}")

    async def _ticket(self, position_id: str, by: float) -> str | None:
        """What the terminal calls a position now; only on MetaTrader 4 that has to be looked up."""
        if not self._desk.seen.is_mt4:
            return position_id
        row = await self._desk.before(by, self._desk.position(position_id))
        return None if row is None else row.ticket

    async def _closed(
        self, command: Sent, ticket: str, part: Decimal | None, wanted: Decimal | None, by: float
    ) -> Outcome:
        done = await self._desk.client.trade(wording.closing(ticket, part, command.client_order_id), by)
        order_id = closing_of(ticket) if self._desk.seen.is_mt4 else done.order_id
        taken = Accepted(order_id, OrderStatus.WORKING)
        telling = self._follower.closed(command, order_id, wanted, self._desk.patience.confirm)
        return await _or(taken, telling)

    async def _close_symbol(self, command: Sent, by: float) -> Outcome:
        """Whatever there is of a symbol, by the broker's own close of all of it: nothing has to be read for it."""
        name = command.leg.venue_symbol
        await self._desk.client.trade(wording.closing_all(name, command.client_order_id), by)

        async def look() -> bool | None:
            left = [each for each in await self._desk.positions() if each.symbol == name]
            return None if left else True

        gone = await self._desk.until(look, self._desk.patience.confirm)
        taken = Accepted(None, OrderStatus.WORKING)
        accepted = await _or(taken, self._follower.closed(command, None, None, 0))
        return replace(accepted, status=OrderStatus.FILLED if gone else OrderStatus.WORKING)

    # Pending orders and protection.

    async def _cancel(self, command: Sent, by: float) -> Outcome:
        order_id = command.leg.venue_order_id or ""
        try:
            await self._desk.client.trade(wording.canceling(order_id), by)
        except Refused as error:
            return await self._too_late(order_id, error)
        row = await self._desk.until(
            lambda: self._desk.client.ended_order(order_id), self._desk.patience.confirm
        )
        if row is not None and row.ended is OrderStatus.FILLED:
            late = Rejected(Reason.ORDER_NOT_FOUND, "it was filled before")
            return await _or(late, self._with_news(order_id, late))
        return Accepted(order_id, OrderStatus.CANCELED, row.filled if row is not None else Decimal(0))

    async def _modify(self, command: Sent, by: float) -> Outcome:
        leg, order_id = command.leg, command.leg.venue_order_id or ""
        row = await self._desk.before(by, self._desk.client.order(order_id))
        if row is None:
            late = Rejected(Reason.ORDER_NOT_FOUND, f"there is no pending order {order_id}")
            return await _or(late, self._with_news(order_id, late))
        if leg.qty is not None and leg.qty != row.volume:
            return Rejected(
                Reason.NOT_SUPPORTED,
                f"MetaTrader cannot change the volume of an order, from {row.volume} to {leg.qty} lots: "
                "cancel it and place another",
            )
        price = leg.price if row.kind is OrderType.LIMIT else leg.stop_price
        if price in (None, row.open_price) and shows(row, leg.protection):
            return Accepted(order_id, row.working, row.filled)
        try:
            await self._desk.client.trade(wording.modifying(row, leg), by)
        except Refused as error:
            return await self._too_late(order_id, error)
        return Accepted(order_id, row.working, row.filled)

    async def _too_late(self, order_id: str, error: Refused) -> Outcome:
        """A refusal to touch an order is often news about it: what became of it goes along."""
        rejected = outcome_of(error)
        if not isinstance(rejected, Rejected) or reason_of(error) not in _ABOUT_THE_ORDER:
            return rejected
        return await _or(rejected, self._with_news(order_id, rejected))

    async def _with_news(self, order_id: str, rejected: Rejected) -> Rejected:
        row = await self._desk.client.ended_order(order_id)
        if row is None:
            return rejected
        deals = [each for each in await self._desk.client.deals_of(row.position_id or "") if row.position_id]
        fills = await self._desk.fills_of([each for each in deals if each.order_id == order_id])
        return replace(rejected, effects=((await self._desk.lens()).state(row, fills),))

    async def _protect(self, command: Sent, by: float) -> Outcome:
        wanted, position_id = command.leg.protection, command.leg.venue_position_id or ""
        if wanted.empty:
            return Rejected(Reason.NOTHING_TO_MODIFY, "no stop and no target was named")
        row = await self._desk.before(by, self._desk.position(position_id))
        if row is None:
            return Rejected(Reason.POSITION_NOT_FOUND, f"there is no position {position_id}")
        if is_overtaken(command.leg, row.side, row.stop_loss):
            shown = (await self._desk.before(by, self._desk.lens())).position(row)
            return Rejected(Reason.NOTHING_TO_MODIFY, OVERTAKEN, positions=(shown,))
        return await self._set_levels(row, wanted, by)

    async def _set_levels(self, row: PositionRow, wanted: Protection, by: float) -> Outcome:
        """Set stop and target and see them set. The broker may say yes and drop them: then once more."""
        lens = await self._desk.before(by, self._desk.lens())
        body = wording.protecting(row.ticket, *wording.levels(row, wanted))
        if shows(row, wanted):
            return Accepted(None, OrderStatus.WORKING, positions=(lens.position(row),))
        position: Position | None = None
        for _ in range(2):
            await self._desk.client.trade(body, by)
            seen = await self._follower.guarded(row.id, wanted)
            if seen is not None and shows(seen, wanted):
                position = lens.position(seen)
                break
            by = clock.monotonic() + self._desk.timing.send_within
        if position is None:
            return Unknown("the broker took stop and target, and the position does not show them")
        return Accepted(None, OrderStatus.WORKING, positions=(position,))


_ABOUT_THE_ORDER = frozenset({Reason.ORDER_NOT_FOUND, Reason.BROKER_REJECTED, Reason.INVALID})


async def _or(certain: T, telling: Awaitable[T]) -> T:
    """What the lists tell about a trade that was taken; else what is certain without them."""
    try:
        return await telling
    except (BrokerError, UnreadableError) as error:
        _log.info("taken, and what it did could not be read", error=str(error))
        return certain
