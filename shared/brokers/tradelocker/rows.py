"""TradeLocker's rows: arrays of strings and nulls whose columns only `/trade/config` names. Pure.

Columns are found by id, never by position. A row that does not fit is `UnreadableError`: the layout may have
changed and has to be asked for again; it is never read by guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from shared.brokers.errors import UnreadableError
from shared.models.enums import OrderStatus, OrderType, Side

T = TypeVar("T")
Cells = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """Column ids by table, and the rate limits: type -> (requests, seconds)."""

    columns: Mapping[str, tuple[str, ...]]
    limits: Mapping[str, tuple[int, float]]


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order. `tag` is strategyId; `filled` what is filled so far; times are UTC."""

    id: str
    instrument_id: str
    side: Side
    type: OrderType
    qty: Decimal
    status: OrderStatus
    word: str
    filled: Decimal
    average: Decimal | None
    price: Decimal | None
    stop_price: Decimal | None
    created: datetime | None
    modified: datetime | None
    position_id: str | None
    tag: str | None
    commission: Decimal

    @property
    def is_final(self) -> bool:
        """Nothing more will happen to it."""
        return self.status not in (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)

    @property
    def at(self) -> datetime | None:
        """When it was last touched. `lastModified` is cut to seconds and may lie before `createdDate`."""
        known = [each for each in (self.created, self.modified) if each is not None]
        return max(known) if known else None


@dataclass(frozen=True, slots=True)
class PositionRow:
    """An open position. Its stop and target are orders behind the two ids."""

    id: str
    instrument_id: str
    side: Side
    qty: Decimal
    average: Decimal
    stop_loss_id: str | None
    take_profit_id: str | None
    opened: datetime | None
    profit: Decimal | None
    tag: str | None


STATUSES = {
    "new": OrderStatus.WORKING,
    "pending": OrderStatus.WORKING,
    "filled": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELED,
    "canceled": OrderStatus.CANCELED,
    "removed": OrderStatus.CANCELED,
    "refused": OrderStatus.REJECTED,
    "rejected": OrderStatus.REJECTED,
    "unplaced": OrderStatus.REJECTED,
    "expired": OrderStatus.EXPIRED,
}
"""Its words. A word we do not know is no end: the order is taken to work still."""


def config(data: Any) -> Config:
    """`d` of /trade/config."""

    def read() -> Config:
        tables = {name: value for name, value in data.items() if name.endswith("Config")}
        return Config(
            columns={
                name: tuple(str(each["id"]) for each in table["columns"]) for name, table in tables.items()
            },
            limits={str(each["rateLimitType"]): _limit(each) for each in data["rateLimits"]},
        )

    return reading("config", read)


def _limit(entry: Mapping[str, Any]) -> tuple[int, float]:
    unit = {"SECONDS": 1, "MINUTES": 60}[entry["measure"]]
    return int(entry["limit"]), float(int(entry["intervalNum"]) * unit)


def orders(layout: Config, table: str, data: Any) -> list[OrderRow]:
    """Rows of /orders (`table` ordersConfig) or /ordersHistory (ordersHistoryConfig)."""
    return reading(table, lambda: [_order(each) for each in _cells(layout, table, data)])


def positions(layout: Config, data: Any) -> list[PositionRow]:
    """Rows of /positions."""
    return reading("positions", lambda: [_position(each) for each in _cells(layout, "positionsConfig", data)])


def account_state(layout: Config, data: Any) -> dict[str, Decimal]:
    """The numbers of /state by name."""

    def read() -> dict[str, Decimal]:
        [cells] = _cells(layout, "accountDetailsConfig", [data["accountDetailsData"]])
        return {name: number for name in cells if (number := number_or_none(cells[name])) is not None}

    return reading("state", read)


def reading(place: str, read: Callable[[], T]) -> T:
    """What `read` makes of an answer, or UnreadableError with the place."""
    try:
        return read()
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, InvalidOperation) as error:
        raise UnreadableError(f"{place}: {type(error).__name__} {error}") from error


def _cells(layout: Config, table: str, data: Any) -> list[Cells]:
    columns = layout.columns[table]
    return [dict(zip(columns, row, strict=True)) for row in data]


def _order(cells: Cells) -> OrderRow:
    qty, filled = number(cells["qty"]), number_or_none(cells.get("filledQty")) or Decimal(0)
    word = str(cells["status"])
    return OrderRow(
        id=identifier(cells["id"]),
        instrument_id=identifier(cells["tradableInstrumentId"]),
        side=Side(str(cells["side"]).lower()),
        type=OrderType(str(cells["type"]).lower()),
        qty=qty,
        status=_status(word, filled),
        word=word,
        filled=filled,
        average=number_or_none(cells.get("avgPrice")) if filled else None,
        price=number_or_none(cells.get("price")),
        stop_price=number_or_none(cells.get("stopPrice")),
        created=moment(cells.get("createdDate")),
        modified=moment(cells.get("lastModified")),
        position_id=identifier_or_none(cells.get("positionId")),
        tag=str(cells.get("strategyId") or "") or None,
        commission=number_or_none(cells.get("commission")) or Decimal(0),
    )


def _status(word: str, filled: Decimal) -> OrderStatus:
    status = STATUSES.get(word.lower(), OrderStatus.WORKING)
    return OrderStatus.PARTIALLY_FILLED if status is OrderStatus.WORKING and filled else status


def _position(cells: Cells) -> PositionRow:
    return PositionRow(
        id=identifier(cells["id"]),
        instrument_id=identifier(cells["tradableInstrumentId"]),
        side=Side(str(cells["side"]).lower()),
        qty=number(cells["qty"]),
        average=number(cells["avgPrice"]),
        stop_loss_id=identifier_or_none(cells.get("stopLossId")),
        take_profit_id=identifier_or_none(cells.get("takeProfitId")),
        opened=moment(cells.get("openDate")),
        profit=number_or_none(cells.get("unrealizedPl")),
        tag=str(cells.get("strategyId") or "") or None,
    )


def number(cell: Any) -> Decimal:
    """A number, written as text or as a JSON number. ValueError when it is none."""
    found = number_or_none(cell)
    if found is None:
        raise ValueError("a number is missing")
    return found


def number_or_none(cell: Any) -> Decimal | None:
    """The same; null and empty text are None."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool) or not isinstance(cell, str | int | Decimal):
        raise ValueError(f"{cell!r} is no number")
    found = Decimal(cell)
    if not found.is_finite():
        raise ValueError(f"{cell!r} is no number")
    return found


def identifier(cell: Any) -> str:
    """An id as text; up to 19 digits, more than a float holds. ValueError when there is none."""
    found = identifier_or_none(cell)
    if found is None:
        raise ValueError("an id is missing")
    return found


def identifier_or_none(cell: Any) -> str | None:
    """The same; null, empty and 0 are None."""
    if cell in (None, "", 0, "0"):
        return None
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise ValueError(f"{cell!r} is no id")
    text = str(cell)
    if not text.isdecimal():
        raise ValueError(f"{cell!r} is no id")
    return text


def moment(cell: Any) -> datetime | None:
    """Milliseconds since 1970 as a time."""
    ms = number_or_none(cell)
    return datetime.fromtimestamp(int(ms) / 1000, UTC) if ms else None


def by_id(found: Sequence[OrderRow]) -> dict[str, OrderRow]:
    """Orders by id."""
    return {each.id: each for each in found}
