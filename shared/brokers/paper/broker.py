"""The paper broker behind the port: the same road as every broker, with a book instead of a market."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from shared import clock
from shared.brokers import departure
from shared.brokers.errors import NotSent
from shared.brokers.paper.book import Book, PaperAnswer, PaperCommand, PaperOrder, PaperState
from shared.brokers.paper.errors import BookError, outcome_of
from shared.brokers.paper.instruments import cached_instrument
from shared.brokers.paper.valuation import conversion, open_profit, position_seen
from shared.brokers.port import Capabilities, ReadFailed, Sent
from shared.models.enums import MarginMode, OrderStatus
from shared.models.market import Instrument, Quote
from shared.models.outcome import Absent, Accepted, CannotTell, Found, Lookup, Outcome, Rejected
from shared.models.reasons import Reason
from shared.models.trading import Account, AccountSnapshot, Fill, Position, WorkingOrder

HEDGING = Capabilities(
    client_id="enforced",
    lookup_lag_s=Decimal(0),
    # A statement of the store may take so long; a venue behind HTTP is given up earlier.
    request_timeout_s=Decimal(10),
    brackets_on_entry=True,
    hedging=True,
    modify_order=True,
    partial_close=True,
    order_types=frozenset({"market", "limit", "stop"}),
    tifs=frozenset({"gtc", "ioc", "fok"}),
    client_order_id_length=64,
    quotes=False,
    stop_orders=False,
    any_symbol=True,
)
NETTING = replace(HEDGING, hedging=False, limit_exits=True)
DECLARED = (NETTING, HEDGING)
"""What a paper account can do, as it is set."""


class PaperBroker:
    """Implements `Broker` for one paper account."""

    def __init__(self, account: Account, book: Book) -> None:
        self._account = account
        self._book = book

    @property
    def capabilities(self) -> Capabilities:
        return HEDGING if self._account.margin_mode is MarginMode.HEDGING else NETTING

    async def instrument(self, symbol: str) -> Instrument | None:
        return cached_instrument(symbol, clock.now().date())

    async def quote(self, instrument: Instrument, ref_price: Decimal | None) -> Quote | None:
        """No spread: bid = ask = the alert's ref_price, else the last price the book has seen, else None."""
        if ref_price is not None:
            return Quote(instrument.symbol, ref_price, ref_price, clock.now(), "ref_price")
        last = (await self._state()).prices.get(instrument.venue_symbol)
        return None if last is None else Quote(instrument.symbol, last, last, clock.now(), "last_price")

    async def rate(self, currency: str, into: str) -> Decimal | None:
        """By the last price of the pair, else by the round indicative rates of the catalog."""
        return conversion(currency, into, (await self._state()).prices)

    async def snapshot(self) -> AccountSnapshot:
        began = clock.now()
        state = await self._state()
        now = clock.now()
        profits = [open_profit(each, state.prices, state.currency, now) for each in state.positions]
        return AccountSnapshot(
            balance=state.balance,
            equity=state.balance + sum(profits, Decimal(0)),
            at=began,
            positions=tuple(
                replace(self._ours(position_seen(each, now)), unrealized_pnl=profit)
                for each, profit in zip(state.positions, profits, strict=True)
            ),
            orders=tuple(self._working(order, now) for order in state.orders),
        )

    async def execute(self, command: Sent) -> Outcome:
        try:
            await departure.leave(command.send_by)
        except NotSent:
            return Rejected(Reason.BROKER_UNREACHABLE, "its lease ran out before it could be sent")
        try:
            answer = await self._book.execute(PaperCommand.of(command.client_order_id, command.leg))
        except BookError as error:
            return outcome_of(error)
        return self._named(answer)

    async def lookup(self, command: Sent) -> Lookup:
        try:
            answer = await self._book.answer(command.client_order_id)
        except BookError as error:
            return CannotTell(str(error))
        return Absent() if answer is None else Found(self._named(answer))

    async def fills(self, since: datetime) -> tuple[Fill, ...]:
        try:
            return await self._book.fills(since)
        except BookError as error:
            raise ReadFailed(str(error)) from error

    async def close(self) -> None:
        """Nothing to release: connections belong to the registry."""

    async def _state(self) -> PaperState:
        try:
            return await self._book.state()
        except BookError as error:
            raise ReadFailed(str(error)) from error

    def _named(self, answer: PaperAnswer) -> Accepted | Rejected:
        """The answer with our account's id on every position in it."""
        outcome = answer.outcome
        return replace(outcome, positions=tuple(self._ours(each) for each in outcome.positions))

    def _ours(self, position: Position) -> Position:
        return replace(position, account_id=self._account.id)

    def _working(self, order: PaperOrder, now: datetime) -> WorkingOrder:
        instrument = cached_instrument(order.symbol, now.date())
        return WorkingOrder(
            account_id=self._account.id,
            symbol=order.symbol,
            root=instrument.root if instrument else order.symbol,
            side=order.side,
            type=order.type,
            qty=order.qty,
            filled_qty=Decimal(0),
            status=OrderStatus.WORKING,
            venue_order_id=order.id,
            client_order_id=order.client_order_id,
            price=order.price,
            stop_price=order.stop_price,
            tif=order.tif,
            reduce_only=order.reduce_only,
            origin="broker",
            position_id=order.position_id,
        )
