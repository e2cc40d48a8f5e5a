"""ProjectX's objects as ours: enums are integers, null fields may be missing, ids are text. Pure.

What does not fit is `UnreadableError`; it is never read by guess. A missing side is no buy, although a buy is 0.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from shared import codec
from shared.brokers.errors import UnreadableError
from shared.brokers.futures import Contract
from shared.brokers.session import Session
from shared.brokers.topstepx import products
from shared.models.enums import OrderStatus, OrderType, Side

T = TypeVar("T")
_ONE = Decimal(1)
Row = Mapping[str, Any]
MARKET, LIMIT, STOP = 2, 1, 4
OPEN, PENDING, PENDING_CANCELLATION, SUSPENDED = 1, 6, 7, 8
UNFINISHED = (OPEN, PENDING, PENDING_CANCELLATION, SUSPENDED)
"""Statuses of orders to which something may still happen."""
TYPES = {
    1: OrderType.LIMIT,
    2: OrderType.MARKET,
    3: OrderType.STOP,
    4: OrderType.STOP,
    5: OrderType.STOP,
    6: OrderType.LIMIT,
    7: OrderType.LIMIT,
}
"""As what we treat each of its types: a stop-limit and a trailing stop are stops, joining the book is a limit."""
STATUSES = {
    2: OrderStatus.FILLED,
    3: OrderStatus.CANCELED,
    4: OrderStatus.EXPIRED,
    5: OrderStatus.REJECTED,
}
"""The final ones. Any other, and one we do not know, is no end."""
SIDES = {0: Side.BUY, 1: Side.SELL}
WIRE_SIDE = {Side.BUY: 0, Side.SELL: 1}
WIRE_TYPE = {OrderType.MARKET: MARKET, OrderType.LIMIT: LIMIT, OrderType.STOP: STOP}
STOP_LOSS, TAKE_PROFIT, REDUCES = "-SL", "-TP", "-RO"
"""How the tags of orders end that only reduce: children inherit the first two, we write all three."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account of a login."""

    id: str
    name: str
    balance: Decimal
    can_trade: bool
    simulated: bool


@dataclass(frozen=True, slots=True)
class ContractRow:
    """A contract, what it is called, and its tick. `tick_value` in US dollars."""

    id: str
    root: str
    contract: Contract
    tick_size: Decimal
    tick_value: Decimal


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order. `word` is its status as it came; `custom` its tag as it came."""

    id: str
    contract_id: str
    side: Side
    type: OrderType
    qty: Decimal
    status: OrderStatus
    word: int
    filled: Decimal
    average: Decimal | None
    price: Decimal | None
    stop_price: Decimal | None
    created: datetime
    updated: datetime | None
    custom: str | None
    parent_id: str | None

    @property
    def is_final(self) -> bool:
        """Nothing more will happen to it."""
        return self.status not in (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)

    @property
    def suspended(self) -> bool:
        """It waits for its entry to be filled."""
        return self.word == SUSPENDED

    @property
    def is_child(self) -> bool:
        """A stop or target: a child of its entry, or set by us in the place of one."""
        return self.parent_id is not None or (self.custom or "").endswith((STOP_LOSS, TAKE_PROFIT))

    @property
    def reduces(self) -> bool:
        """It only reduces, as far as one can tell: the gateway itself knows no such thing."""
        return self.is_child or (self.custom or "").endswith(REDUCES)

    @property
    def tag(self) -> str | None:
        """Our client order id; None for stops, targets and what is not ours."""
        return None if self.is_child or not self.custom else self.custom.removesuffix(REDUCES)


@dataclass(frozen=True, slots=True)
class PositionRow:
    """The net position of a contract; `qty` has no sign."""

    contract_id: str
    side: Side
    qty: Decimal
    average: Decimal
    opened: datetime


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One fill. `profit` (gross, US dollars) None = it opened."""

    id: str
    order_id: str
    contract_id: str
    side: Side
    qty: Decimal
    price: Decimal
    profit: Decimal | None
    fees: Decimal
    commission: Decimal
    at: datetime


def accounts(answer: Row) -> list[AccountRow]:
    """The answer of Account/search."""
    return reading("accounts", lambda: [_account(each) for each in answer["accounts"]])


def contracts(answer: Row) -> list[ContractRow]:
    """The answer of Contract/available or search; contracts with another kind of id are left out."""

    def read() -> list[ContractRow]:
        return [row for each in answer["contracts"] if (row := _contract(each)) is not None]

    return reading("contracts", read)


def contract(answer: Row) -> ContractRow | None:
    """The answer of Contract/searchById; older documents show a list."""

    def read() -> ContractRow | None:
        found = answer.get("contract") or (answer.get("contracts") or [None])[0]
        return None if found is None else _contract(found)

    return reading("contract", read)


def orders(answer: Row, known: dict[int, tuple[Row, OrderRow]] | None = None) -> list[OrderRow]:
    """The answer of Order/search, searchOpen or v2/query.

    Most orders of a list are as the answer before showed them: those are taken from `known`, the others are put there.
    """

    def read(each: Row) -> OrderRow:
        if known is None:
            return _order(each)
        kept = known.get(each["id"])
        if kept is None or kept[0] != each:
            kept = known[each["id"]] = each, _order(each)
        return kept[1]

    return reading("orders", lambda: [read(each) for each in answer["orders"]])


def positions(answer: Row) -> list[PositionRow]:
    """The answer of Position/searchOpen; what is flat is left out."""

    def read() -> list[PositionRow]:
        return [_position(each) for each in answer["positions"] if each["size"] and each["type"] != 0]

    return reading("positions", read)


def trades(answer: Row, known: dict[int, TradeRow]) -> list[TradeRow]:
    """The answer of Trade/search, oldest first, without voided ones.

    A fill never changes: those of earlier answers are taken from `known`, and new ones are put there.
    """

    def read() -> list[TradeRow]:
        found = []
        for each in answer["trades"]:
            if each.get("voided"):
                continue
            row = known.get(each["id"])
            if row is None:
                row = known[each["id"]] = _trade(each)
            found.append(row)
        return sorted(found, key=lambda each: (each.at, int(each.id)))

    return reading("trades", read)


def last_price(answer: Row) -> Decimal | None:
    """The close of the youngest bar of History/retrieveBars, whatever order they come in."""

    def read() -> Decimal | None:
        found = [(moment(each["t"]), number(each["c"])) for each in answer["bars"]]
        return max(found)[1] if found else None

    return reading("bars", read)


def session(answer: Row, name: str) -> Session:
    """The answer of loginKey (`token`) or validate (`newToken`). One token is all there is."""

    def read() -> Session:
        token = answer[name]
        if not isinstance(token, str) or not token:
            raise ValueError("no token")
        return Session(token, "", _ends(token))

    try:
        return reading("token", read)
    except (binascii.Error, codec.NotReadable) as error:
        raise UnreadableError(f"token: {error}") from error


def reading(place: str, read: Callable[[], T]) -> T:
    """What `read` makes of an answer, or UnreadableError with the place."""
    try:
        return read()
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, InvalidOperation) as error:
        raise UnreadableError(f"{place}: {type(error).__name__} {error}") from error


def _ends(token: str) -> datetime:
    """When a token ends: its `exp`. Not a check: it came from the gateway itself, over TLS."""
    payload = token.split(".")[1]
    found = codec.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return datetime.fromtimestamp(int(found["exp"]), UTC)


def _account(row: Row) -> AccountRow:
    return AccountRow(
        id=identifier(row["id"]),
        name=str(row["name"]),
        balance=number(row["balance"]),
        can_trade=row["canTrade"] is True,
        simulated=row.get("simulated") is True,
    )


def _contract(row: Row) -> ContractRow | None:
    own = str(row["id"])
    found = products.parts(own)
    if found is None:
        return None
    root, month = found
    active = row["activeContract"] is True
    return ContractRow(
        own, root, Contract(own, root, month, active), number(row["tickSize"]), number(row["tickValue"])
    )


def _order(row: Row) -> OrderRow:
    word, filled = int(row["status"]), number_or_none(row.get("fillVolume")) or Decimal(0)
    status = STATUSES.get(word, OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.WORKING)
    return OrderRow(
        id=identifier(row["id"]),
        contract_id=str(row["contractId"]),
        side=SIDES[row["side"]],
        type=TYPES[row["type"]],
        qty=number(row["size"]),
        status=status,
        word=word,
        filled=filled,
        average=number_or_none(row.get("filledPrice")) if filled else None,
        price=number_or_none(row.get("limitPrice")),
        stop_price=number_or_none(row.get("stopPrice")),
        created=moment(row["creationTimestamp"]),
        updated=moment(row["updateTimestamp"]) if row.get("updateTimestamp") else None,
        custom=str(row.get("customTag") or "") or None,
        parent_id=identifier(row["parentOrderId"]) if row.get("parentOrderId") else None,
    )


def _position(row: Row) -> PositionRow:
    return PositionRow(
        contract_id=str(row["contractId"]),
        side={1: Side.BUY, 2: Side.SELL}[row["type"]],
        qty=number(row["size"]),
        average=number(row["averagePrice"]),
        opened=moment(row["creationTimestamp"]),
    )


def _trade(row: Row) -> TradeRow:
    return TradeRow(
        id=identifier(row["id"]),
        order_id=identifier(row["orderId"]),
        contract_id=str(row["contractId"]),
        side=SIDES[row["side"]],
        qty=number(row["size"]),
        price=number(row["price"]),
        profit=number_or_none(row.get("profitAndLoss")),
        fees=number_or_none(row.get("fees")) or Decimal(0),
        commission=number_or_none(row.get("commissions")) or Decimal(0),
        at=moment(row["creationTimestamp"]),
    )


def number(cell: Any) -> Decimal:
    """A JSON number, without the zeros behind it that mean nothing. ValueError when it is none."""
    found = number_or_none(cell)
    if found is None:
        raise ValueError("a number is missing")
    return found


def number_or_none(cell: Any) -> Decimal | None:
    """The same; null is None."""
    if type(cell) is int:
        return Decimal(cell)
    if cell is None:
        return None
    if not isinstance(cell, Decimal) or not cell.is_finite():
        raise ValueError(f"{cell!r} is no number")
    plain = cell.normalize()
    return plain.quantize(_ONE) if plain == plain.to_integral_value() else plain


def identifier(cell: Any) -> str:
    """An id as text: a JSON number of up to 64 bits."""
    if isinstance(cell, bool) or not isinstance(cell, int) or cell <= 0:
        raise ValueError(f"{cell!r} is no id")
    return str(cell)


def moment(cell: Any) -> datetime:
    """An ISO time, UTC; one without a zone is taken as UTC. ValueError when it is none."""
    found = datetime.fromisoformat(str(cell))  # more than six digits of a second are cut
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
